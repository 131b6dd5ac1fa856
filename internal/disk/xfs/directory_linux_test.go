package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// fill makes count files of size bytes with long names.
func fill(t testing.TB, dir string, count, size int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	content := []byte(strings.Repeat("x", size))
	for i := range count {
		name := fmt.Sprintf("%s-%d", strings.Repeat("n", i%60), i)
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// form tells from xfs_db how a directory is stored.
func form(t testing.TB, path string, ino uint64, blockSize, dirBlockSize int64) string {
	t.Helper()
	out := xfsdb(t, path, fmt.Sprintf("inode %d", ino), "p core.format", "bmap")
	if strings.Contains(out, "(local)") {
		return "short"
	}
	var ends []int64
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 7 && fields[1] == "offset" {
			at, err := strconv.ParseInt(fields[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, (at+1)*blockSize)
		}
	}
	kind := "node"
	switch last := ends[len(ends)-1]; {
	case last <= dirBlockSize:
		kind = "block"
	case last < 64<<30:
		kind = "leaf"
	}
	if strings.Contains(out, "(btree)") {
		kind += " in a tree"
	}
	return kind
}

func names(t testing.TB, fsys fs.FS, dir string) []string {
	t.Helper()
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return all
}

// everyForm has a directory of every form, where blocks have 1 KiB, those of
// directories 4 KiB, and inodes 512 bytes; and a link.
func everyForm(t testing.TB) string {
	t.Helper()
	tree := t.TempDir()
	fill(t, filepath.Join(tree, "short"), 2, 5)
	fill(t, filepath.Join(tree, "block"), 30, 0)
	fill(t, filepath.Join(tree, "leaf"), 150, 0)
	fill(t, filepath.Join(tree, "node"), 1200, 0)
	fill(t, filepath.Join(tree, "tree"), 2500, 1)
	if err := os.Symlink("short/-0", filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestDirectoriesAreReadInEveryForm(t *testing.T) {
	disktest.Need(t, "reading directories of xfs", "mkfs.xfs", "xfs_db")
	tree := everyForm(t)
	forms := map[string]string{"short": "short", "block": "block", "leaf": "leaf", "node": "node", "tree": "node in a tree"}
	for _, args := range []string{"-m crc=0 -n ftype=0", "-m crc=0 -n ftype=1", "-m crc=1"} {
		t.Run(args, func(t *testing.T) {
			path := disktest.XFS(t, tree, 100, append(strings.Fields(args), "-i", "size=512", "-b", "size=1024", "-n", "size=4096")...)
			fsys := openFS(t, path)
			for dir, want := range forms {
				if got := form(t, path, inodeOf(t, fsys, dir), 1024, 4096); got != want {
					t.Errorf("%s: xfs_db calls it %s", dir, got)
				}
				if got := names(t, fsys, dir); !slices.Equal(got, names(t, os.DirFS(tree), dir)) {
					t.Errorf("%s: got %q", dir, got)
				}
			}
		})
	}
}

func TestDirectoriesThatLinuxThinnedOutAreRead(t *testing.T) {
	disktest.Need(t, "reading directories with holes", "mkfs.xfs")
	for _, args := range []string{"-b size=1024", "-b size=1024 -n size=16384", "-b size=4096"} {
		t.Run(args, func(t *testing.T) {
			path := disktest.XFS(t, "", 100, strings.Fields(args)...)
			want := map[string][]string{}
			mounted(t, path, func(dir string) {
				for _, count := range []int{40, 400, 4000} {
					name := fmt.Sprint(count)
					fill(t, filepath.Join(dir, name), count, 0)
					thinOut(t, filepath.Join(dir, name))
					want[name] = names(t, os.DirFS(dir), name)
				}
			})
			fsys := openFS(t, path)
			for name := range want {
				if got := names(t, fsys, name); !slices.Equal(got, want[name]) {
					t.Errorf("%s: got %d names, want %d", name, len(got), len(want[name]))
				}
			}
		})
	}
}

// thinOut removes a stretch, and then every other name.
func thinOut(t testing.TB, dir string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range all {
		_, number, _ := strings.Cut(entry.Name(), "-")
		if n, err := strconv.Atoi(number); err != nil || n > len(all)/4 && n < len(all)/2 || i%2 == 0 {
			if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDirectoryBlocksInPiecesAreRead fills the file system with files of one
// block, and makes a directory where every other one was.
func TestDirectoryBlocksInPiecesAreRead(t *testing.T) {
	disktest.Need(t, "reading directories in pieces", "mkfs.xfs", "xfs_db", "xfs_io")
	path := disktest.XFS(t, "", 16, "-b", "size=1024", "-n", "size=65536", "-m", "reflink=0,finobt=0,inobtcount=0")
	var want []string
	mounted(t, path, func(dir string) {
		// Linux keeps blocks for itself, in one piece.
		disktest.Run(t, "xfs_io", "-x", "-c", "resblks 0", dir)
		count := fillUp(t, dir)
		rest := bytes.Repeat([]byte("rest"), 4<<20)
		if err := os.WriteFile(filepath.Join(dir, "rest"), rest, 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got %v, want a full file system", err)
		}
		disktest.Run(t, "sync", "-f", dir)
		for i := 0; i < count; i += 2 {
			if err := os.Remove(filepath.Join(dir, fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		disktest.Run(t, "sync", "-f", dir)
		linkMany(t, filepath.Join(dir, "1"), filepath.Join(dir, "pieces"))
		want = names(t, os.DirFS(dir), "pieces")
	})
	fsys := openFS(t, path)
	out := xfsdb(t, path, fmt.Sprintf("inode %d", inodeOf(t, fsys, "pieces")), "bmap")
	if !regexp.MustCompile(`offset \d+ startblock .* count [1-9] `).MatchString(out) {
		t.Fatalf("no block of the directory is in pieces:\n%s", out)
	}
	if got := names(t, fsys, "pieces"); !slices.Equal(got, want) {
		t.Errorf("got %d names, want %d", len(got), len(want))
	}
}

// fillUp makes files of one block until there is no room, and counts them.
func fillUp(t testing.TB, dir string) int {
	t.Helper()
	for i := 0; ; i++ {
		err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("x"), 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			return i
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// linkMany fills a directory with names of one file, so that no inodes are
// needed, until there is no room in one piece for its blocks.
func linkMany(t testing.TB, file, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		err := os.Link(file, filepath.Join(dir, fmt.Sprintf("%0200d", i)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestInodesBeyond32BitsAreFound needs a file system of several TiB, in a
// sparse file: Linux puts each new directory into another allocation group.
func TestInodesBeyond32BitsAreFound(t *testing.T) {
	disktest.Need(t, "reading large inode numbers", "mkfs.xfs")
	path := disktest.XFS(t, "", 6<<20, "-l", "size=16m")
	mounted(t, path, func(dir string) {
		for i := range 8 {
			fill(t, filepath.Join(dir, fmt.Sprint(i), "sub"), 3, 5)
		}
	})
	fsys := openFS(t, path)
	large := 0
	for i := range 8 {
		if got := names(t, fsys, fmt.Sprintf("%d/sub", i)); len(got) != 3 {
			t.Errorf("%d: got %q", i, got)
		}
		if inodeOf(t, fsys, fmt.Sprint(i)) > 1<<32 {
			large++
		}
	}
	if large == 0 {
		t.Error("no inode number is large")
	}
	if err := disktest.FirstError(fsys); err != nil {
		t.Error(err)
	}
}
