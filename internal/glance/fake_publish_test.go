package glance

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const fakeSize = 3<<20 + 4321

func TestPublishThroughFaults(t *testing.T) {
	// What a publication without faults asks for.
	create, send, confirm, publish := "POST images", "PUT file", "GET image", []string{"PATCH image", "GET image"}
	whole := append([]string{create, send, confirm}, publish...)
	twice := append([]string{create, send, "GET image", send, confirm}, publish...)
	tests := map[string]struct {
		// why a fake and not the real Glance.
		why       string
		faults    map[string][]fault
		protected bool
		attempts  int
		settle    time.Duration
		// want are the requests; nil where their number depends on the clock.
		want []string
		// wantError holds parts of the error; none means that it must succeed.
		wantError []string
		wantLeft  int
		// hash is what the data were compared by; "" for sha512.
		hash string
	}{
		"no fault": {
			why:  "to see that the fake is asked what the real one is",
			want: whole,
		},
		"401 before the data": {
			why:    "with the others, although a revoked token does it for real",
			faults: map[string][]fault{send: {refuse(401, "")}},
			want:   append([]string{create, send, "POST token", "GET image", send, confirm}, publish...),
		},
		"401 in the middle of the data": {
			why:    "Glance checks the token before the data only",
			faults: map[string][]fault{send: {refuseAfter(1<<20, false)}},
			want:   append([]string{create, send, "POST token", "GET image", send, confirm}, publish...),
		},
		"401 after all data, image deleted": {
			why:    "Glance does so when a token expires during the transfer, which takes an hour",
			faults: map[string][]fault{send: {refuseAfter(fakeSize, true)}},
			want:   append([]string{create, send, "POST token", "GET image", "DELETE image", create, send, confirm}, publish...),
		},
		"401 for ever": {
			why:       "a real Keystone does not give tokens that Glance refuses",
			faults:    map[string][]fault{send: times(9, refuse(401, "no"))},
			attempts:  2,
			want:      []string{create, send, "POST token", "GET image", send, "POST token", "GET image", "DELETE image"},
			wantError: []string{"after 2 attempts", "401"},
		},
		"connection reset before the data": {
			why:    "the real one does not reset",
			faults: map[string][]fault{send: {reset(0, 0)}},
			want:   twice,
		},
		"connection reset in the middle, Glance still saving": {
			why:    "the real one does not reset",
			faults: map[string][]fault{send: {reset(2<<20, 2)}},
			want:   append([]string{create, send, "GET image", "GET image", "GET image", send, confirm}, publish...),
		},
		"connection reset each time": {
			why:       "the real one does not reset",
			faults:    map[string][]fault{send: times(9, reset(1<<20, 0))},
			attempts:  3,
			want:      []string{create, send, "GET image", send, "GET image", send, "GET image", "DELETE image"},
			wantError: []string{"after 3 attempts", "the connection broke"},
		},
		"answer lost although the image is active": {
			why:    "the real one does not lose answers",
			faults: map[string][]fault{send: {loseAnswer}},
			want:   append([]string{create, send, "GET image", confirm}, publish...),
		},
		"transfer stalls": {
			why:    "the real one does not stall",
			faults: map[string][]fault{send: {stall(64 << 10)}},
			want:   twice,
		},
		"too many requests": {
			why:    "the real one does not count",
			faults: map[string][]fault{send: {refuseFor("2", 429)}, "GET image": {refuseFor("Mon, 02 Jan 2006 15:04:05 GMT", 429)}},
			want:   append([]string{create, send, "GET image", "GET image", send, confirm}, publish...),
		},
		"a proxy's 502 and 504, and Glance's 500": {
			why:    "the real one has no proxy in front",
			faults: map[string][]fault{send: {refuse(502, ""), refuse(504, ""), refuse(500, "")}},
			want:   append([]string{create, send, "GET image", send, "GET image", send, "GET image", send, confirm}, publish...),
		},
		"Glance restarted in the middle, image saving for ever": {
			why:    "the real one is needed by the other tests",
			faults: map[string][]fault{send: {reset(1<<20, 1<<20)}},
			settle: 50 * time.Millisecond,
		},
		"503 and then well": {
			why:    "the real one is not overloaded",
			faults: map[string][]fault{send: {refuse(503, "busy")}},
			want:   twice,
		},
		"503 for ever": {
			why:       "the real one is not overloaded",
			faults:    map[string][]fault{send: times(9, refuse(503, "<html><head><title>x</title></head><body><h1>503 Service Unavailable</h1>store is <b>read-only</b></body></html>"))},
			attempts:  2,
			want:      []string{create, send, "GET image", send, "GET image", "DELETE image"},
			wantError: []string{"after 2 attempts", `"store is read-only"`},
		},
		"image deleted by somebody meanwhile": {
			why:    "with the real one it would be a race",
			faults: map[string][]fault{send: {vanish}},
			want:   append([]string{create, send, "GET image", "DELETE image", create, send, confirm}, publish...),
		},
		"format refused": {
			why:       "only a Glance from 2025.1 on looks at formats",
			faults:    map[string][]fault{send: {refuse(415, `{"message": "Image disk_format raw does not match stream data qcow2<br /><br />"}`)}},
			want:      []string{create, send, "DELETE image"},
			wantError: []string{"415", `"Image disk_format raw does not match stream data qcow2"`, "disk_format is the format of the file"},
		},
		"conflict": {
			why:       "nobody else sends to our image",
			faults:    map[string][]fault{send: {refuse(409, "")}},
			want:      []string{create, send, "DELETE image"},
			wantError: []string{"409", "somebody else"},
		},
		"conflict with our own broken transfer": {
			why:    "the real one does not reset",
			faults: map[string][]fault{send: {reset(1<<20, 0), refuse(409, "")}},
			want:   append([]string{create, send, "GET image", send, "GET image", send, confirm}, publish...),
		},
		"success said before the data were read": {
			why: "a proxy may answer so",
			faults: map[string][]fault{send: {func(f *fake, w http.ResponseWriter, _ *http.Request, image *fakeImage, _ http.HandlerFunc) {
				f.store(image.fields["id"].(string), nil)
				w.WriteHeader(http.StatusNoContent)
			}}},
			want:      []string{create, send, confirm, "DELETE image"},
			wantError: []string{fmt.Sprintf("%d bytes were sent, 0 are stored", fakeSize)},
		},
		"short storage": {
			why:       "the real store keeps all",
			faults:    map[string][]fault{send: {store(func(data []byte) []byte { return data[:len(data)-1] })}},
			want:      []string{create, send, confirm, "DELETE image"},
			wantError: []string{fmt.Sprintf("%d bytes were sent, %d are stored", fakeSize, fakeSize-1)},
		},
		"changed storage": {
			why: "the real store keeps what it gets",
			faults: map[string][]fault{send: {store(func(data []byte) []byte {
				changed := slices.Clone(data)
				changed[len(changed)/2] ^= 1
				return changed
			})}},
			want:      []string{create, send, confirm, "DELETE image"},
			wantError: []string{"sha512 of what was sent is", "changed the data"},
		},
		"hash of another algorithm": {
			why:    "the real one is set to SHA-512",
			faults: map[string][]fault{send: {change("os_hash_algo", "blake2b")}},
			want:   whole, hash: "md5",
		},
		"no hash but MD5": {
			why:    "a Glance before release Rocky has none",
			faults: map[string][]fault{send: {change("os_hash_value", nil)}},
			want:   whole, hash: "md5",
		},
		"no MD5": {
			why:    "the real one tells it",
			faults: map[string][]fault{send: {change("checksum", nil)}},
			want:   whole,
		},
		"MD5 differs, and no other hash is known": {
			why:       "the real one hashes right",
			faults:    map[string][]fault{send: {both(change("os_hash_algo", "blake2b"), change("checksum", strings.Repeat("0", 32)))}},
			want:      []string{create, send, confirm, "DELETE image"},
			wantError: []string{"md5 of what was sent is"},
		},
		"secure hash differs though MD5 is right": {
			why:       "the real one hashes right",
			faults:    map[string][]fault{send: {change("os_hash_value", strings.Repeat("0", 128))}},
			want:      []string{create, send, confirm, "DELETE image"},
			wantError: []string{"sha512 of what was sent is"},
		},
		"answer to the creation lost": {
			why:    "the real one does not lose answers",
			faults: map[string][]fault{create: {loseAnswer}},
			want:   append([]string{create, create, "GET image", send, confirm}, publish...),
		},
		"creation refused": {
			why:       "the quota for the number of images is set for all projects at once",
			faults:    map[string][]fault{create: {refuse(413, "too many images")}},
			want:      []string{create},
			wantError: []string{`"too many images"`, "quota"},
		},
		"Glance away for a moment at each step": {
			why: "the real one is not away",
			faults: map[string][]fault{
				create: {refuse(502, "")}, "GET image": {refuse(504, ""), refuse(500, "")}, "PATCH image": {refuse(503, "")},
			},
			want: []string{create, create, send, "GET image", "GET image", "GET image", "PATCH image", "PATCH image", "GET image"},
		},
		"answer to the publication lost": {
			why:    "the real one does not lose answers",
			faults: map[string][]fault{"PATCH image": {loseAnswer}},
			want:   []string{create, send, confirm, "PATCH image", "PATCH image", "GET image"},
		},
		"property not kept, image protected": {
			why:       "the real one keeps properties",
			faults:    map[string][]fault{"PATCH image": {change("os_distro", "windows")}},
			protected: true,
			want:      append(append([]string{create, send, confirm}, publish...), "DELETE image", "PATCH image", "DELETE image"),
			wantError: []string{"property os_distro is windows, not debian"},
		},
		"removal fails at first": {
			why:       "the real one removes",
			faults:    map[string][]fault{send: {refuse(413, "")}, "DELETE image": {refuse(503, "")}},
			want:      []string{create, send, "DELETE image", "DELETE image"},
			wantError: []string{"quota"},
		},
		"removal is refused": {
			why:       "the real one removes",
			faults:    map[string][]fault{send: {refuse(413, "")}, "DELETE image": times(99, refuse(403, "not you"))},
			want:      []string{create, send, "DELETE image"},
			wantError: []string{"quota", "openstack image delete ", `"not you"`},
			wantLeft:  1,
		},
	}
	content := make([]byte, fakeSize)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Log("a fake, because:", test.why)
			f := newFake(t, test.faults)
			var lines []string
			var mutex sync.Mutex
			client := f.signIn(Access{
				Patience: Patience{Pause: time.Millisecond, Idle: 300 * time.Millisecond, Answer: 2 * time.Second, Request: 2 * time.Second, Settle: cmp.Or(test.settle, 2*time.Second), Attempts: test.attempts},
				Log: func(line string) {
					mutex.Lock()
					defer mutex.Unlock()
					lines = append(lines, line)
				},
			})
			spec := Spec{Name: "debian", DiskFormat: "raw", Protected: test.protected, Properties: map[string]string{"os_distro": "debian"}}
			progress := &recorder{}
			image, err := client.Publish(t.Context(), spec, open(t, path), progress)
			f.mutex.Lock()
			defer f.mutex.Unlock()
			if got := strings.Join(f.requests, ", "); test.want != nil && got != strings.Join(test.want, ", ") {
				t.Errorf("asked\n %s, want\n %s", got, strings.Join(test.want, ", "))
			}
			checkError(t, err, test.wantError)
			progress.check(t, fakeSize)
			checkNoSecret(t, strings.Join(lines, "\n")+progress.all()+fmt.Sprint(err))
			if len(test.wantError) > 0 {
				if len(f.images) != test.wantLeft {
					t.Errorf("%d images are left, want %d", len(f.images), test.wantLeft)
				}
				return
			}
			if image == nil || len(f.images) != 1 || !slices.Equal(f.images[image.ID].data, content) {
				t.Errorf("the stored data are not what was to be sent, in %d images", len(f.images))
			}
			if want := []string{"size", cmp.Or(test.hash, "sha512")}; image != nil && !slices.Equal(image.Confirmed, want) {
				t.Errorf("confirmed %v, want %v", image.Confirmed, want)
			}
			if want := fmt.Sprintf("%x", md5.Sum(content)); image != nil && image.Properties[ownerMD5] != want {
				t.Errorf("%s is %q, want %s", ownerMD5, image.Properties[ownerMD5], want)
			}
		})
	}
}

