package glance

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// novaRequest is a request with all that Nova decides by: its whole path, the
// microversion by both of its names, and the body.
func (f *fake) novaRequest(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	version := r.Header.Get("OpenStack-API-Version")
	if old := r.Header.Get("X-OpenStack-Nova-API-Version"); version != "compute "+old {
		version += " or " + old
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s (%s) %s", r.Method, r.URL.Path, version, bytes.TrimSpace(body)))
}

func (f *fake) nova(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	f.write(w, map[string]any{"aggregates": f.aggregates})
}

// TestPrecache uses a stand-in for Nova's documented API, since no Nova is part
// of the test cloud.
func TestPrecache(t *testing.T) {
	aggregate := func(id int, uuid, name string) map[string]any {
		return map[string]any{"id": id, "uuid": uuid, "name": name, "hosts": []string{"h1"}, "created_at": "2026-01-31T12:00:00.000000", "metadata": map[string]string{}}
	}
	two := []map[string]any{aggregate(1, "6ba28ba7-f29b-45cc-a30b-6e3a40c2fb14", "ssd"), aggregate(7, "9d0a8a0c-45a5-4f1b-9a47-4fdcfb1e65d9", "1")}
	const list = "GET /compute/v2.1/os-aggregates (compute 2.81)"
	cache := func(id int) string {
		return fmt.Sprintf(`POST /compute/v2.1/os-aggregates/%d/images (compute 2.81) {"cache":[{"id":"image-1"}]}`, id)
	}
	tests := map[string]struct {
		// compute is /compute/v2.1 where it is empty.
		compute              string
		noNova, noAggregates bool
		faults               map[string][]fault
		wanted               []string
		want                 []string
		wantAsked            []string
		wantError            []string
	}{
		"by name":              {wanted: []string{"ssd"}, want: []string{list, cache(1)}, wantAsked: []string{"ssd"}},
		"by ID":                {wanted: []string{"7"}, want: []string{list, cache(7)}, wantAsked: []string{"1"}},
		"by UUID":              {wanted: []string{"6ba28ba7-f29b-45cc-a30b-6e3a40c2fb14"}, want: []string{list, cache(1)}, wantAsked: []string{"ssd"}},
		"a name like an ID":    {wanted: []string{"1"}, want: []string{list, cache(7)}, wantAsked: []string{"1"}},
		"an unversioned Nova":  {compute: "/nova", wanted: []string{"ssd"}, want: []string{"GET /nova/v2.1/os-aggregates (compute 2.81)", `POST /nova/v2.1/os-aggregates/1/images (compute 2.81) {"cache":[{"id":"image-1"}]}`}, wantAsked: []string{"ssd"}},
		"one of two is known":  {wanted: []string{"hdd", "1"}, want: []string{list, cache(7)}, wantAsked: []string{"1"}, wantError: []string{`aggregate "hdd"`, `no such aggregate; there are "ssd", "1"`}},
		"no aggregates at all": {noAggregates: true, wanted: []string{"ssd"}, want: []string{list}, wantError: []string{"no aggregates at all"}},
		"no Nova":              {noNova: true, wanted: []string{"ssd"}, wantError: []string{"find Nova", "no public endpoint of type compute"}},
		"an ordinary member": {
			faults: map[string][]fault{list: {refuse(403, `{"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:os-aggregates:index to be performed."}}`)}},
			wanted: []string{"ssd"}, want: []string{list}, wantError: []string{"Nova answers 403", "os_compute_api:os-aggregates:index", "only administrators"},
		},
		"an old Nova": {
			faults: map[string][]fault{list: {refuse(406, `{"computeFault": {"code": 406, "message": "Version 2.81 is not supported by the API. Minimum is 2.1 and maximum is 2.79."}}`)}},
			wanted: []string{"ssd"}, want: []string{list}, wantError: []string{"Nova answers 406", "maximum is 2.79", "Ussuri"},
		},
		"a Nova without the request": {
			faults: map[string][]fault{cache(1): {refuse(404, "")}},
			wanted: []string{"ssd", "1"}, want: []string{list, cache(1), cache(7)}, wantAsked: []string{"1"}, wantError: []string{`aggregate "ssd"`, "404", "2.81"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, test.faults)
			f.aggregates = two
			if test.noAggregates {
				f.aggregates = []map[string]any{}
			}
			if !test.noNova {
				f.compute = cmp.Or(test.compute, "/compute/v2.1")
			}
			client := f.signIn(Access{Patience: Patience{Request: 2 * time.Second}})
			asked, err := client.Precache(t.Context(), "image-1", test.wanted)
			if !slices.Equal(f.requests, test.want) {
				t.Errorf("asked\n %s, want\n %s", strings.Join(f.requests, "\n "), strings.Join(test.want, "\n "))
			}
			if !slices.Equal(asked, test.wantAsked) {
				t.Errorf("told that %q cache the image, want %q", asked, test.wantAsked)
			}
			checkError(t, err, test.wantError)
		})
	}
}
