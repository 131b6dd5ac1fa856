package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// mosaic writes pieces into a file, in a random order, with holes between.
func mosaic(t testing.TB, path string, pieces int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // Sync tells
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(pieces) {
		if _, err := f.WriteAt([]byte(fmt.Sprintf("piece %d", i)), int64(i)*8192); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesInManyExtentsAreRead(t *testing.T) {
	disktest.Need(t, "reading B+trees of extents", "mkfs.xfs")
	for _, args := range []string{"-b size=1024", "-b size=4096 -i nrext64=1"} {
		t.Run(args, func(t *testing.T) {
			path := disktest.XFS(t, "", 200, strings.Fields(args)...)
			source := t.TempDir()
			mosaic(t, filepath.Join(source, "list"), 8)
			mosaic(t, filepath.Join(source, "tree"), 300)
			mosaic(t, filepath.Join(source, "forest"), 8000)
			mounted(t, path, func(dir string) {
				for name, pieces := range map[string]int{"list": 8, "tree": 300, "forest": 8000} {
					mosaic(t, filepath.Join(dir, name), pieces)
				}
				disktest.Run(t, "cp", "--reflink=always", filepath.Join(dir, "forest"), filepath.Join(dir, "shared"))
			})
			fsys := openFS(t, path)
			levels := xfsdb(t, path, fmt.Sprintf("inode %d", inodeOf(t, fsys, "forest")), "p u3.bmbt.level")
			if !strings.Contains(levels, "= 2") {
				t.Errorf("the tree has not two levels: %s", levels)
			}
			disktest.Run(t, "cp", filepath.Join(source, "forest"), filepath.Join(source, "shared"))
			disktest.SameFiles(t, fsys, source)
		})
	}
}

func TestBlocksThatWereNeverWrittenReadAsZeros(t *testing.T) {
	disktest.Need(t, "reading preallocated files", "mkfs.xfs")
	const size = 64 << 10
	path := disktest.XFS(t, "", 16)
	mounted(t, path, func(dir string) {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // Sync tells
		// Beyond its size, too.
		for _, err := range []error{
			syscall.Fallocate(int(f.Fd()), 0, 0, size), syscall.Fallocate(int(f.Fd()), 1, size, size),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.WriteAt([]byte("written"), 8192); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	})
	fsys := openFS(t, path)
	if out := xfsdb(t, path, fmt.Sprintf("inode %d", inodeOf(t, fsys, "file")), "bmap"); strings.Count(out, "flag 1") < 2 {
		t.Fatalf("nothing is preallocated:\n%s", out)
	}
	junk := bytes.Repeat([]byte("junk"), 1024)
	overwrite(t, path, at(t, path, fmt.Sprintf("inode %d", inodeOf(t, fsys, "file")), "dblock 0"), junk)
	want := make([]byte, size)
	copy(want[8192:], "written")
	if got, err := fs.ReadFile(fsys, "file"); err != nil || string(got) != string(want) {
		t.Errorf("content differs (%v)", err)
	}
}

func overwrite(t testing.TB, path string, offset int64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestHugeSparseFileIsReadAtItsEnds(t *testing.T) {
	disktest.Need(t, "reading the largest files", "mkfs.xfs")
	const size = 1<<63 - 1
	path := disktest.XFS(t, "", 16)
	mounted(t, path, func(dir string) {
		f, err := os.Create(filepath.Join(dir, "huge"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // Sync tells
		for _, off := range []int64{0, 5 << 40, size - 5} {
			if _, err := f.WriteAt([]byte("piece"), off); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	})
	f, err := openFS(t, path).Open("huge")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != size {
		t.Errorf("got %v, %v, want a size of %d", info, err, int64(size))
	}
	for off, want := range map[int64]string{0: "piece\x00\x00", 5 << 40: "piece\x00\x00", 6 << 40: "\x00\x00\x00\x00\x00\x00\x00", size - 5: "piece"} {
		got := make([]byte, 7)
		n, _ := f.(io.ReaderAt).ReadAt(got, off)
		if string(got[:n]) != want {
			t.Errorf("at %d: got %q, want %q", off, got[:n], want)
		}
	}
}