// TestPublishEndsAStalledTransfer sends more than all buffers between hold. It
// uses a fake because the real Glance does not stall.
func TestPublishEndsAStalledTransfer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 256<<20); err != nil {
		t.Fatal(err)
	}
	f := newFake(t, map[string][]fault{"PUT file": {stall(1 << 20)}})
	client := f.signIn(Access{Patience: Patience{Idle: 300 * time.Millisecond, Answer: time.Minute, Attempts: 1}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := client.Publish(ctx, Spec{Name: "debian", DiskFormat: "raw"}, open(t, path), nil)
	checkError(t, err, []string{"stalled", "no byte was taken for 300ms"})
	if len(f.images) != 0 {
		t.Errorf("%d images are left, want none", len(f.images))
	}
}

// TestALateCreationLeavesNothing uses a fake because the real Glance creates too
// quickly to be met in the act.
func TestALateCreationLeavesNothing(t *testing.T) {
	tests := map[string]struct {
		answer    func(ctx context.Context, cancel func(), w http.ResponseWriter)
		wantError string
	}{
		"cancelled before any answer": {
			answer: func(ctx context.Context, cancel func(), _ http.ResponseWriter) {
				cancel()
				<-ctx.Done()
			},
			wantError: "context canceled",
		},
		// What a proxy says when it sees one side leave, and what the client has
		// read before it saw the cancel.
		"an answer that is none, and no cancel": {
			answer:    func(_ context.Context, _ func(), w http.ResponseWriter) { w.WriteHeader(http.StatusOK) },
			wantError: "200",
		},
		"a gateway's answer that nobody tries again": {
			answer: func(_ context.Context, _ func(), w http.ResponseWriter) {
				w.WriteHeader(http.StatusHTTPVersionNotSupported)
			},
			wantError: "505",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			late := make(chan struct{})
			f := newFake(t, map[string][]fault{"POST images": {func(_ *fake, w http.ResponseWriter, r *http.Request, _ *fakeImage, act http.HandlerFunc) {
				body, _ := io.ReadAll(r.Body)
				time.AfterFunc(150*time.Millisecond, func() {
					act(httptest.NewRecorder(), httptest.NewRequest(r.Method, r.URL.Path, bytes.NewReader(body)))
					close(late)
				})
				test.answer(r.Context(), cancel, w)
			}}})
			client := f.signIn(Access{Patience: Patience{Pause: 50 * time.Millisecond}})
			_, err := client.Publish(ctx, Spec{Name: "debian", DiskFormat: "raw"}, open(t, sparse(t, 4096)), nil)
			checkError(t, err, []string{test.wantError})
			<-late
			f.mutex.Lock()
			defer f.mutex.Unlock()
			if len(f.images) != 0 {
				t.Errorf("%d images are left, want none; asked %q", len(f.images), f.requests)
			}
		})
	}
}

