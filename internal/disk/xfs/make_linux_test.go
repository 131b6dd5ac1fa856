package xfs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// makeFrom makes a file system of a folder, with mkfs.xfs alone. What it can
// not store is left out of the folder: names with white space, which delimits
// in a prototype file, and further names of a file.
func makeFrom(t testing.TB, tree string, size int64, args ...string) string {
	t.Helper()
	proto := filepath.Join(t.TempDir(), "proto")
	if err := os.WriteFile(proto, prototype(t, tree), 0o600); err != nil {
		t.Fatal(err)
	}
	return makeFS(t, size, append([]string{"-p", proto}, args...)...)
}

// prototype is the protofile of mkfs.xfs(8).
func prototype(t testing.TB, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("x\n0 0\n")
	seen := map[uint64]bool{}
	var add func(dir string)
	add = func(dir string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			info, err := entry.Info()
			if err != nil {
				t.Fatal(err)
			}
			stat := info.Sys().(*syscall.Stat_t)
			if strings.ContainsAny(entry.Name(), " \n\\:") || (!info.IsDir() && seen[stat.Ino]) {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				continue
			}
			seen[stat.Ino] = true
			fmt.Fprintf(&b, "%s %s ", entry.Name(), protoMode(stat))
			switch stat.Mode & syscall.S_IFMT {
			case syscall.S_IFDIR:
				b.WriteString("\n")
				add(path)
				b.WriteString("$\n")
				continue
			case syscall.S_IFREG:
				b.WriteString(path)
			case syscall.S_IFLNK:
				target, err := os.Readlink(path)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteString(target)
			case syscall.S_IFCHR, syscall.S_IFBLK:
				fmt.Fprintf(&b, "%d %d", stat.Rdev>>8&0xfff, stat.Rdev&0xff)
			}
			b.WriteString("\n")
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%s\n", protoMode(info.Sys().(*syscall.Stat_t)))
	add(dir)
	b.WriteString("$\n")
	return b.Bytes()
}

// protoMode is type, set-user-ID, set-group-ID, permissions, owner.
func protoMode(stat *syscall.Stat_t) string {
	kinds := map[uint32]string{
		syscall.S_IFREG: "-", syscall.S_IFDIR: "d", syscall.S_IFLNK: "l", syscall.S_IFCHR: "c", syscall.S_IFBLK: "b", syscall.S_IFIFO: "p",
	}
	mode := kinds[stat.Mode&syscall.S_IFMT]
	for _, bit := range []struct {
		mask uint32
		name string
	}{{syscall.S_ISUID, "u"}, {syscall.S_ISGID, "g"}} {
		if stat.Mode&bit.mask != 0 {
			mode += bit.name
		} else {
			mode += "-"
		}
	}
	return fmt.Sprintf("%s%03o %d %d", mode, stat.Mode&0o777, stat.Uid, stat.Gid)
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

// mounted runs change with the file system mounted.
func mounted(t testing.TB, path string, change func(dir string)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	disktest.Run(t, "mount", "-t", "xfs", "-o", "loop,ikeep", path, dir)
	defer disktest.Run(t, "umount", dir)
	change(dir)
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
	return info.Sys().(*filesystem.Stat).Ino
}

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

var _ fs.FS = (*filesystem.FS)(nil)
