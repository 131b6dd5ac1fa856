package report

import (
	"slices"
	"testing"
)

func TestPageTellsWhatBecameOfOlderImages(t *testing.T) {
	facts := publishedIn(Published{
		ID: "new", Name: "debian",
		Retired: []Retired{
			{ID: "one", Name: "debian (2026-01-31T120000Z)", Done: []string{"renamed", "hidden"}},
			{ID: "two", Name: "debian", Left: "it is protected"},
		},
		Warnings: []string{"not cached beforehand"},
	})
	for _, want := range []named{
		{"Older image", "debian (2026-01-31T120000Z) (one): renamed, hidden"},
		{"Older image", "debian (two): left alone, since it is protected"},
		{"Warning", "not cached beforehand"},
	} {
		if !slices.Contains(facts, want) {
			t.Errorf("got %q, want %q among them", facts, want)
		}
	}
}
