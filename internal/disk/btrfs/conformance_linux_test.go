package btrfs_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/btrfs"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// makeFS makes a file system with mkfs.btrfs and returns its path. A tree is
// put into it by mkfs.btrfs itself.
func makeFS(t testing.TB, tree, size string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	args = append([]string{"-q", "-L", "awkward"}, args...)
	if tree != "" {
		args = append(args, "--rootdir", tree)
	}
	disktest.Run(t, "truncate", "-s", size, path)
	disktest.Run(t, "mkfs.btrfs", append(args, path)...)
	return path
}

func openVolume(t testing.TB, path string) *btrfs.Volume {
	t.Helper()
	v, err := tryOpen(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func tryOpen(t testing.TB, path string) (*btrfs.Volume, error) {
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
	return btrfs.Open(f, info.Size())
}

// openFS opens the default subvolume.
func openFS(t testing.TB, path string) *filesystem.FS {
	t.Helper()
	v := openVolume(t, path)
	id, err := v.Default()
	if err != nil {
		t.Fatal(err)
	}
	return subvolume(t, v, id)
}

func subvolume(t testing.TB, v *btrfs.Volume, id uint64) *filesystem.FS {
	t.Helper()
	fsys, err := v.Subvolume(id)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

func TestEveryKindOfFileSystemHoldsTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading btrfs file systems", "mkfs.btrfs")
	trees := newTrees(t)
	for _, args := range []string{
		"", "-n 4096", "-n 65536", "-m dup -d dup -n 8192", "--mixed -n 4096", "-m single -R quota",
		"--csum sha256 -n 32768", "--csum xxhash", "--csum blake2 -n 4096", "-O ^no-holes,^skinny-metadata,^extref -R ^free-space-tree",
	} {
		t.Run(args, func(t *testing.T) {
			tree := trees.of(args)
			path := makeFS(t, tree, "300M", strings.Fields(args)...)
			fsys := openFS(t, path)
			if g := fsys.Geometry; g.Type != "btrfs" || g.BlockSize != 4096 || g.Bytes != 300<<20 || !g.Clean || g.Label != "awkward" {
				t.Errorf("geometry: got %+v", g)
			}
			disktest.SameTree(t, fsys, tree)
		})
	}
}

func TestWhatLinuxWroteHoldsTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading what Linux wrote to btrfs", "mkfs.btrfs", "btrfs", "cp")
	trees := newTrees(t)
	for _, test := range []struct{ args, options string }{
		{"-n 4096", "compress-force=zlib"},
		{"--csum sha256", "compress-force=zlib:9"},
		{"-n 65536", "compress-force=lzo"},
		{"", "compress-force=zstd"},
		{"-m dup -d dup", "compress-force=zstd:15"},
		{"", "nodatasum"},
		{"-O ^no-holes", "nodatacow"},
		{"--mixed -n 4096", "compress-force=lzo"},
		{"", "max_inline=0"},
	} {
		t.Run(fmt.Sprintf("%s -o %s", test.args, test.options), func(t *testing.T) {
			tree := trees.of(test.args)
			path := makeFS(t, "", "300M", strings.Fields(test.args)...)
			disktest.Mount(t, "reading what Linux wrote to btrfs", path, "btrfs", test.options, func(dir string) {
				disktest.Run(t, "cp", "-a", tree+"/.", dir)
			})
			if kind := compressionOf(test.options); !strings.Contains(disktest.Run(t, "btrfs", "inspect-internal", "dump-tree", path), kind) {
				t.Fatalf("Linux wrote no extent with the compression %s", kind)
			}
			disktest.SameTree(t, openFS(t, path), tree)
		})
	}
}

// compressionOf is how dump-tree names the compression of mount options.
func compressionOf(options string) string {
	_, kind, _ := strings.Cut(options, "=")
	kind, _, _ = strings.Cut(kind, ":")
	if strings.HasPrefix(options, "compress") {
		return "(" + kind + ")"
	}
	return "(none)"
}

// compressible adds to a tree what Linux compresses: a program, text, zeros
// that are no hole, a small file, one that ends in the middle of a sector, and
// one whose second half is random.
func compressible(t testing.TB, tree string) {
	t.Helper()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program = program[:min(len(program), 512<<10)]
	text := bytes.Repeat([]byte("all work and no play makes a dull file; "), 12345)
	mixed := bytes.Clone(program[:300_000])
	random := rand.New(rand.NewPCG(1, 2))
	for i := len(mixed) / 2; i < len(mixed); i++ {
		mixed[i] = byte(random.Uint32())
	}
	for name, content := range map[string][]byte{
		"program": program, "text": text, "zeros": make([]byte, 500_000), "small": text[:1500], "odd": program[:130_001], "mixed": mixed,
	} {
		write(t, filepath.Join(tree, "compressible", name), string(content))
	}
}

// trees are the source trees. A node of 4096 bytes has no room for the
// longest links.
type trees struct{ forSmallNodes, forOthers string }

func newTrees(t testing.TB) trees {
	trees := trees{disktest.Tree(t, 2048), disktest.Tree(t, 4096)}
	compressible(t, trees.forSmallNodes)
	compressible(t, trees.forOthers)
	return trees
}

func (s trees) of(args string) string {
	if strings.Contains(args, "-n 4096") {
		return s.forSmallNodes
	}
	return s.forOthers
}

// TestFilesThatWereChangedOftenAreWhatLinuxShows has extents that are used in
// part, shared, preallocated and written in part, or punched out.
func TestFilesThatWereChangedOftenAreWhatLinuxShows(t *testing.T) {
	const what = "reading files that were changed often"
	disktest.Need(t, what, "mkfs.btrfs", "cp")
	for _, options := range []string{"max_inline=100", "compress-force=zstd", "compress-force=lzo,nodatasum", "nodatacow"} {
		t.Run(options, func(t *testing.T) {
			path := makeFS(t, "", "200M")
			want := map[string][]byte{}
			disktest.Mount(t, what, path, "btrfs", options, func(dir string) {
				random := rand.New(rand.NewPCG(5, 6))
				for i := range 20 {
					name := filepath.Join(dir, fmt.Sprint(i))
					if i > 0 && i%3 == 0 {
						disktest.Run(t, "cp", "--reflink=always", filepath.Join(dir, fmt.Sprint(i-1)), name)
					}
					changeOften(t, name, random)
					content, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					want[fmt.Sprint(i)] = content
				}
			})
			fsys := openFS(t, path)
			for name, content := range want {
				if got, err := fs.ReadFile(fsys, name); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: got %d bytes, %v, want the %d that Linux showed", name, len(got), err, len(content))
				}
			}
		})
	}
}

// changeOften writes to a file of up to 600 KB, and cuts, preallocates and
// punches holes into it, with the disk written in between.
func changeOften(t testing.TB, name string, random *rand.Rand) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	const preallocate, punch = 0x1, 0x3 // FALLOC_FL_KEEP_SIZE, and FALLOC_FL_PUNCH_HOLE with it
	for range 25 {
		at, length := random.Int64N(500_000), 1+random.Int64N(100_000)
		switch random.IntN(8) {
		case 0:
			err = f.Truncate(at)
		case 1:
			err = syscall.Fallocate(int(f.Fd()), preallocate, at, length)
		case 2:
			err = syscall.Fallocate(int(f.Fd()), punch, at, length)
		case 3:
			err = f.Sync()
		default:
			_, err = f.WriteAt(bytes.Repeat([]byte{byte(random.Uint32()), 'x', byte(at)}, int(length/3)), at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
