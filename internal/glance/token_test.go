package glance

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestATokenIsRenewedBeforeATransferThatItWouldNotOutlast uses a fake because
// the tokens of the real Keystone last an hour.
func TestATokenIsRenewedBeforeATransferThatItWouldNotOutlast(t *testing.T) {
	whole := []string{"POST images", "PUT file", "GET image", "PATCH image", "GET image"}
	renewed := slices.Insert(slices.Clone(whole), 1, "POST token")
	tests := map[string]struct {
		lifetime time.Duration
		refuse   bool
		want     []string
		wantStep string
	}{
		"end not known":         {want: whole},
		"lasts long":            {lifetime: time.Hour, want: whole},
		"ends soon":             {lifetime: 4 * time.Minute, want: renewed, wantStep: "signing in again, since the token would end in 4m0s"},
		"Keystone is not there": {lifetime: 4 * time.Minute, refuse: true, want: renewed, wantStep: "going on with the old token"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil)
			f.lifetime = test.lifetime
			client := f.signIn(Access{})
			if test.refuse {
				f.faults = map[string][]fault{"POST token": {refuse(500, "")}}
			}
			progress := &recorder{}
			if _, err := client.Publish(t.Context(), Spec{Name: "debian", DiskFormat: "raw"}, open(t, sparse(t, 4096)), progress); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(f.requests, test.want) {
				t.Errorf("asked %q, want %q", f.requests, test.want)
			}
			if !strings.Contains(progress.all(), test.wantStep) {
				t.Errorf("said %q, want %q in it", progress.all(), test.wantStep)
			}
			checkNoSecret(t, progress.all())
		})
	}
}

func TestARealTokenSaysWhenItEnds(t *testing.T) {
	left, known := signIn(t, realCloud(t)).tokenLeft()
	if !known || left < 50*time.Minute || left > time.Hour {
		t.Errorf("got %v (%v), want the hour of Keystone's default", left, known)
	}
}