// TestPublishToAServerThatIsGone uses a fake because the real one is needed by
// the other tests.
func TestPublishToAServerThatIsGone(t *testing.T) {
	tests := map[string]struct {
		step string
		want []string
		not  string
	}{
		"before the creation": {step: "creating", want: []string{"create the image", "connection refused"}, not: "may remain"},
		"before the data":     {step: "sending", want: []string{"send the data", "connection refused", "may remain there", "openstack image delete"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil)
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond, Request: 200 * time.Millisecond, Remove: 200 * time.Millisecond, Attempts: 2}})
			progress := &trigger{step: test.step, act: func() {
				f.server.Close()
				// A request on a connection that is about to close may have had an effect.
				client.requests.Transport.(*wire).next.(*http.Transport).CloseIdleConnections()
			}}
			_, err := client.Publish(t.Context(), Spec{Name: "debian", DiskFormat: "raw"}, open(t, sparse(t, 4096)), progress)
			checkError(t, err, test.want)
			if test.not != "" && strings.Contains(fmt.Sprint(err), test.not) {
				t.Errorf("got %q, want nothing of %q in it", err, test.not)
			}
		})
	}
}

// lying is a Source that gives more or fewer bytes than it says.
type lying struct {
	says, gives int64
}

func (l lying) Size() int64 { return l.says }

