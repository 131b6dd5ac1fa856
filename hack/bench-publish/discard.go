//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// discard is a stand-in for a Keystone and a Glance that takes an image's data
// as fast as they come and keeps none, so that the client is what is measured.
// It tells the hashes that the data must have, as Glance would.
type discard struct {
	*httptest.Server
	md5, sha512 string

	mutex  sync.Mutex
	images map[string]map[string]any
	made   int
}

func newDiscard(md5, sha512 string) *discard {
	d := &discard{md5: md5, sha512: sha512, images: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v3", d.keystone)
	mux.HandleFunc("GET /v3/{$}", d.keystone)
	mux.HandleFunc("POST /v3/auth/tokens", d.token)
	mux.HandleFunc("GET /{$}", d.versions)
	mux.HandleFunc("POST /v2/images", d.create)
	mux.HandleFunc("GET /v2/images", d.list)
	mux.HandleFunc("PUT /v2/images/{id}/file", d.put)
	mux.HandleFunc("GET /v2/images/{id}", d.show)
	mux.HandleFunc("PATCH /v2/images/{id}", d.patch)
	mux.HandleFunc("DELETE /v2/images/{id}", d.remove)
	d.Server = httptest.NewServer(mux)
	return d
}

// cloudsFile writes a clouds.yaml in which the stand-in is the cloud "discard".
func (d *discard) cloudsFile(dir string) (string, error) {
	path := filepath.Join(dir, "clouds.yaml")
	text := fmt.Sprintf(`clouds:
  discard:
    region_name: RegionOne
    auth: {auth_url: %s/v3, username: someone, password: none, project_name: bench, user_domain_id: default, project_domain_id: default}
`, d.URL)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

func (d *discard) keystone(w http.ResponseWriter, _ *http.Request) {
	links := []any{map[string]string{"rel": "self", "href": d.URL + "/v3/"}}
	answer(w, http.StatusOK, map[string]any{"version": map[string]any{"id": "v3.14", "status": "stable", "links": links}})
}

func (d *discard) token(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Subject-Token", "token")
	endpoint := map[string]string{"id": "1", "region": "RegionOne", "region_id": "RegionOne", "interface": "public", "url": d.URL}
	domain := map[string]string{"id": "default", "name": "Default"}
	answer(w, http.StatusCreated, map[string]any{"token": map[string]any{
		"methods": []string{"password"}, "issued_at": stamp(0), "expires_at": stamp(time.Hour),
		"user":    map[string]any{"id": "1", "name": "someone", "domain": domain},
		"project": map[string]any{"id": "1", "name": "bench", "domain": domain},
		"catalog": []any{map[string]any{"id": "1", "type": "image", "name": "glance", "endpoints": []any{endpoint}}},
	}})
}

func (d *discard) versions(w http.ResponseWriter, _ *http.Request) {
	links := []any{map[string]string{"rel": "self", "href": d.URL + "/v2/"}}
	answer(w, http.StatusMultipleChoices, map[string]any{"versions": []any{map[string]any{"id": "v2.9", "status": "CURRENT", "links": links}}})
}

func (d *discard) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"images": []any{}})
}

func (d *discard) create(w http.ResponseWriter, r *http.Request) {
	image := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&image); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.made++
	if image["id"] == nil {
		image["id"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", d.made)
	}
	image["status"], image["owner"] = "queued", "1"
	image["created_at"], image["updated_at"] = stamp(0), stamp(0)
	d.images[image["id"].(string)] = image
	answer(w, http.StatusCreated, image)
}

func (d *discard) put(w http.ResponseWriter, r *http.Request) {
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // The client is gone.
	}
	d.change(w, r, http.StatusNoContent, func(image map[string]any) {
		image["status"], image["size"] = "active", size
		image["checksum"], image["os_hash_algo"], image["os_hash_value"] = d.md5, "sha512", d.sha512
	})
}

func (d *discard) show(w http.ResponseWriter, r *http.Request) {
	d.change(w, r, http.StatusOK, func(map[string]any) {})
}

func (d *discard) patch(w http.ResponseWriter, r *http.Request) {
	var changes []struct {
		Path  string
		Value any
	}
	if err := json.NewDecoder(r.Body).Decode(&changes); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.change(w, r, http.StatusOK, func(image map[string]any) {
		for _, c := range changes {
			image[strings.TrimPrefix(c.Path, "/")] = c.Value
		}
	})
}

func (d *discard) remove(w http.ResponseWriter, r *http.Request) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	delete(d.images, r.PathValue("id"))
	w.WriteHeader(http.StatusNoContent)
}

// change changes an image and answers with it.
func (d *discard) change(w http.ResponseWriter, r *http.Request, status int, change func(map[string]any)) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	image := d.images[r.PathValue("id")]
	if image == nil {
		http.Error(w, "no such image", http.StatusNotFound)
		return
	}
	change(image)
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	answer(w, status, image)
}

func stamp(later time.Duration) string {
	return time.Now().Add(later).UTC().Format("2006-01-02T15:04:05Z")
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone needs no answer.
	_ = json.NewEncoder(w).Encode(body)
}
