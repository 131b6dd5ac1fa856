package glance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// stage keeps the data for an import.
func (f *fake) stage(id string, data []byte) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	image := f.images[id]
	image.data = data
	image.fields["status"] = "uploading"
	image.fields["size"] = len(data)
}

func (f *fake) info(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/stores") {
		_, _ = io.WriteString(w, `{"stores": [{"id": "cold"}, {"id": "fast", "default": "true"}, {"id": "web", "read-only": "true"}]}`)
		return
	}
	_, _ = io.WriteString(w, `{"import-methods": {"value": ["glance-direct", "copy-image"]}}`)
}

func (f *fake) tasks(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/images/"), "/tasks")
	f.write(w, map[string]any{"tasks": f.images[id].tasks})
}

// startImport brings the data to the stores at once.
func (f *fake) startImport(w http.ResponseWriter, r *http.Request) {
	var request importRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		f.t.Error(err)
	}
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/images/"), "/import")
	f.mutex.Lock()
	image := f.images[id]
	fits := image.fields["status"] == map[string]string{"glance-direct": "uploading", "copy-image": "active"}[request.Method.Name]
	f.mutex.Unlock()
	if !fits {
		w.WriteHeader(http.StatusConflict)
		return
	}
	f.finish(image, request.Stores)
	w.WriteHeader(http.StatusAccepted)
}

func (f *fake) finish(image *fakeImage, stores []string) {
	f.store(image.fields["id"].(string), image.data)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	have := list(fmt.Sprint(image.fields["stores"]))
	if image.fields["stores"] == nil {
		have = nil
	}
	image.fields["stores"] = strings.Join(append(have, stores...), ",")
	image.note("success", "Copied 3 MiB")
}

func (i *fakeImage) note(status, message string) {
	i.tasks = append(i.tasks, map[string]any{"id": fmt.Sprint("task-", len(i.tasks)), "status": status, "message": message, "created_at": fmt.Sprint(len(i.tasks))})
}