func (l lying) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(strings.NewReader(strings.Repeat("x", 9000)), l.gives)), nil
}

// TestPublishRefusesASourceOfAnotherSize uses a fake to see that nothing is sent
// a second time: the fault is here and not there.
func TestPublishRefusesASourceOfAnotherSize(t *testing.T) {
	for name, source := range map[string]lying{"fewer bytes": {5000, 4999}, "more bytes": {5000, 5001}, "none": {5000, 0}} {
		t.Run(name, func(t *testing.T) {
			takeAll := func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, _ http.HandlerFunc) {
				data, _ := io.ReadAll(r.Body)
				f.store(image.fields["id"].(string), data)
				w.WriteHeader(http.StatusNoContent)
			}
			f := newFake(t, map[string][]fault{"PUT file": times(9, takeAll)})
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond}})
			_, err := client.Publish(t.Context(), Spec{Name: "debian", DiskFormat: "raw"}, source, nil)
			checkError(t, err, []string{"read what is to be sent", fmt.Sprintf("it gave %d bytes and not %d", source.gives, source.says)})
			if want := []string{"POST images", "PUT file", "DELETE image"}; !slices.Equal(f.requests, want) || len(f.images) > 0 {
				t.Errorf("asked %q and left %d images, want %q and none", f.requests, len(f.images), want)
			}
		})
	}
}

// TestTheTokenStaysOnItsHost uses a fake because the real Glance does not
// redirect.
func TestTheTokenStaysOnItsHost(t *testing.T) {
	var seen []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Path)
	}))
	defer elsewhere.Close()
	redirect := func(_ *fake, w http.ResponseWriter, r *http.Request, _ *fakeImage, _ http.HandlerFunc) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}
	for _, request := range []string{"POST images", "PUT file", "GET image", "PATCH image"} {
		t.Run(request, func(t *testing.T) {
			f := newFake(t, map[string][]fault{request: times(9, redirect)})
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond}})
			path := filepath.Join(t.TempDir(), "disk.raw")
			if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := client.Publish(t.Context(), Spec{Name: "debian", DiskFormat: "raw"}, open(t, path), nil)
			checkError(t, err, []string{"307"})
			if len(seen) > 0 || len(f.images) > 0 {
				t.Errorf("elsewhere was asked %q and %d images are left, want nothing of either", seen, len(f.images))
			}
		})
	}
}
