package glance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// list keeps to the one filter without which an image would be there twice.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	hidden := r.URL.Query().Get("os_hidden") == "true"
	listed := []any{}
	for _, image := range f.images {
		if (image.fields["os_hidden"] == true) == hidden {
			listed = append(listed, image.fields)
		}
	}
	f.write(w, map[string]any{"images": listed})
}

func (f *fake) deactivate(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	image := f.images[strings.Split(r.URL.Path, "/")[3]]
	if image == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	image.fields["status"] = "deactivated"
	w.WriteHeader(http.StatusNoContent)
}

// older adds an image as Publish leaves it, created so long ago.
func (f *fake) older(id string, age time.Duration, protected bool) *Image {
	created := time.Now().Add(-age).UTC().Truncate(time.Second)
	f.images[id] = &fakeImage{fields: map[string]any{
		"id": id, "name": "debian", "owner": "demo", "status": "active", "tags": []string{ManagedTag}, "protected": protected,
		"created_at": created, "updated_at": created,
	}}
	return &Image{ID: id, Name: "debian", Owner: "demo", Tags: []string{ManagedTag}, CreatedAt: created}
}

// states says of each image what there is of it now.
func (f *fake) states(ids ...string) string {
	var all []string
	for _, id := range ids {
		image := f.images[id]
		if image == nil {
			all = append(all, "gone")
			continue
		}
		state := fmt.Sprint(image.fields["status"])
		if image.fields["name"] != "debian" {
			state += " renamed"
		}
		if image.fields["os_hidden"] == true {
			state += " hidden"
		}
		all = append(all, state)
	}
	return strings.Join(all, ", ")
}

