// Package btrfs reads Btrfs on one device. Source of the format: Linux
// fs/btrfs and include/uapi/linux/btrfs_tree.h.
package btrfs

import (
	"fmt"
	"io"
	"sync"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/cache"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Volume is a file system with all its subvolumes. It is safe for concurrent
// use.
type Volume struct {
	r        io.ReaderAt
	sb       *superblock
	chunks   []chunk // in the order of their logical addresses
	roots    *tree
	geometry filesystem.Geometry

	nodes    *cache.Cache // by their logical address
	unpacked *cache.Cache // by packedExtent.key
	unpacker unpacker

	// far and stale hold the inodes whose numbers say nothing of them.
	far   *numbers[place]
	stale *numbers[staleName]

	mu sync.Mutex
	// opened holds the trees met so far.
	opened map[uint64]*tree
}

// Bounds of what is kept, in bytes.
const (
	cachedNodes    = 4 << 20
	cachedUnpacked = 1 << 20
)

// Open reads the superblock and the chunk tree of the file system in r, size
// bytes long. The error is diskerr.ErrNotFound if there is no Btrfs, else
// diskerr.ErrUnsupported for a feature, a profile, or a kind of checksum that
// is not read, or diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	sb, err := readSuperblock(r, size)
	if err != nil {
		return nil, err
	}
	v := &Volume{
		r: r, sb: sb, geometry: sb.geometry(),
		nodes: cache.New(cachedNodes), unpacked: cache.New(cachedUnpacked),
		unpacker: unpacker{sectorSize: int(sb.sectorSize)},
		opened:   map[uint64]*tree{}, far: newNumbers[place](), stale: newNumbers[staleName](),
	}
	v.roots = &tree{v: v, id: treeRoot, root: sb.root}
	if err := v.readSystemChunks(); err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	if err := v.readChunkTree(); err != nil {
		return nil, fmt.Errorf("chunk tree: %w", err)
	}
	return v, nil
}

// Geometry is that of the file system, whichever subvolume is opened.
func (v *Volume) Geometry() filesystem.Geometry { return v.geometry }

// geometry: tools use whole sectors (btrfs-progs, mkfs/main.c; kernel,
// btrfs_ioctl_resize).
func (s *superblock) geometry() filesystem.Geometry {
	unclean := s.unclean()
	return filesystem.Geometry{
		Type: "btrfs", BlockSize: int64(s.sectorSize), Bytes: int64(s.bytes), Step: int64(s.sectorSize),
		UUID: filesystem.UUID(s.fsid), Label: s.label, Features: s.features.list(),
		Clean: unclean == "", Unclean: unclean,
	}
}
