package glance

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// fake is a Keystone and a Glance in this process, for the faults that the real
// ones can not be made to show. Everything that they can show is tested with
// them. It stands in for Nova's documented API too, which no test has for
// real. It keeps a list of what was asked, and images as Glance does.
type fake struct {
	t      *testing.T
	server *httptest.Server
	ended  chan struct{}

	mutex    sync.Mutex
	requests []string
	tokens   int
	// lifetime is that of the tokens; 0 means that they do not say.
	lifetime time.Duration
	images   map[string]*fakeImage
	// compute is the path of Nova's endpoint, which is in no catalogue when it is
	// empty, and aggregates are what Nova lists.
	compute    string
	aggregates []map[string]any
	faults     map[string][]fault
}

type fakeImage struct {
	fields map[string]any
	data   []byte
	// busy is how many more times the image is shown as saving.
	busy int
	// tasks are the statuses and messages of the imports.
	tasks   []map[string]any
	members []string
}

// fault answers one request in the place of the fake. It may call act to have
// the request done all the same.
type fault func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, act http.HandlerFunc)

func newFake(t *testing.T, faults map[string][]fault) *fake {
	f := &fake{t: t, ended: make(chan struct{}), images: map[string]*fakeImage{}, faults: faults}
	f.server = httptest.NewServer(f)
	t.Cleanup(func() {
		close(f.ended)
		f.server.Close()
	})
	return f
}

// signIn takes the way of the OS_* variables.
func (f *fake) signIn(access Access) *Client {
	f.t.Helper()
	clearEnvironment(f.t)
	f.t.Setenv("OS_AUTH_URL", f.server.URL+"/v3")
	f.t.Setenv("OS_USERNAME", "someone")
	f.t.Setenv("OS_PASSWORD", "hunter2")
	f.t.Setenv("OS_PROJECT_NAME", "demo")
	f.t.Setenv("OS_DEFAULT_DOMAIN", "default")
	client := signIn(f.t, access)
	f.mutex.Lock()
	f.requests = nil
	f.mutex.Unlock()
	return client
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	id, below, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/images/"), "/")
	name := r.Method + " image"
	act := f.image
	switch {
	case r.URL.Path == "/v3/auth/tokens":
		name, act = "POST token", f.token
	case r.URL.Path == "/v2/images" && r.Method == http.MethodGet:
		name, act = "GET images", f.list
	case r.URL.Path == "/v2/images":
		name, act = "POST images", f.create
	case below == "file":
		name, act = "PUT file", f.put
	case below == "stage":
		name, act = "PUT stage", f.put
	case below == "import":
		name, act = "POST import", f.startImport
	case below == "members":
		name, act = r.Method+" members", f.members
	case f.compute != "" && strings.HasPrefix(r.URL.Path, f.compute):
		name, act = f.novaRequest(r), f.nova
	case below == "actions/deactivate":
		name, act = "POST deactivate", f.deactivate
	case below == "tasks":
		name, act = "GET tasks", f.tasks
	case strings.HasPrefix(r.URL.Path, "/v2/info/"):
		name, act = "GET "+strings.TrimPrefix(r.URL.Path, "/v2/"), f.info
	}
	f.mutex.Lock()
	f.requests = append(f.requests, name)
	image := f.images[id]
	var next fault
	if queue := f.faults[name]; len(queue) > 0 {
		next, f.faults[name] = queue[0], queue[1:]
	}
	f.mutex.Unlock()
	if next != nil {
		next(f, w, r, image, act)
		return
	}
	act(w, r)
}

func (f *fake) token(w http.ResponseWriter, _ *http.Request) {
	f.mutex.Lock()
	f.tokens++
	w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", f.tokens))
	f.mutex.Unlock()
	w.WriteHeader(http.StatusCreated)
	endpoint := map[string]string{"region_id": "fake", "interface": "public", "url": f.server.URL}
	catalogue := []any{map[string]any{"type": "image", "endpoints": []any{endpoint}}}
	if f.compute != "" {
		nova := map[string]string{"region_id": "fake", "interface": "public", "url": f.server.URL + f.compute}
		catalogue = append(catalogue, map[string]any{"type": "compute", "endpoints": []any{nova}})
	}
	token := map[string]any{"catalog": catalogue}
	if f.lifetime > 0 {
		token["expires_at"] = time.Now().Add(f.lifetime).UTC().Format(gophercloud.RFC3339MilliNoZ) + "Z"
	}
	f.write(w, map[string]any{"token": token})
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) {
	fields := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
		f.t.Error(err)
	}
	id := fields["id"].(string)
	fields["status"] = "queued"
	fields["created_at"], fields["updated_at"] = time.Now(), time.Now()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.images[id] != nil {
		w.WriteHeader(http.StatusConflict)
		return
	}
	f.images[id] = &fakeImage{fields: fields}
	w.WriteHeader(http.StatusCreated)
	f.write(w, fields)
}

