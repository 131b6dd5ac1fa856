package requirement

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCatalogueIsWhole(t *testing.T) {
	want := []ID{
		"root-resize", "partition-layout", "no-hardcoded-mac", "ssh-server", "no-firewall", "ssh-key",
		"user-data", "console-log", "xen-pv-kernel", "datasource", "virtio", "dhcp", "identity-reset",
		"no-secrets", "acpi-shutdown", "guest-agent", "image-format",
	}
	var got []ID
	for _, r := range All() {
		got = append(got, r.ID)
		if r.Title == "" || r.Source == "" || r.Remedy == "" || r.Level == "" || len(r.Sides) == 0 {
			t.Errorf("requirement %s lacks a field: %+v", r.ID, r)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("catalogue = %v, want %v", got, want)
	}
}

func TestLevelsFollowTheGuide(t *testing.T) {
	for _, r := range All() {
		want := Required
		switch r.ID {
		case ACPIShutdown:
			want = Recommended
		case GuestAgent:
			want = Informational
		}
		if r.Level != want {
			t.Errorf("level of %s = %s, want %s", r.ID, r.Level, want)
		}
	}
}

func TestAllGivesACopy(t *testing.T) {
	All()[0].ID = "changed"
	if got := All()[0].ID; got != RootResize {
		t.Errorf("first ID after a caller's change = %s, want %s", got, RootResize)
	}
}

func TestSeenFromLeavesOutWhatASideCannotSee(t *testing.T) {
	for side, want := range map[Side]bool{Guest: false, Disk: true} {
		got := slices.ContainsFunc(SeenFrom(side), func(r Requirement) bool { return r.ID == ImageFormat })
		if got != want {
			t.Errorf("image-format seen from %s = %t, want %t", side, got, want)
		}
	}
}

func TestParseIDsNamesEveryUnknownOneAndListsTheKnown(t *testing.T) {
	_, err := ParseIDs([]string{"root-resize", "root_resize", "no-such"})
	if err == nil {
		t.Fatal("no error for unknown IDs")
	}
	for _, want := range []string{`"root_resize"`, `"no-such"`, "known are: root-resize, partition-layout", "image-format"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	got, err := ParseIDs([]string{"guest-agent", "dhcp"})
	if want := []ID{GuestAgent, DHCP}; err != nil || !slices.Equal(got, want) {
		t.Errorf("ParseIDs = %v, %v, want %v", got, err, want)
	}
}

func TestVerdictOK(t *testing.T) {
	for verdict, want := range map[Verdict]bool{Met: true, NotApplicable: true, Unmet: false, Unknown: false} {
		if got := verdict.OK(); got != want {
			t.Errorf("%s.OK() = %t, want %t", verdict, got, want)
		}
	}
}

func TestFailingCountsWhatNobodyHasSeen(t *testing.T) {
	findings := []Finding{
		{ID: RootResize, Verdict: Met},
		{ID: DHCP, Verdict: Unknown},
		{ID: SSHKey, Verdict: Unmet},
		{ID: XenPVKernel, Verdict: NotApplicable},
		{ID: ACPIShutdown, Verdict: Unmet},
		{ID: GuestAgent, Verdict: Unmet},
	}
	cases := []struct {
		also []ID
		want []ID
	}{
		{nil, []ID{DHCP, SSHKey}},
		{[]ID{GuestAgent}, []ID{DHCP, SSHKey, GuestAgent}},
		{[]ID{RootResize}, []ID{DHCP, SSHKey}},
	}
	for _, c := range cases {
		var got []ID
		for _, f := range Failing(findings, c.also...) {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Failing with %v = %v, want %v", c.also, got, c.want)
		}
	}
}

func TestRemedyOnlyWhereSomethingIsToDo(t *testing.T) {
	cases := []struct {
		finding Finding
		want    string
	}{
		{Finding{ID: SSHServer, Verdict: Met, Remedy: "never shown"}, ""},
		{Finding{ID: SSHServer, Verdict: NotApplicable}, ""},
		{Finding{ID: SSHServer, Verdict: Unmet}, "install openssh-server and enable its service"},
		{Finding{ID: SSHServer, Verdict: Unknown, Remedy: "boot it"}, "boot it"},
	}
	for _, c := range cases {
		if got := c.finding.RemedyText(); got != c.want {
			t.Errorf("remedy of %+v = %q, want %q", c.finding, got, c.want)
		}
	}
}

func TestFindingSurvivesJSON(t *testing.T) {
	want := Finding{ID: ConsoleLog, Side: Disk, Verdict: Unmet, Evidence: []string{"/boot/grub/grub.cfg:7: quiet"}, Remedy: "drop quiet"}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Finding
	if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after JSON: %+v, %v, want %+v", got, err, want)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "level", "verdict", "evidence", "remedy", "source", "side", "title"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("JSON of a finding lacks %q: %s", name, b)
		}
	}
}

func TestFindingRefusesForeignJSON(t *testing.T) {
	for name, text := range map[string]string{
		"unknown requirement": `{"id":"no-such","side":"disk","verdict":"met"}`,
		"unknown side":        `{"id":"dhcp","side":"moon","verdict":"met"}`,
		"unknown verdict":     `{"id":"dhcp","side":"disk","verdict":"fine"}`,
		"no object":           `7`,
	} {
		var f Finding
		if err := json.Unmarshal([]byte(text), &f); err == nil {
			t.Errorf("%s: accepted as %+v", name, f)
		}
	}
}
