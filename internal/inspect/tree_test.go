package inspect

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// files are the files of a small guest: content by path, "-> target" for a
// symbolic link, a trailing slash for a directory.
type files map[string]string

// with returns the files with others added, replaced or, where the content is
// gone, left out.
func (f files) with(changes files) files {
	merged := files{}
	for name, content := range f {
		merged[name] = content
	}
	for name, content := range changes {
		merged[name] = content
	}
	return merged
}

const gone = "\x00gone"

func (f files) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range f {
		if content == gone {
			continue
		}
		file := &fstest.MapFile{Data: []byte(content), Mode: 0o644}
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			file = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		}
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			name, file = dir, &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		}
		m[name] = file
	}
	return m
}

// elfHeaderOf is the start of a 64-bit program for an ELF machine (elf(5)).
func elfHeaderOf(machine uint16) string {
	h := make([]byte, 64)
	copy(h, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(h[16:], 3) // ET_DYN
	binary.LittleEndian.PutUint16(h[18:], machine)
	binary.LittleEndian.PutUint32(h[20:], 1)
	binary.LittleEndian.PutUint16(h[52:], 64)
	return string(h)
}

func TestTreeFollowsLinksInsideTheGuest(t *testing.T) {
	tr := newTree(files{
		"usr/lib/os-release":  "root",
		"etc/os-release":      "-> ../usr/lib/os-release",
		"lib":                 "-> usr/lib",
		"absolute":            "-> /lib/os-release",
		"outside":             "-> ../../../../usr/lib/os-release",
		"twice":               "-> absolute",
		"loop":                "-> loop",
		"dangling":            "-> nowhere",
		"through":             "-> usr/lib/os-release/x",
		"vmlinuz":             "-> boot/vmlinuz-6",
		"a/link":              "-> ../usr/lib",
		"a/up":                "-> link/../bin",
		"usr/bin/tool":        "tool",
		"boot/hidden-by-boot": "x",
		"data/":               "",
	}.fs())
	tr.mount("/boot", files{"vmlinuz-6": "kernel", "out": "-> ../usr/bin/tool"}.fs(), "")
	tr.mount("/data/", nil, "on LVM")

	tests := []struct {
		name, want string
		err        error
	}{
		{name: "/etc/os-release", want: "root"},
		{name: "/absolute", want: "root"},
		{name: "/outside", want: "root"},
		{name: "/twice", want: "root"},
		{name: "/lib/os-release", want: "root"},
		{name: "/vmlinuz", want: "kernel"},
		{name: "/boot/out", want: "tool"},
		{name: "/a/up/tool", want: "tool"},
		{name: "/dangling", err: fs.ErrNotExist},
		{name: "/boot/hidden-by-boot", err: fs.ErrNotExist},
		{name: "/through", err: fs.ErrNotExist},
		{name: "/data/file", err: errNotRead},
		{name: "/data", err: errNotRead},
	}
	for _, tt := range tests {
		got, err := tr.read(tt.name, maxText)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("read(%s) = %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	if _, err := tr.read("/loop", maxText); err == nil || absent(err) {
		t.Errorf("read of a link to itself: %v; want an error that is not a missing file", err)
	}
	if names, err := tr.list("/boot"); err != nil || strings.Join(names, " ") != "out vmlinuz-6" {
		t.Errorf("list(/boot) = %v, %v", names, err)
	}
}

func TestTreeStopsAtManyLinks(t *testing.T) {
	// Each link names the next one many times: without a bound on the whole
	// way that is 100 to the power of 40 steps.
	f := files{"z/": ""}
	for i := range 40 {
		next := "l" + string(rune('A'+i+1)) + "/.."
		f["l"+string(rune('A'+i))] = "-> " + strings.Repeat(next+"/", 100)
	}
	if _, err := newTree(f.fs()).stat("/lA/x"); err == nil {
		t.Error("stat over thousands of links: no error")
	}
}

func TestTreeBoundsWhatItReads(t *testing.T) {
	tr := newTree(files{"big": strings.Repeat("x", 101), "fits": strings.Repeat("x", 100), "dir/f": ""}.fs())
	if _, err := tr.read("/big", 100); err == nil || absent(err) {
		t.Errorf("read of a too large file: %v; want an error", err)
	}
	if b, err := tr.read("/fits", 100); err != nil || len(b) != 100 {
		t.Errorf("read of a file at the bound = %d bytes, %v", len(b), err)
	}
	if _, err := tr.read("/dir", 100); err == nil || absent(err) {
		t.Errorf("read of a directory: %v; want an error", err)
	}
}

func TestTreeBoundsAllTextTogether(t *testing.T) {
	tree := newTree(files{"a": strings.Repeat("x", maxText), "b": "x"}.fs())
	n := &notes{}
	for range maxAllText / maxText {
		if _, ok := tree.text(n, "/a"); !ok || len(n.open) > 0 {
			t.Fatalf("read too little: %q", n.open)
		}
	}
	if text, ok := tree.text(n, "/b"); ok || len(n.open) != 1 || !strings.Contains(n.open[0], "/b is not read") {
		t.Errorf("read %q, noted %q", text, n.open)
	}
	if _, ok := tree.text(n, "/none"); ok || len(n.open) != 1 {
		t.Errorf("a missing file: noted %q", n.open)
	}
}
