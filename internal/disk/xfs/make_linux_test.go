package xfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// simplify removes from a folder what a protofile has no words for: names
// with white space, which delimits there, more names of one file, sticky bits;
// and for version 5 a long link, which mkfs.xfs 6.1 writes without the header
// that Linux wants.
func simplify(t testing.TB, tree string, v5 bool) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSticky != 0 {
			must(os.Chmod(path, info.Mode()&^fs.ModeSticky))
		}
		if strings.ContainsAny(entry.Name(), " \n") {
			must(os.Remove(path))
		}
		return nil
	}))
	must(os.Remove(filepath.Join(tree, "links/hard")))
	if long := filepath.Join(tree, "links/1000"); v5 {
		must(os.RemoveAll(long))
	}
}

// mounted lets change do what it wants to the mounted file system.
func mounted(t testing.TB, path string, change func(dir string), options ...string) {
	t.Helper()
	options = append(options, "rw")
	disktest.Mount(t, "reading what Linux writes to xfs", path, "xfs", strings.Join(options, ","), change)
}

func openFS(t testing.TB, path string) *filesystem.FS {
	t.Helper()
	fsys, err := tryOpen(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func tryOpen(t testing.TB, path string) (*filesystem.FS, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return xfs.Open(f, info.Size())
}

// xfsdb runs commands of xfs_db on the file system at path.
func xfsdb(t testing.TB, path string, commands ...string) string {
	t.Helper()
	args := []string{"-x"}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	return disktest.Run(t, "xfs_db", append(args, path)...)
}

// inodeOf returns the number of the file name.
func inodeOf(t testing.TB, fsys *filesystem.FS, name string) uint64 {
	t.Helper()
	info, err := fsys.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	return statOf(info).Ino
}

func statOf(info fs.FileInfo) *filesystem.Stat { return info.Sys().(*filesystem.Stat) }

// treeFor is disktest.Tree without links that are too long for XFS
// (XFS_SYMLINK_MAXLEN).
func treeFor(t testing.TB, blockSize int) string {
	t.Helper()
	tree := disktest.Tree(t, min(blockSize, 4096))
	for _, long := range []string{"links/2000", "links/4000"} {
		if err := os.Remove(filepath.Join(tree, long)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return tree
}

// number finds a number in the output of a tool.
func number(t testing.TB, text, pattern string) int64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	n, err := strconv.ParseInt(found[1], 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
