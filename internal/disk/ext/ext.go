// Package ext reads ext2, ext3 and ext4. Source of the format: Linux
// Documentation/filesystems/ext4 and fs/ext4.
package ext

import (
	"fmt"
	"io"
	"sync"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// FS is the file system.
type FS struct {
	*filesystem.FS
	Geometry Geometry
}

// Geometry is what the superblock says.
type Geometry struct {
	// Type is ext2, ext3 or ext4, as blkid tells them apart.
	Type string `json:"type"`
	// BlockSize and Bytes, the whole file system's, are in bytes.
	BlockSize int64 `json:"block_size"`
	Bytes     int64 `json:"bytes"`
	// UUID is in lower case.
	UUID  string `json:"uuid"`
	Label string `json:"label,omitempty"`
	// Features has the names that e2fsprogs uses.
	Features []string `json:"features"`
	// Clean says that the file system was unmounted in order. If it was not,
	// what is read may differ from what Linux would show, and nothing that is
	// read is proof; Unclean is the reason.
	Clean   bool   `json:"clean"`
	Unclean string `json:"unclean,omitempty"`
}

// Open reads the superblock of the file system in r, size bytes long. The
// error is diskerr.ErrNotFound if there is no ext file system, else
// diskerr.ErrUnsupported for a feature that is not read, or
// diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	sb, err := readSuperblock(r, size)
	if err != nil {
		return nil, err
	}
	d := &driver{r: r, sb: sb, inodeTables: map[uint64]uint64{}}
	root, err := d.Inode(d.Root())
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	if !root.Attr().Mode.IsDir() {
		return nil, diskerr.Corrupt("root directory: inode %d is not a directory", d.Root())
	}
	return &FS{FS: filesystem.New(d), Geometry: sb.geometry()}, nil
}

func (s *superblock) geometry() Geometry {
	u := s.uuid
	unclean := s.unclean()
	return Geometry{
		Type: s.features.kind(), BlockSize: s.blockSize, Bytes: s.bytes(),
		UUID:  fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16]),
		Label: s.label, Features: s.features.list(),
		Clean: unclean == "", Unclean: unclean,
	}
}

// driver implements filesystem.Driver.
type driver struct {
	r  io.ReaderAt
	sb *superblock

	mu sync.Mutex
	// inodeTables holds the groups met so far: group to first block.
	inodeTables map[uint64]uint64
}

// rootInode: Documentation/filesystems/ext4/special_inodes.rst.
const rootInode = 2

func (d *driver) Root() uint64 { return rootInode }
