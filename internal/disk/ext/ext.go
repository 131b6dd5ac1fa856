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

// Open reads the superblock of the file system in r, size bytes long. The
// error is diskerr.ErrNotFound if there is no ext file system, else
// diskerr.ErrUnsupported for a feature that is not read, or
// diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*filesystem.FS, error) {
	sb, err := readSuperblock(r, size)
	if err != nil {
		return nil, err
	}
	d := &driver{r: r, sb: sb, inodeTables: map[uint64]uint64{}}
	if sb.features.has(incompatRecover) {
		d.replayed, d.unreplayed = d.recover(size)
	}
	root, err := d.Inode(d.Root())
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	if !root.Attr().Mode.IsDir() {
		return nil, diskerr.Corrupt("root directory: inode %d is not a directory", d.Root())
	}
	return filesystem.New(d), nil
}

// driver implements filesystem.Driver.
type driver struct {
	// r has the blocks of the journal in their places: replayed ones, or none
	// for the reason unreplayed.
	r          io.ReaderAt
	sb         *superblock
	replayed   int
	unreplayed error

	mu sync.Mutex
	// inodeTables holds the groups met so far: group to first block.
	inodeTables map[uint64]uint64
}

// Geometry implements filesystem.Driver. The step is a block group: mke2fs
// does not use a last one that is too small (e2fsprogs,
// lib/ext2fs/initialize.c), and one block's bits count its blocks.
func (d *driver) Geometry() filesystem.Geometry {
	s := d.sb
	unclean := s.unclean()
	if d.unreplayed != nil {
		unclean = fmt.Sprintf("its journal must be replayed, and cannot be: %v", d.unreplayed)
	}
	return filesystem.Geometry{
		Type: s.features.kind(), BlockSize: s.blockSize, Bytes: s.bytes(), Step: 8 * s.blockSize * s.blockSize,
		UUID: filesystem.UUID(s.uuid), Label: s.label, Features: s.features.list(),
		Replayed: d.replayed, Clean: unclean == "", Unclean: unclean,
	}
}

// rootInode: Documentation/filesystems/ext4/special_inodes.rst.
const rootInode = 2

func (d *driver) Root() uint64 { return rootInode }
