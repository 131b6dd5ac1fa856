package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

func sample() *Report {
	return New("debian.qcow2", &inspect.Result{
		Facts: inspect.Facts{
			Disk:         disk.Info{Format: disk.FormatQCOW2, FileSize: 700 << 20, VirtualSize: 2560 << 20},
			OS:           inspect.OS{ID: "debian", PrettyName: "Debian GNU/Linux 12 (bookworm)"},
			Architecture: "x86_64",
		},
		Findings: []requirement.Finding{
			{ID: requirement.RootResize, Side: requirement.Disk, Verdict: requirement.Met, Evidence: []string{"growpart before resizefs"}},
			{
				ID: requirement.ConsoleLog, Side: requirement.Disk, Verdict: requirement.Unmet,
				Evidence: []string{"/boot/grub/grub.cfg:112: ro quiet " + strings.Repeat("long ", 30), "second line"},
			},
			{ID: requirement.XenPVKernel, Side: requirement.Disk, Verdict: requirement.NotApplicable, Evidence: []string{"kernel 6.1"}},
		},
	})
}

func TestTableFitsATerminal(t *testing.T) {
	r := sample()
	r.Findings = append(r.Findings, requirement.Finding{
		ID: requirement.RootResize, Side: requirement.Guest, Verdict: requirement.Unknown, Evidence: []string{"nobody looked"},
	})
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"qcow2, 2.5 GiB (700 MiB on disk), Debian GNU/Linux 12 (bookworm), x86_64",
		"REQUIREMENT      GUEST    DISK     EVIDENCE",
		"root-resize      unknown  met      nobody looked",
		"xen-pv-kernel    -        n/a      kernel 6.1",
		"console-log      -        unmet    /boot/grub/grub.cfg:112: ro quiet",
		"console-log: unmet (required, seen from the disk side)",
		"  - second line",
		"  What to do: put console=tty0",
		"os_type           linux   the root file system is that of a Linux system",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "xen-pv-kernel: ") {
		t.Error("a remedy is shown for what is not applicable")
	}
}

func TestTableTellsWhatTheImageIsPackedIn(t *testing.T) {
	r := sample()
	r.Image.Format = "vmdk"
	r.Facts.Disk.Wrapping = []disk.Wrapping{disk.WrappingGzip, disk.WrappingOVA}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if want := "vmdk in ova in gzip, 2.5 GiB"; !strings.Contains(b.String(), want) {
		t.Errorf("table lacks %q:\n%s", want, &b)
	}
}

func TestTableGivesATerminalNothingToObey(t *testing.T) {
	r := sample()
	r.Facts.OS.PrettyName = "\x1b[2Jgone"
	r.Findings[0].Evidence = []string{"a\x07\r\nb"}
	r.Properties = []property.Property{{Name: "os_version", Value: "\x1b]0;title", Reason: "\u202e"}}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07\r\u202e") {
		t.Errorf("control characters of the image reach the terminal: %q", &b)
	}
}

func TestJSONNamesItsSchema(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(b.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if document["schema"] != Schema {
		t.Errorf("schema = %v, want %s", document["schema"], Schema)
	}
	for _, name := range []string{"image", "facts", "findings", "properties"} {
		if document[name] == nil {
			t.Errorf("document lacks %q: %s", name, &b)
		}
	}
	if _, ok := document["published"]; ok {
		t.Error("a report on an image that was not published says that it was")
	}
}

func TestSaveWritesWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	if err := sample().Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !json.Valid(b) {
		t.Fatalf("saved report: %v, valid JSON: %t", err, json.Valid(b))
	}
	err = sample().Save(filepath.Join(dir, "missing", "report.json"))
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("error for a missing folder = %v, want one that names it", err)
	}
	if err := SaveProperties(filepath.Join(dir, "p.json"), sample().Properties); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("folder holds %v, %v, want the two documents alone", entries, err)
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 2 << 30: "2 GiB", 5 << 40: "5 TiB", 3 << 50: "3072 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
