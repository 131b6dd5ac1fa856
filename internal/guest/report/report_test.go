package report

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

func TestReportComesBackAsItWasWritten(t *testing.T) {
	findings := []requirement.Finding{{
		ID: requirement.DHCP, Side: requirement.Guest, Verdict: requirement.Unmet, Evidence: []string{"why"}, Remedy: "do",
	}}
	want := &Report{
		Schema: Schema, Mode: Mend, System: System{ID: "debian", Family: "debian"},
		Skipped: []requirement.ID{requirement.Virtio}, Before: findings, Findings: findings,
		Changes: []Change{{ID: requirement.DHCP, Text: "edited x"}},
	}
	name := filepath.Join(t.TempDir(), "report.json")
	if err := want.WriteFile(name); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(name)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestReportThatCannotBeWrittenLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "report.json")
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := (&Report{Schema: Schema}).WriteFile(name); err == nil {
		t.Error("wrote a report over a directory")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOtherDocumentsAreRefused(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"no JSON", "x", "decode guest report"},
		{"another schema", `{"schema": "openstack-ready/guest-report/v2"}`, `schema "openstack-ready/guest-report/v2"`},
		{"unknown requirement", `{"schema": "` + Schema + `", "findings": [{"id": "x"}]}`, `unknown requirement "x"`},
		{"too large", strings.Repeat(" ", maxBytes+1), "larger than"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Read(strings.NewReader(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}
