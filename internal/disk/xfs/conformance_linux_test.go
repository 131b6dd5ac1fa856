package xfs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func TestMountedFileSystemHoldsTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading what Linux writes to xfs", "mkfs.xfs")
	tests := []struct {
		blockSize int
		args      string
	}{
		{1024, "-m rmapbt=1"},
		{2048, "-m bigtime=0,reflink=0,inobtcount=0,finobt=0 -i sparse=0"},
		{4096, "-i nrext64=1,size=2048 -n size=65536 -s size=4096"},
		{65536, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("-b %d %s", test.blockSize, test.args), func(t *testing.T) {
			tree := treeFor(t, test.blockSize)
			args := append(strings.Fields(test.args), "-b", fmt.Sprintf("size=%d", test.blockSize))
			path := disktest.XFS(t, "", 500, args...)
			mounted(t, path, func(dir string) { disktest.Run(t, "cp", "-a", "--sparse=always", tree+"/.", dir) })
			fsys := openFS(t, path)
			g := fsys.Geometry
			if g.Type != "xfs" || g.BlockSize != int64(test.blockSize) || !g.Clean || g.Label != "awkward" || g.Bytes > 500<<20 || g.Bytes+g.Step < 500<<20 {
				t.Errorf("geometry: got %+v, want a clean xfs with blocks of %d", g, test.blockSize)
			}
			disktest.SameTree(t, fsys, tree)
		})
	}
}

func TestEveryVersionHoldsTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading xfs", "mkfs.xfs", "xfs_db")
	tests := []struct {
		blockSize int
		args      string
	}{
		{512, "-m crc=0 -n ftype=0"},
		{1024, "-m crc=0 -n ftype=1 -l version=1"},
		{4096, "-m crc=0 -n ftype=0 -i projid32bit=0,attr=1"},
		{4096, "-m crc=0 -n size=16384 -l lazy-count=0"},
		{65536, "-m crc=0 -n ftype=0 -i size=2048"},
		{4096, "-m crc=1,rmapbt=1 -i nrext64=1,size=1024"},
		{65536, "-m crc=1,bigtime=0 -i sparse=0"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("-b %d %s", test.blockSize, test.args), func(t *testing.T) {
			tree := treeFor(t, test.blockSize)
			simplify(t, tree, strings.Contains(test.args, "crc=1"))
			args := append(strings.Fields(test.args), "-b", fmt.Sprintf("size=%d", test.blockSize))
			path := disktest.XFS(t, tree, 400, args...)
			fsys := openFS(t, path)
			if g := fsys.Geometry; g.BlockSize != int64(test.blockSize) || !g.Clean || g.Label != "awkward" {
				t.Errorf("geometry: got %+v, want a clean xfs with blocks of %d", g, test.blockSize)
			}
			disktest.SameFiles(t, fsys, tree)
			_, names, _ := strings.Cut(xfsdb(t, path, "version"), "= ")
			if got, want := slices.Sorted(slices.Values(fsys.Geometry.Features)), strings.Split(strings.TrimSpace(names), ","); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("features: got %v, want %v", got, want)
			}
		})
	}
}