func (f *fake) put(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength != int64(len(data)) || r.Header.Get("X-Openstack-Image-Size") != fmt.Sprint(len(data)) {
		f.t.Errorf("got %d bytes (%v), Content-Length %d, x-openstack-image-size %s", len(data), err, r.ContentLength, r.Header.Get("X-Openstack-Image-Size"))
	}
	id, place, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/images/"), "/")
	if place == "stage" {
		f.stage(id, data)
	} else {
		f.store(id, data)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) store(id string, data []byte) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	image := f.images[id]
	if image == nil {
		return // The client has given up and removed it.
	}
	image.data = data
	image.fields["status"] = "active"
	image.fields["size"] = len(data)
	image.fields["checksum"] = fmt.Sprintf("%x", md5.Sum(data))
	image.fields["os_hash_algo"] = "sha512"
	image.fields["os_hash_value"] = fmt.Sprintf("%x", sha512.Sum512(data))
}

func (f *fake) image(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	id := strings.TrimPrefix(r.URL.Path, "/v2/images/")
	image := f.images[id]
	switch {
	case image == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete && image.fields["protected"] == true:
		w.WriteHeader(http.StatusForbidden)
	case r.Method == http.MethodDelete:
		delete(f.images, id)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPatch:
		image.patch(f.t, r)
		f.write(w, image.fields)
	case image.busy > 0:
		image.busy--
		shown := map[string]any{"id": id, "status": "saving", "created_at": time.Now(), "updated_at": time.Now()}
		f.write(w, shown)
	default:
		f.write(w, image.fields)
	}
}

func (i *fakeImage) patch(t *testing.T, r *http.Request) {
	var changes []struct {
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	if err := json.NewDecoder(r.Body).Decode(&changes); err != nil {
		t.Error(err)
	}
	for _, change := range changes {
		i.fields[strings.TrimPrefix(change.Path, "/")] = change.Value
	}
}

func (f *fake) write(w http.ResponseWriter, answer any) {
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		f.t.Log(err)
	}
}

// refuse answers with a status and words, without reading the body.
func refuse(code int, words string) fault {
	return func(_ *fake, w http.ResponseWriter, _ *http.Request, _ *fakeImage, _ http.HandlerFunc) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, words)
	}
}

// refuseFor refuses and says when to come again.
func refuseFor(retryAfter string, code int) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, act http.HandlerFunc) {
		w.Header().Set("Retry-After", retryAfter)
		refuse(code, "")(f, w, r, image, act)
	}
}

// refuseAfter takes some of the data, answers 401, and does with the image what
// Glance does when a token expires during a transfer.
func refuseAfter(bytes int64, deleted bool) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, _ http.HandlerFunc) {
		_, _ = io.CopyN(io.Discard, r.Body, bytes)
		if deleted {
			f.forget(image)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// reset breaks the connection after some of the data; the image is then seen as
// saving for some time.
func reset(bytes int64, busy int) fault {
	return func(_ *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, _ http.HandlerFunc) {
		_, _ = io.CopyN(io.Discard, r.Body, bytes)
		image.busy = busy
		hangUp(w)
	}
}

// loseAnswer does what was asked and breaks the connection.
func loseAnswer(_ *fake, w http.ResponseWriter, r *http.Request, _ *fakeImage, act http.HandlerFunc) {
	act(httptest.NewRecorder(), r)
	hangUp(w)
}

// hangUp sends a reset, not an orderly end.
func hangUp(w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_ = connection.(*net.TCPConn).SetLinger(0)
	_ = connection.Close()
}

// stall takes some of the data and then nothing more, with the connection open.
func stall(bytes int64) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, _ *fakeImage, _ http.HandlerFunc) {
		_, _ = io.CopyN(io.Discard, r.Body, bytes)
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		<-f.ended
		_ = connection.Close()
	}
}

// store keeps a changed form of the data and calls it success.
func store(change func([]byte) []byte) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, _ http.HandlerFunc) {
		data, _ := io.ReadAll(r.Body)
		f.store(image.fields["id"].(string), change(data))
		w.WriteHeader(http.StatusNoContent)
	}
}

// change does what was asked, and then something that was not.
func change(field string, value any) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, act http.HandlerFunc) {
		act(w, r)
		f.mutex.Lock()
		defer f.mutex.Unlock()
		image.fields[field] = value
	}
}

// both does the one while the other has the image stored.
func both(first, second fault) fault {
	return func(f *fake, w http.ResponseWriter, r *http.Request, image *fakeImage, act http.HandlerFunc) {
		first(f, w, r, image, func(w http.ResponseWriter, r *http.Request) { second(f, w, r, image, act) })
	}
}

// vanish answers as Glance does when somebody deleted the image meanwhile.
func vanish(f *fake, w http.ResponseWriter, _ *http.Request, image *fakeImage, _ http.HandlerFunc) {
	f.forget(image)
	w.WriteHeader(http.StatusGone)
}

func (f *fake) forget(image *fakeImage) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	delete(f.images, image.fields["id"].(string))
}

func times(count int, what fault) []fault {
	return slices.Repeat([]fault{what}, count)
}

// checkError wants all parts in the error, or no error when there are none.
func checkError(t *testing.T, err error, parts []string) {
	t.Helper()
	if len(parts) == 0 {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil {
		t.Errorf("got no error, want one with %q", parts)
		return
	}
	t.Log(err)
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %q, want it to contain %q", err, part)
		}
	}
}

func checkNoSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"hunter2", "token-"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q shows the secret %q", text, secret)
		}
	}
}