// failImport takes the request and lets it come to nothing, as the real one
// does: with the image in this status, and these stores in its list of failures.
func failImport(status, stores string, told bool) fault {
	return func(f *fake, w http.ResponseWriter, _ *http.Request, image *fakeImage, _ http.HandlerFunc) {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		image.fields["status"], image.fields["os_glance_failed_import"], image.fields["os_glance_importing_to_stores"] = status, stores, ""
		if told {
			image.note("failure", "<b>disk</b> is full")
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

// slowly imports only after some looks at the tasks.
func slowly(looks int) map[string][]fault {
	working := func(_ *fake, w http.ResponseWriter, _ *http.Request, _ *fakeImage, _ http.HandlerFunc) {
		_, _ = io.WriteString(w, `{"tasks": [{"id": "task-0", "status": "processing", "message": "Copied 1 MiB"}]}`)
	}
	return map[string][]fault{"GET tasks": append([]fault{noTasks}, times(looks, working)...)}
}

func noTasks(_ *fake, w http.ResponseWriter, _ *http.Request, _ *fakeImage, _ http.HandlerFunc) {
	_, _ = io.WriteString(w, `{"tasks": []}`)
}

func TestImportThroughFaults(t *testing.T) {
	ask := []string{"GET info/import", "GET info/stores", "POST images"}
	begin, watch := []string{"GET tasks", "POST import"}, []string{"GET tasks", "GET image"}
	// The last GET image but one is to see which stores have the image.
	confirm, publish := "GET image", []string{"PATCH image", "GET image"}
	whole := slices.Concat(ask, []string{"PUT stage"}, begin, watch, []string{confirm}, publish)
	failed := slices.Concat(ask, []string{"PUT stage"}, begin, watch, []string{"DELETE image"})
	two := Sending{Stores: []string{"cold", "fast"}}
	tests := map[string]struct {
		sending   Sending
		faults    map[string][]fault
		want      []string
		wantError []string
		confirmed []string
	}{
		"import": {sending: Sending{Method: MethodImport}, want: whole},
		"several stores": {
			sending: two, confirmed: []string{"stores"},
			want: slices.Concat(ask, []string{"PUT stage"}, begin, watch, []string{confirm, "GET image"}, publish),
		},
		"put and copy": {
			sending: Sending{Stores: []string{"fast"}, CopyTo: []string{"cold"}}, confirmed: []string{"stores"},
			faults: map[string][]fault{"PUT file": {change("stores", "fast")}},
			want:   slices.Concat(ask, []string{"PUT file", confirm}, begin, watch, []string{"GET image"}, publish),
		},
		"put forbidden": {
			faults: map[string][]fault{"PUT file": {refuse(403, "upload_image")}},
			want:   slices.Concat([]string{"POST images", "PUT file"}, ask[:2], []string{"PUT stage"}, begin, watch, []string{confirm}, publish),
		},
		"put forbidden, and asked for": {
			sending: Sending{Method: MethodPut}, faults: map[string][]fault{"PUT file": {refuse(403, "upload_image")}},
			want: []string{"POST images", "PUT file", "DELETE image"}, wantError: []string{"403", `"upload_image"`, "policy"},
		},
		"put forbidden, and no import": {
			faults: map[string][]fault{"PUT file": {refuse(403, "upload_image")}, "GET info/import": {refuse(404, "")}},
			want:   slices.Concat([]string{"POST images", "PUT file"}, ask[:2], []string{"DELETE image"}), wantError: []string{"403", `"upload_image"`, "policy"},
		},
		"staging breaks": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"PUT stage": {reset(1<<20, 0)}},
			want: slices.Concat(ask, []string{"PUT stage", "GET image", "PUT stage"}, begin, watch, []string{confirm}, publish),
		},
		"answer to the staging lost": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"PUT stage": {loseAnswer}},
			want: slices.Concat(ask, []string{"PUT stage", "GET image"}, begin, watch, []string{confirm}, publish),
		},
		"401 in the staging": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"PUT stage": {refuseAfter(1<<20, false)}},
			want: slices.Concat(ask, []string{"PUT stage", "POST token", "GET image", "PUT stage"}, begin, watch, []string{confirm}, publish),
		},
		"answer to the import lost": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"POST import": {loseAnswer}},
			want: slices.Concat(ask, []string{"PUT stage"}, begin, []string{"GET tasks"}, watch, []string{confirm}, publish),
		},
		"import refused for a moment": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"POST import": {refuse(503, "")}},
			want: slices.Concat(ask, []string{"PUT stage"}, begin, []string{"GET tasks", "POST import"}, watch, []string{confirm}, publish),
		},
		"import refused": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"POST import": times(9, refuse(403, "policy"))},
			want:      slices.Concat(ask, []string{"PUT stage"}, begin, []string{"DELETE image"}),
			wantError: []string{"import the staged data", `"policy"`},
		},
		"import takes its time": {
			sending: Sending{Method: MethodImport}, faults: slowly(2),
			want: slices.Concat(ask, []string{"PUT stage"}, begin, watch, watch, watch, []string{confirm}, publish),
		},
		"import fails, image queued": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"POST import": {failImport("queued", "fast", true)}},
			want: failed, wantError: []string{`import into "fast" did not succeed`, `"disk is full"`, "task-0"},
		},
		"import fails, image importing for ever": {
			sending: two, faults: map[string][]fault{"POST import": {failImport("importing", "cold", true)}},
			want: failed, wantError: []string{`into "cold"`, `"disk is full"`},
		},
		"import fails where no record is kept": {
			sending: two,
			faults:  map[string][]fault{"POST import": {failImport("importing", "cold", false)}, "GET tasks": times(9, refuse(404, ""))},
			want:    failed, wantError: []string{`into "cold"`, "keeps no record"},
		},
		"no sign of life": {
			sending: Sending{Method: MethodImport}, faults: slowly(999),
			wantError: []string{"nothing has changed for 200ms", `"Copied 1 MiB"`},
		},
		"one store left out in silence": {
			sending: two, faults: map[string][]fault{"GET tasks": {noTasks, onlyIn("fast")}},
			want:      slices.Concat(ask, []string{"PUT stage"}, begin, watch, []string{confirm, "GET image", "DELETE image"}),
			wantError: []string{`the image is in "fast", but not in "cold"`},
		},
		"one store left out, which suffices": {
			sending: Sending{Stores: two.Stores, SomeStoresSuffice: true}, faults: map[string][]fault{"GET tasks": {noTasks, onlyIn("fast")}},
			want: slices.Concat(ask, []string{"PUT stage"}, begin, watch, []string{confirm, "GET image"}, publish),
		},
		"no such store": {
			sending: Sending{Stores: []string{"slow", "web"}}, want: ask[:2],
			wantError: []string{`no store "slow": this Glance has "fast", "cold"`, `no store "web"`},
		},
		"a Glance without imports": {
			sending: Sending{Method: MethodImport}, faults: map[string][]fault{"GET info/import": {refuse(404, "")}, "GET info/stores": {refuse(404, "")}},
			want: ask[:2], wantError: []string{"offers no import by glance-direct", "it offers none"},
		},
	}
	path := sparse(t, fakeSize)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, test.faults)
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond, Request: 2 * time.Second, Settle: 2 * time.Second, Import: 200 * time.Millisecond}})
			progress := &recorder{}
			spec := Spec{Name: "debian", DiskFormat: "raw", Sending: test.sending}
			image, err := client.Publish(t.Context(), spec, open(t, path), progress)
			f.mutex.Lock()
			defer f.mutex.Unlock()
			if test.want != nil && !slices.Equal(f.requests, test.want) {
				t.Errorf("asked\n %q, want\n %q", f.requests, test.want)
			}
			checkError(t, err, test.wantError)
			progress.check(t, fakeSize)
			if len(test.wantError) > 0 {
				if len(f.images) > 0 {
					t.Errorf("%d images are left, want none", len(f.images))
				}
				return
			}
			if want := append([]string{"size", "sha512"}, test.confirmed...); image != nil && !slices.Equal(image.Confirmed, want) {
				t.Errorf("confirmed %v, want %v", image.Confirmed, want)
			}
		})
	}
}

