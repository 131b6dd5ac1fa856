package btrfs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		"",
		"-n 4096", "-n 8192", "-n 32768", "-n 65536",
		"-m single", "-m dup -d dup", "--mixed -n 4096",
		"--csum sha256", "-O ^no-holes", "-O ^skinny-metadata,^extref", "-R ^free-space-tree", "-R quota",
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
	disktest.Need(t, "reading what Linux wrote to btrfs", "mkfs.btrfs", "cp")
	trees := newTrees(t)
	for _, test := range []struct{ args, options string }{
		{"", "defaults"},
		{"-n 4096", "compress-force=zlib"},
		{"--csum sha256", "compress-force=zlib:9"},
		{"", "compress-force=lzo"},
		{"-n 65536", "compress-force=lzo"},
		{"", "compress-force=zstd"},
		{"-m dup -d dup", "compress-force=zstd:15"},
		{"", "compress=zstd:1"},
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
			disktest.SameTree(t, openFS(t, path), tree)
		})
	}
}

// trees are the source trees. A node of 4096 bytes has no room for the
// longest links.
type trees struct{ forSmallNodes, forOthers string }

func newTrees(t testing.TB) trees { return trees{disktest.Tree(t, 2048), disktest.Tree(t, 4096)} }

func (s trees) of(args string) string {
	if strings.Contains(args, "-n 4096") {
		return s.forSmallNodes
	}
	return s.forOthers
}
