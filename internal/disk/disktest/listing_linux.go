package disktest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Listing has a line for each name in a tree: what it is and what it holds.
type Listing map[string]string

// List lists what the reader under test finds in fsys. Modes, owners and times
// are left out where asUnix is false: vfat has none, and some tools store none.
func List(t testing.TB, fsys *filesystem.FS, asUnix bool) Listing {
	t.Helper()
	return list(t, fsys, asUnix, fsys.ReadLink, func(name string) (io.ReadCloser, error) { return fsys.Open(name) })
}

// ListFolder lists what the kernel shows in a folder of the host.
func ListFolder(t testing.TB, dir string, asUnix bool) Listing {
	t.Helper()
	// os.DirFS opens no name that is not UTF-8.
	link := func(name string) (string, error) { return os.Readlink(filepath.Join(dir, name)) }
	open := func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }
	return list(t, os.DirFS(dir).(fs.ReadLinkFS), asUnix, link, open)
}

func list(t testing.TB, fsys fs.ReadLinkFS, asUnix bool, link func(string) (string, error), open func(string) (io.ReadCloser, error)) Listing {
	t.Helper()
	lines := Listing{}
	for name, info := range walk(t, fsys) {
		line := info.Mode().Type().String()
		if asUnix {
			line = unixLine(info)
		}
		held, err := holds(name, info, link, open)
		if err != nil {
			t.Errorf("%q: %v", name, err)
		}
		lines[name] = line + held
	}
	return lines
}

// unixLine has what Unix keeps of a file.
func unixLine(info fs.FileInfo) string {
	var uid, gid uint32
	switch stat := info.Sys().(type) {
	case *filesystem.Stat:
		uid, gid = stat.UID, stat.GID
	case *syscall.Stat_t:
		uid, gid = stat.Uid, stat.Gid
	}
	return fmt.Sprintf("%v %d:%d %d", info.Mode(), uid, gid, info.ModTime().Unix())
}

func holds(name string, info fs.FileInfo, link func(string) (string, error), open func(string) (io.ReadCloser, error)) (string, error) {
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		target, err := link(name)
		return " -> " + target, err
	case 0:
		f, err := open(name)
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // nothing was written
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		return fmt.Sprintf(" %d of %d bytes, SHA-256 %x", n, info.Size(), sum.Sum(nil)), err
	}
	return "", nil
}

// Compare fails the test for each name that is not in both, or not the same.
func (l Listing) Compare(t testing.TB, want Listing) {
	t.Helper()
	for name, line := range want {
		if l[name] != line {
			t.Errorf("%q: got %q, want %q", name, l[name], line)
		}
	}
	for name, line := range l {
		if want[name] == "" {
			t.Errorf("%q: got %q, which is not there", name, line)
		}
	}
}
