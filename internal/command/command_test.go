package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func run(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = Run(context.Background(), args, &out, &errs)
	return status, out.String(), errs.String()
}

func TestInspectAnUnreadyDisk(t *testing.T) {
	path := disktest.Debian(t)
	status, stdout, stderr := run("inspect", path)
	if status != NotReady || stderr != "" || !strings.Contains(stdout, "\nidentity-reset   unmet ") {
		t.Errorf("status = %d, stderr = %q, want %d and a table with identity-reset unmet:\n%s", status, stderr, NotReady, stdout)
	}
	status, stdout, stderr = run("inspect", path, "--format", "json")
	if status != NotReady || stderr != "" {
		t.Errorf("status = %d, stderr = %q, want %d", status, stderr, NotReady)
	}
	var document struct {
		Schema   string
		Findings []struct{ ID, Level, Verdict, Remedy, Source string }
	}
	if err := json.Unmarshal([]byte(stdout), &document); err != nil {
		t.Fatal(err)
	}
	if document.Schema != "openstack-ready/report/v1" || len(document.Findings) != 17 {
		t.Errorf("schema = %q with %d findings, want 17", document.Schema, len(document.Findings))
	}
}

func TestInspectShowsTheGuestsFindings(t *testing.T) {
	guest := filepath.Join(t.TempDir(), "guest.json")
	report := `{"schema":"openstack-ready/guest-report/v1","findings":[{"id":"dhcp","side":"guest","verdict":"met","evidence":["seen"]}]}`
	if err := os.WriteFile(guest, []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := run("inspect", "--guest-report", guest, disktest.Debian(t)); !strings.Contains(stdout, "\ndhcp             met      unknown ") {
		t.Errorf("the table lacks the guest's verdict:\n%s", stdout)
	}
}

func TestWhatCannotBeInspectedIsSaid(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notes, []byte("no disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		args []string
		want string
	}{
		"no disk image":           {[]string{notes}, notes},
		"no file":                 {[]string{"/no/such/file"}, "/no/such/file"},
		"a folder":                {[]string{t.TempDir()}, "directory"},
		"no image named":          {nil, "0 images named, want one"},
		"two images named":        {[]string{"a", "b"}, "2 images named, want one"},
		"a format that is no one": {[]string{"--format", "xml", notes}, `"xml"`},
		"an unknown option":       {[]string{"--fromat", "json", notes}, "fromat"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := run(append([]string{"inspect"}, c.args...)...)
			if status != Failed || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("status = %d, stdout = %q, stderr = %q, want %d and %q", status, stdout, stderr, Failed, c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"inspect", "--help"}, {"inspect", "-h"}} {
		status, stdout, _ := run(args...)
		if status != Ready || !strings.Contains(stdout, "Usage: packer-plugin-openstack-ready inspect") {
			t.Errorf("%v: status = %d, stdout = %q", args, status, stdout)
		}
	}
}

func TestPackersVerbsAreNotOurs(t *testing.T) {
	for verb, want := range map[string]bool{"describe": false, "start": false, "": false, "inspect": true, "help": true} {
		if got := Is(verb); got != want {
			t.Errorf("Is(%q) = %t, want %t", verb, got, want)
		}
	}
}
