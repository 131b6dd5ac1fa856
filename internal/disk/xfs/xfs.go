// Package xfs reads XFS, versions 4 and 5. Source of the format: Linux
// fs/xfs/libxfs and "XFS Algorithms & Data Structures" (xfs-documentation).
package xfs

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Open reads the superblock of the file system in r, size bytes long, and
// looks whether its log is empty. The error is diskerr.ErrNotFound if there is
// no XFS, else diskerr.ErrUnsupported for a feature that is not read, or
// diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*filesystem.FS, error) {
	sb, err := readSuperblock(r, size)
	if err != nil {
		return nil, err
	}
	d := &driver{r: r, sb: sb, unclean: sb.unclean(r)}
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
	r  io.ReaderAt
	sb *superblock
	// unclean says why Linux may show something else; empty if it does not.
	unclean string
}

// be is the byte order of everything in XFS but the checksums.
var be = binary.BigEndian

// growStep is the size below which mkfs.xfs leaves out the last allocation
// group: XFS_AG_MIN_BYTES in xfsprogs, include/xfs_multidisk.h. xfs_growfs
// leaves out less.
const growStep = 16 << 20

// Geometry implements filesystem.Driver.
func (d *driver) Geometry() filesystem.Geometry {
	s := d.sb
	return filesystem.Geometry{
		Type: "xfs", BlockSize: s.blockSize, Bytes: s.bytes(), Step: growStep,
		UUID: filesystem.UUID(s.uuid), Label: s.label, Features: s.features.list(),
		Clean: d.unclean == "", Unclean: d.unclean,
	}
}

// Root implements filesystem.Driver.
func (d *driver) Root() uint64 { return d.sb.rootInode }