// onlyIn has the image in one store when its tasks are next asked for.
func onlyIn(store string) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, act http.HandlerFunc) {
		f.mutex.Lock()
		image.fields["stores"] = store
		f.mutex.Unlock()
		act(w, r)
	}
}

// TestAConvertedImageIsComparedByItsDisk uses a fake because the conversion is
// a plugin that the real Glance of the tests does not run.
func TestAConvertedImageIsComparedByItsDisk(t *testing.T) {
	convert := func(virtualSize int64) fault {
		return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, act http.HandlerFunc) {
			act(w, r)
			f.mutex.Lock()
			defer f.mutex.Unlock()
			image.fields["disk_format"], image.fields["size"], image.fields["virtual_size"] = "raw", virtualSize, virtualSize
			image.fields["checksum"], image.fields["os_hash_value"] = "0", "0"
		}
	}
	tests := map[string]struct {
		virtualSize int64
		want        []string
	}{
		"the same disk": {virtualSize: 8 << 20},
		"another disk":  {virtualSize: 9 << 20, want: []string{"converted it from qcow2 to raw", "has 9437184 bytes where ours has 8388608"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, map[string][]fault{"POST import": {convert(test.virtualSize)}})
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond}})
			spec := Spec{Name: "debian", DiskFormat: "qcow2", VirtualSize: 8 << 20, Sending: Sending{Method: MethodImport}}
			image, err := client.Publish(t.Context(), spec, open(t, sparse(t, 4096)), nil)
			checkError(t, err, test.want)
			if err == nil && (image.DiskFormat != "raw" || !slices.Equal(image.Confirmed, []string{"virtual_size"})) {
				t.Errorf("got %s, confirmed %v, want raw, confirmed by its virtual size", image.DiskFormat, image.Confirmed)
			}
		})
	}
}

func TestAnImportTellsHowFarItIs(t *testing.T) {
	tests := map[string]struct {
		image  Image
		latest *task
		want   string
	}{
		"into stores": {Image{Status: "importing", importing: []string{"cold"}}, &task{Message: "Copied 12 MiB"}, `Glance is still at it, the image is importing, "cold" to go (Copied 12 MiB)`},
		"download":    {Image{Status: "importing"}, &task{}, "Glance is still at it, the image is importing"},
		"no record":   {Image{Status: "importing"}, nil, "Glance is still at it, the image is importing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := whereabouts(&test.image, test.latest); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
