package xfs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func TestMountedFileSystemHoldsTheSourceTree(t *testing.T) {
	needMount(t, "reading what Linux writes to xfs")
	tests := []struct {
		blockSize int
		args      string
	}{
		{1024, ""},
		{1024, "-n size=4096 -m rmapbt=1"},
		{2048, "-m bigtime=0,reflink=0,inobtcount=0,finobt=0 -i sparse=0"},
		{4096, ""},
		{4096, "-i nrext64=1,size=2048 -n size=65536 -s size=4096"},
		{16384, "-i nrext64=1"},
		{65536, "-m bigtime=0"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("-b %d %s", test.blockSize, test.args), func(t *testing.T) {
			tree := treeFor(t, test.blockSize)
			args := append(strings.Fields(test.args), "-b", fmt.Sprintf("size=%d", test.blockSize))
			path := makeFS(t, 500, args...)
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
