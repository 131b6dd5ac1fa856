package xfs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// makeFS makes a file system with mkfs.xfs and returns its path. size is in
// MiB; the file is sparse.
func makeFS(t testing.TB, size int64, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size<<20); err != nil {
		t.Fatal(err)
	}
	// mkfs.xfs makes file systems of less than 300 MiB for xfstests alone.
	t.Setenv("TEST_DIR", "x")
	t.Setenv("TEST_DEV", "x")
	t.Setenv("QA_CHECK_FS", "1")
	disktest.Run(t, "mkfs.xfs", append(append([]string{"-q", "-L", "awkward"}, args...), path)...)
	return path
}

// makeFrom makes a file system of a folder, with mkfs.xfs alone.
func makeFrom(t testing.TB, tree string, size int64, args ...string) string {
	t.Helper()
	proto := filepath.Join(t.TempDir(), "proto")
	text := "x\n0 0\n" + protoMode(t, tree) + "\n" + prototype(t, tree) + "$\n"
	if err := os.WriteFile(proto, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return makeFS(t, size, append([]string{"-p", proto}, args...)...)
}

// prototype lists a folder as in the protofile of mkfs.xfs(8).
func prototype(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		text += entry.Name() + " " + protoMode(t, path) + " "
		switch {
		case entry.IsDir():
			text += "\n" + prototype(t, path) + "$"
		case entry.Type().IsRegular():
			text += path
		case entry.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				t.Fatal(err)
			}
			text += target
		case entry.Type()&fs.ModeDevice != 0:
			text += "1 3"
		}
		text += "\n"
	}
	return text
}

// protoMode is type, set-user-ID, set-group-ID, permissions, owner.
func protoMode(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	mode := map[uint32]string{
		syscall.S_IFREG: "-", syscall.S_IFDIR: "d", syscall.S_IFLNK: "l", syscall.S_IFCHR: "c", syscall.S_IFBLK: "b", syscall.S_IFIFO: "p",
	}[stat.Mode&syscall.S_IFMT]
	for _, bit := range []struct {
		mode fs.FileMode
		name string
	}{{fs.ModeSetuid, "u"}, {fs.ModeSetgid, "g"}} {
		if info.Mode()&bit.mode == 0 {
			bit.name = "-"
		}
		mode += bit.name
	}
	return fmt.Sprintf("%s%03o %d %d", mode, stat.Mode&0o777, stat.Uid, stat.Gid)
}

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

// needMount skips the test where xfs can not be mounted.
func needMount(t testing.TB, what string) {
	t.Helper()
	disktest.Need(t, what, "mkfs.xfs", "mount")
	if os.Geteuid() != 0 {
		t.Skipf("needs root, to mount xfs: %s is not tested", what)
	}
	_ = exec.Command("modprobe", "xfs").Run()
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(known), "\txfs\n") {
		t.Skipf("needs a kernel with xfs: %s is not tested", what)
	}
}

// mounted runs change with the file system mounted, with further options.
func mounted(t testing.TB, path string, change func(dir string), options ...string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ownMounts(t)
	disktest.Run(t, "mount", "-t", "xfs", "-o", strings.Join(append(options, "loop"), ","), path, dir)
	defer disktest.Run(t, "umount", dir)
	change(dir)
}

// ownMounts gives the test's thread a mount namespace of its own, until the
// test ends: where another process had a copy of the mount in its namespace,
// unmounting here would not unmount the file system.
func ownMounts(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		t.Skipf("needs a mount namespace (unshare: %v): mounting xfs is not tested", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
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
