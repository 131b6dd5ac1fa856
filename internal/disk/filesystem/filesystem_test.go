package filesystem_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// memory is a driver whose inodes are numbered by their position.
type memory []inode

func (m memory) Geometry() filesystem.Geometry { return filesystem.Geometry{Type: "memory"} }

func (m memory) Root() uint64 { return 0 }

func (m memory) Inode(ino uint64) (filesystem.Inode, error) {
	if ino >= uint64(len(m)) {
		return nil, diskerr.Corrupt("no inode %d", ino)
	}
	return m[ino], nil
}

// inode is a directory if it has entries, a link if it has a target, else a
// file.
type inode struct {
	ino     uint64
	entries []filesystem.Entry
	target  string
	content string
	size    int64
}

func (n inode) Attr() filesystem.Attr {
	a := filesystem.Attr{Stat: filesystem.Stat{Ino: n.ino, UID: 1000, Nlink: 1}, Mode: 0o644, Size: max(n.size, int64(len(n.content)))}
	switch {
	case n.entries != nil:
		a.Mode |= fs.ModeDir
	case n.target != "":
		a.Mode |= fs.ModeSymlink
	}
	return a
}

func (n inode) Entries(yield func(filesystem.Entry) bool) error {
	for _, e := range n.entries {
		if !yield(e) {
			return nil
		}
	}
	return nil
}

func (n inode) Target() (string, error) { return n.target, nil }

func (n inode) Open() (io.ReaderAt, error) { return strings.NewReader(n.content), nil }

// build makes a driver of paths; a content that starts with "->" is a link.
func build(files ...string) memory {
	m := memory{{entries: []filesystem.Entry{{Name: "..", Ino: 0}}}}
	for _, file := range files {
		name, content, _ := strings.Cut(file, "=")
		at := uint64(0)
		elements := strings.Split(name, "/")
		for i, element := range elements {
			at = child(&m, at, element, i == len(elements)-1, content)
		}
	}
	return m
}

func child(m *memory, parent uint64, name string, last bool, content string) uint64 {
	for _, e := range (*m)[parent].entries {
		if e.Name == name {
			return e.Ino
		}
	}
	n := inode{ino: uint64(len(*m)), content: content}
	if target, ok := strings.CutPrefix(content, "->"); ok && last {
		n.content, n.target = "", target
	}
	if !last {
		n.content, n.entries = "", []filesystem.Entry{{Name: "..", Ino: parent}}
	}
	*m = append(*m, n)
	(*m)[parent].entries = append((*m)[parent].entries, filesystem.Entry{Name: name, Ino: n.ino})
	return n.ino
}

