package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

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
	cases := map[string][]string{
		"Usage: packer-plugin-openstack-ready VERB":       {"help", "--help", "-h"},
		"Usage: packer-plugin-openstack-ready inspect":    {"inspect --help", "inspect -h", "help inspect", "inspect image --help"},
		"Usage: packer-plugin-openstack-ready completion": {"completion --help", "help completion"},
	}
	for want, lines := range cases {
		for _, line := range lines {
			status, stdout, stderr := run(strings.Fields(line)...)
			if status != Ready || stderr != "" || !strings.HasPrefix(stdout, want) {
				t.Errorf("%s: status = %d, stderr = %q, stdout = %q, want one that begins with %q", line, status, stderr, stdout, want)
			}
		}
	}
	if status, _, stderr := run("help", "no-such"); status != Failed || !strings.Contains(stderr, "inspect, prove, completion, help") {
		t.Errorf("help of no verb: status = %d, stderr = %q, want %d and the verbs", status, stderr, Failed)
	}
}

func TestHelpFitsATerminal(t *testing.T) {
	texts := []string{overview()}
	for _, v := range verbs() {
		texts = append(texts, v.usage)
		for _, o := range v.options {
			if !strings.Contains(v.usage, "--"+o.name+" ") {
				t.Errorf("the help of %s lacks its option --%s", v.name, o.name)
			}
		}
	}
	for line := range strings.Lines(strings.Join(texts, "")) {
		if n := utf8.RuneCountInString(line) - 1; n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestInspectWritesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ready.html")
	status, stdout, stderr := run("inspect", disktest.Debian(t), "--format", "html", "--output", path)
	if status != NotReady || stdout != "" || stderr != "" {
		t.Errorf("status = %d, stdout = %q, stderr = %q, want %d and nothing said", status, stdout, stderr, NotReady)
	}
	b, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(b, []byte("<!doctype html>")) {
		t.Errorf("file begins with %.20q, %v, want a page", b, err)
	}
}

func TestPackersVerbsAreNotOurs(t *testing.T) {
	for verb, want := range map[string]bool{"describe": false, "start": false, "": false, "inspect": true, "help": true, "completion": true} {
		if got := Is(verb); got != want {
			t.Errorf("Is(%q) = %t, want %t", verb, got, want)
		}
	}
}
