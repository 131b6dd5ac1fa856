package ext_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ext"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// makeFS makes a file system of the tree with mke2fs and returns its path.
func makeFS(t testing.TB, tree, size string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	args = append([]string{"-q", "-F", "-E", "root_owner=0:0", "-L", "awkward"}, args...)
	if tree != "" {
		args = append(args, "-d", tree)
	}
	disktest.Run(t, "mke2fs", append(args, path, size)...)
	return path
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
	return ext.Open(f, info.Size())
}

func TestEveryKindOfFileSystemHoldsTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading ext file systems", "mke2fs", "e2fsck")
	tests := []struct {
		blockSize int
		args      string
		kind      string
	}{
		{1024, "-t ext2", "ext2"},
		{2048, "-t ext2", "ext2"},
		{4096, "-t ext2", "ext2"},
		{1024, "-t ext2 -O ^filetype,^sparse_super,^resize_inode", "ext2"},
		{1024, "-t ext3", "ext3"},
		{4096, "-t ext3 -I 128", "ext3"},
		{1024, "-t ext4", "ext4"},
		{2048, "-t ext4", "ext4"},
		{4096, "-t ext4", "ext4"},
		{65536, "-t ext4", "ext4"},
		{4096, "-t ext4 -O ^metadata_csum,uninit_bg", "ext4"},
		{4096, "-t ext4 -O ^metadata_csum,uninit_bg,^64bit", "ext4"},
		{4096, "-t ext4 -O ^metadata_csum,^flex_bg,^extent,^64bit", "ext4"},
		{1024, "-t ext4 -O ^extent,^64bit", "ext4"},
		{4096, "-t ext4 -I 128", "ext4"},
		{1024, "-t ext4 -O inline_data", "ext4"},
		{4096, "-t ext4 -O inline_data -I 1024", "ext4"},
		{4096, "-t ext4 -O bigalloc -C 65536", "ext4"},
		{1024, "-t ext4 -O bigalloc", "ext4"},
		{1024, "-t ext4 -O meta_bg,^resize_inode -g 1024", "ext4"},
		{1024, "-t ext4 -O meta_bg,^resize_inode,^64bit,^sparse_super -g 1024", "ext4"},
		{1024, "-t ext4 -O sparse_super2,meta_bg,^resize_inode -g 1024", "ext4"},
		{4096, "-t ext4 -O large_dir,ea_inode,metadata_csum_seed,orphan_file,quota,project,verity,mmp", "ext4"},
		{4096, "-t ext4 -O ^has_journal,fast_commit", "ext4"},
	}
	trees := newTrees(t)
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s -b %d", test.args, test.blockSize), func(t *testing.T) {
			args := append(strings.Fields(test.args), "-b", fmt.Sprint(test.blockSize), "-N", "1500")
			tree := trees.of(test.blockSize, strings.Contains(test.args, "inline_data"))
			path := makeFS(t, tree, "80M", args...)
			fsys := openFS(t, path)
			if g := fsys.Geometry; g.Type != test.kind || g.BlockSize != int64(test.blockSize) || !g.Clean || g.Label != "awkward" {
				t.Errorf("geometry: got %+v, want a clean %s with blocks of %d", g, test.kind, test.blockSize)
			}
			disktest.SameTree(t, fsys, tree)
		})
	}
}

// trees makes each source tree once.
type trees struct {
	t    *testing.T
	made map[string]string
}

func newTrees(t *testing.T) trees { return trees{t: t, made: map[string]string{}} }

func (s trees) of(blockSize int, withoutHoles bool) string {
	key := fmt.Sprint(blockSize, withoutHoles)
	if s.made[key] == "" {
		build := disktest.Tree
		if withoutHoles {
			build = disktest.TreeWithoutHoles
		}
		s.made[key] = build(s.t, min(blockSize, 4096))
	}
	return s.made[key]
}