// TestRetireThroughFaults uses a fake because the real Glance refuses none of
// this to the images' owner. The oldest image meets the faults; the one between
// it and the published one is to be retired whatever becomes of the oldest.
func TestRetireThroughFaults(t *testing.T) {
	const look, change, deactivate, remove = "GET images", "PATCH image", "POST deactivate", "DELETE image"
	gentle := Retirement{Keep: 1, Rename: true, Hide: true, Deactivate: true}
	// Both images are gone through in this order, the newer one first.
	first, second := []string{look, look, change, change, deactivate}, []string{change, change, deactivate}
	pass := func(_ *fake, w http.ResponseWriter, r *http.Request, _ *fakeImage, act http.HandlerFunc) { act(w, r) }
	later := func(skip int, faults ...fault) []fault { return append(times(skip, pass), faults...) }
	const done = "deactivated renamed hidden"
	tests := map[string]struct {
		how       Retirement
		protected bool
		faults    map[string][]fault
		want      []string
		// left is what became of the oldest and of the one between.
		left      string
		told      string
		wantError []string
	}{
		"no fault": {
			how: gentle, want: append(slices.Clone(first), second...), left: done + ", " + done,
			told: "is renamed, hidden, deactivated",
		},
		"delete": {
			how: Retirement{Keep: 1, Delete: true}, want: []string{look, look, remove, remove}, left: "gone, gone",
			told: "is deleted",
		},
		"keep more": {
			how: Retirement{Keep: 2, Delete: true}, want: []string{look, look, remove}, left: "gone, active",
			told: "is deleted",
		},
		"protected": {
			how: Retirement{Keep: 1, Delete: true}, protected: true, want: []string{look, look, remove}, left: "active, gone",
			told: "left alone, since it is protected",
		},
		"the list is refused": {
			how: gentle, faults: map[string][]fault{look: {refuse(403, "not you")}}, want: []string{look}, left: "active, active",
			wantError: []string{"find the images that", `"not you"`},
		},
		"the second list is refused": {
			how: gentle, faults: map[string][]fault{look: later(1, refuse(403, "not you"))}, want: []string{look, look}, left: "active, active",
			wantError: []string{"find the images that", `"not you"`},
		},
		"Glance away for a moment at each step": {
			how: gentle,
			faults: map[string][]fault{
				look: {refuse(503, "")}, change: {refuse(503, ""), pass, refuse(502, "")}, deactivate: {refuse(504, "")},
			},
			want: append([]string{look, look, look, change, change, change, change, deactivate, deactivate}, second...), left: done + ", " + done,
			told: "is renamed, hidden, deactivated",
		},
		"answer to the removal lost": {
			how: Retirement{Keep: 2, Delete: true}, faults: map[string][]fault{remove: {loseAnswer}},
			want: []string{look, look, remove, remove}, left: "gone, active",
			told: "is deleted",
		},
		"answers to the changes lost": {
			how: gentle, faults: map[string][]fault{change: {loseAnswer, loseAnswer}, deactivate: {loseAnswer}},
			want: append([]string{look, look, change, change, change, change, deactivate, deactivate}, second...), left: done + ", " + done,
			told: "is renamed, hidden, deactivated",
		},
		"rename refused": {
			how: gentle, faults: map[string][]fault{change: later(2, refuse(403, "locked"))},
			want: append(slices.Clone(first), change), left: "active, " + done,
			told: "left alone, since it can not be renamed", wantError: []string{"can not be renamed", `"locked"`, "policy"},
		},
		"hide refused": {
			how: gentle, faults: map[string][]fault{change: later(3, refuse(403, "locked"))},
			want: append(slices.Clone(first), change, change), left: "active renamed, " + done,
			told: "is renamed: left alone, since it can not be hidden", wantError: []string{"can not be hidden", `"locked"`, "policy"},
		},
		"deactivation refused": {
			how: gentle, faults: map[string][]fault{deactivate: later(1, refuse(403, "locked"))},
			want: append(slices.Clone(first), second...), left: "active renamed hidden, " + done,
			told: "is renamed, hidden: left alone, since it can not be deactivated", wantError: []string{`"locked"`, "only administrators"},
		},
		"removal refused": {
			how: Retirement{Keep: 1, Delete: true}, faults: map[string][]fault{remove: later(1, refuse(403, "locked"))},
			want: []string{look, look, remove, remove}, left: "active, gone",
			told: "left alone, since it can not be deleted", wantError: []string{`"locked"`, "policy"},
		},
		"instances boot from it": {
			how: Retirement{Keep: 1, Delete: true}, faults: map[string][]fault{remove: later(1, refuse(409, "Image is in use"))},
			want: []string{look, look, remove, remove}, left: "active, gone",
			told: "left alone, since it can not be deleted while it is in use", wantError: []string{`"Image is in use"`},
		},
		"somebody deleted it meanwhile": {
			how: gentle, faults: map[string][]fault{change: later(2, vanish)},
			want: append(slices.Clone(first), change), left: "gone, " + done,
			told: "left alone, since somebody deleted it meanwhile",
		},
		"somebody deleted it before the deactivation": {
			how: gentle, faults: map[string][]fault{deactivate: later(1, vanish)},
			want: append(slices.Clone(first), second...), left: "gone, " + done,
			told: "is renamed, hidden: left alone, since somebody deleted it meanwhile",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil)
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond, Request: 2 * time.Second}})
			f.faults = test.faults
			f.older("oldest", 2*time.Hour, test.protected)
			f.older("between", time.Hour, false)
			published := f.older("published", 0, false)
			retired, err := client.Retire(t.Context(), test.how, published)
			checkError(t, err, test.wantError)
			if !slices.Equal(f.requests, test.want) {
				t.Errorf("asked\n %q, want\n %q", f.requests, test.want)
			}
			if got, want := f.states("oldest", "between", "published"), test.left+", active"; got != want {
				t.Errorf("left %q, want %q", got, want)
			}
			about := slices.DeleteFunc(slices.Clone(retired), func(r Retired) bool { return r.ID != "oldest" })
			if told := fmt.Sprint(about); test.told != "" && !strings.Contains(told, test.told) || test.told == "" && len(retired) > 0 {
				t.Errorf("told %s, want %q", told, test.told)
			}
		})
	}
}
