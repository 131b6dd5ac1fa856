package disktest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// XFS makes a file system of size MiB with mkfs.xfs, in a sparse file, and
// returns its path. The folder tree, if any, is copied into it without
// mounting: names without white space, one for each file.
func XFS(t testing.TB, tree string, size int64, args ...string) string {
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
	args = append([]string{"-q", "-L", "awkward"}, args...)
	if tree != "" {
		args = append(args, "-p", protofile(t, tree))
	}
	Run(t, "mkfs.xfs", append(args, path)...)
	return path
}

func protofile(t testing.TB, tree string) string {
	t.Helper()
	proto := filepath.Join(t.TempDir(), "proto")
	text := "x\n0 0\n" + protoMode(t, tree) + "\n" + prototype(t, tree) + "$\n"
	if err := os.WriteFile(proto, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return proto
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