func TestLinksStayInsideTheRoot(t *testing.T) {
	files := []string{
		"etc/passwd=guest", "a/b/c=deep", "bin=->usr/bin", "usr/bin/sh=shell",
		"absolute=->/etc/passwd", "up=->../../../../etc/passwd", "a/up=->../etc/passwd", "a/root=->/",
		"a/b/chain=->../../absolute", "dots=->a/./b/../b//c", "loop=->loop", "ping=->pong", "pong=->ping",
		"dangling=->nowhere", "through=->etc/passwd/x", "self=->.",
	}
	previous := "etc/passwd"
	for i := range 41 {
		files = append(files, fmt.Sprintf("n%d=->%s", i+1, previous))
		previous = fmt.Sprintf("n%d", i+1)
	}
	fsys := filesystem.New(build(files...))
	for name, want := range map[string]string{
		"absolute": "guest", "up": "guest", "a/up": "guest", "a/root/etc/passwd": "guest", "a/b/chain": "guest",
		"bin/sh": "shell", "dots": "deep", "self/self/etc/passwd": "guest", "n40": "guest",
	} {
		if got, err := fs.ReadFile(fsys, name); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"loop": "too many levels", "ping": "too many levels", "n41": "too many levels",
		"dangling": "does not exist", "through": "not a directory", "missing": "does not exist",
		"/etc/passwd": "invalid argument", "a/../etc/passwd": "invalid argument", "": "invalid argument",
	} {
		if _, err := fs.ReadFile(fsys, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestPathsThatLinksMakeAreBounded(t *testing.T) {
	bomb := "->" + strings.Repeat("bomb/", 800)
	_, err := filesystem.New(build("bomb=" + bomb)).Stat("bomb")
	if err == nil || !strings.Contains(err.Error(), "path too long") {
		t.Errorf("got %v, want path too long", err)
	}
}

func TestLstatAndReadLinkDoNotFollowTheLast(t *testing.T) {
	fsys := filesystem.New(build("etc/os-release=->../usr/lib/os-release", "usr/lib/os-release=Debian"))
	info, err := fsys.Lstat("etc/os-release")
	if err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("lstat: got %v, %v, want a link", info, err)
	}
	if target, err := fsys.ReadLink("etc/os-release"); err != nil || target != "../usr/lib/os-release" {
		t.Errorf("readlink: got %q, %v", target, err)
	}
	if _, err := fsys.ReadLink("usr/lib/os-release"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("readlink of a file: got %v, want ErrInvalid", err)
	}
	info, err = fsys.Stat("etc/os-release")
	if err != nil || !info.Mode().IsRegular() || info.Name() != "os-release" || info.Sys().(*filesystem.Stat).UID != 1000 {
		t.Errorf("stat: got %v, %v, want the file", info, err)
	}
}

func TestFileSystemKeepsTheRulesOfIOFS(t *testing.T) {
	if err := fstest.TestFS(filesystem.New(build("a/b/c=deep", "a/link=->b", "empty=")), "a/b/c", "a/link", "empty"); err != nil {
		t.Error(err)
	}
}

func TestReadFileIsBounded(t *testing.T) {
	m := build("file=12345", "liar=x")
	m[2].size = 1 << 62
	fsys := filesystem.New(m)
	if got, err := filesystem.ReadFile(fsys, "file", 5); err != nil || string(got) != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := filesystem.ReadFile(fsys, "file", 4); !errors.Is(err, filesystem.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if _, err := fs.ReadFile(fsys, "liar"); !errors.Is(err, filesystem.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestDirectoryWithoutParentIsCorrupt(t *testing.T) {
	m := build("a/b=x")
	m[1].entries = m[1].entries[1:]
	if _, err := filesystem.New(m).Stat("a/b"); !errors.Is(err, diskerr.ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestOneBrokenInodeDoesNotHideTheOthers(t *testing.T) {
	m := build("good=x", "also=y")
	m[0].entries = append(m[0].entries, filesystem.Entry{Name: "bad", Ino: 99})
	list, err := filesystem.New(m).ReadDir(".")
	if len(list) != 2 || !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), `"bad"`) {
		t.Errorf("got %v, %v, want two entries and ErrCorrupt", list, err)
	}
}

func TestRunsReadAsOneFile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	disk := make([]byte, 10000)
	for i := range disk {
		disk[i] = byte(r.Uint32())
	}
	want := make([]byte, 5000)
	file := filesystem.Runs{Disk: bytes.NewReader(disk), Size: int64(len(want))}
	for _, run := range []filesystem.Run{{Offset: 100, Length: 900, Disk: 7000}, {Offset: 1000, Length: 500, Disk: 0}, {Offset: 4000, Length: 2000, Disk: 100}} {
		file.Runs = append(file.Runs, run)
		copy(want[run.Offset:], disk[run.Disk:run.Disk+run.Length])
	}
	for range 1000 {
		off := r.IntN(len(want))
		got := make([]byte, r.IntN(len(want)))
		n, err := file.ReadAt(got, int64(off))
		end := min(off+len(got), len(want))
		if n != end-off || !bytes.Equal(got[:n], want[off:end]) || (err != nil) != (n < len(got)) {
			t.Fatalf("read of %d bytes at %d: got %d, %v", len(got), off, n, err)
		}
	}
}

func TestIdentifyNamesWhatIsStored(t *testing.T) {
	for want, data := range map[string]string{
		"xfs": "XFSB" + strings.Repeat("\x00", 508), "ext": strings.Repeat("\x00", 0x438) + "\x53\xef",
		"swap": strings.Repeat("\x00", 4086) + "SWAPSPACE2", "": "nothing known",
	} {
		if got := filesystem.Identify(strings.NewReader(data), int64(len(data))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// counted is a driver that knows how often it was asked for each inode.
type counted struct {
	memory
	asked map[uint64]int
}

func (c counted) Inode(ino uint64) (filesystem.Inode, error) {
	c.asked[ino]++
	return c.memory.Inode(ino)
}

func TestInodesThatWereReadLastAreKept(t *testing.T) {
	var files []string
	for i := range 2000 {
		files = append(files, fmt.Sprintf("d/%d=x", i))
	}
	c := counted{memory: build(files...), asked: map[uint64]int{}}
	fsys := filesystem.New(c)
	for range 3 {
		for i := range 10 {
			if _, err := fsys.Stat(fmt.Sprintf("d/%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for ino, times := range c.asked {
		if times != 1 {
			t.Errorf("inode %d was read %d times, want once", ino, times)
		}
	}
	if _, err := fsys.ReadDir("d"); err != nil {
		t.Fatal(err)
	}
	if _, err := fsys.Stat("d/0"); err != nil {
		t.Fatal(err)
	}
	if again := c.asked[c.Root()]; again != 2 {
		t.Errorf("the root was read %d times, want twice, with more inodes between than are kept", again)
	}
}
