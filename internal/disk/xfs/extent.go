package xfs

import (
	"math"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Extents and the B+tree of them: Linux fs/xfs/libxfs/xfs_format.h, struct
// xfs_bmbt_rec, xfs_bmdr_block and xfs_btree_block.
const (
	extentSize      = 16
	extentUnwritten = 1 << 63
	extentCountBits = 21

	btreeRootSize = 4
	btreeKeySize  = 8
	btreePairSize = 16 // of a key and a pointer, which stand apart
	btreeHeaderV4 = 24
	btreeHeaderV5 = 72
	btMagicV4     = "BMAP"
	btMagicV5     = "BMA3"
	btLevel       = 4
	btRecords     = 6
	maxBtreeLevel = 9
)

// maxExtents bounds the memory for one file, at 32 bytes an extent. A file
// system of 2 TiB in extents of 1 MiB would just reach it with one file.
const maxExtents = 2 << 20

// extent is a piece of a file, in blocks.
type extent struct {
	block     uint64 // of the file
	count     uint64
	disk      int64 // offset in the file system, in bytes
	unwritten bool  // reads as zeros
}

func (e extent) end() uint64 { return e.block + e.count }

// file is what the extents hold. Those past the end are preallocated. The last
// byte that a file can have is not the last of its block.
func (d *driver) file(list []extent, size int64) *filesystem.Runs {
	f := &filesystem.Runs{Disk: d.r, Size: size}
	for _, e := range list {
		if e.unwritten {
			continue
		}
		offset := int64(e.block) * d.sb.blockSize
		length := min(int64(e.count)*d.sb.blockSize, math.MaxInt64-offset)
		f.Runs = append(f.Runs, filesystem.Run{Offset: offset, Length: length, Disk: e.disk})
	}
	return f
}

// readExtents lists the extents of the data fork, in the order of the file.
func (n *inode) readExtents() ([]extent, error) {
	if n.extents > maxExtents {
		return nil, diskerr.Unsupported("it is in %d pieces, at most %d are read", n.extents, maxExtents)
	}
	m := &mapping{n: n}
	var err error
	switch n.format {
	case formatExtents:
		if n.extents > uint64(len(n.fork)/extentSize) {
			return nil, diskerr.Corrupt("%d extents in %d bytes of the inode", n.extents, len(n.fork))
		}
		err = m.add(n.fork[:n.extents*extentSize])
	case formatBtree:
		err = m.readRoot()
	default:
		return nil, diskerr.Corrupt("impossible format %d of its data", n.format)
	}
	if err == nil && uint64(len(m.list)) != n.extents {
		return nil, diskerr.Corrupt("it has %d extents, and should have %d", len(m.list), n.extents)
	}
	return m.list, err
}

// mapping collects the extents of a file. They are in order, none is empty,
// and every leaf of a tree has some: a block that is twice in a tree shows.
type mapping struct {
	n    *inode
	list []extent
	next uint64 // block of the file where another extent can start
}

// add takes extents from a leaf: xfs_bmbt_disk_get_all, xfs_bmap_validate_extent.
func (m *mapping) add(raw []byte) error {
	last := 1 << 63 / uint64(m.n.d.sb.blockSize)
	for ; len(raw) > 0; raw = raw[extentSize:] {
		high, low := be.Uint64(raw), be.Uint64(raw[8:])
		e := extent{
			block: high &^ extentUnwritten >> 9, count: low & (1<<extentCountBits - 1), unwritten: high&extentUnwritten != 0,
		}
		if e.count == 0 || e.block < m.next || e.end() > last {
			return diskerr.Corrupt("extent out of order at block %d of the file", e.block)
		}
		m.next = e.end()
		var err error
		if e.disk, err = m.n.d.sb.offset(high&0x1ff<<43|low>>extentCountBits, e.count); err != nil {
			return err
		}
		if len(m.list) >= maxExtents {
			return diskerr.Unsupported("it is in more than %d pieces", maxExtents)
		}
		m.list = append(m.list, e)
	}
	return nil
}

// readRoot reads the root, which is in the inode: struct xfs_bmdr_block.
func (m *mapping) readRoot() error {
	fork := m.n.fork
	if len(fork) < btreeRootSize {
		return diskerr.Corrupt("%d bytes are too few for a B+tree of extents", len(fork))
	}
	level, count := int(be.Uint16(fork)), int(be.Uint16(fork[2:]))
	if level == 0 || level > maxBtreeLevel {
		return diskerr.Corrupt("B+tree of extents with %d levels", level)
	}
	return m.readChildren(fork[btreeRootSize:], level, count)
}

// readChildren follows the pointers, which are behind the room for all keys.
func (m *mapping) readChildren(raw []byte, level, count int) error {
	room := len(raw) / btreePairSize
	if count == 0 || count > room {
		return diskerr.Corrupt("B+tree node of %d entries, with room for %d", count, room)
	}
	for i := range count {
		if err := m.readNode(be.Uint64(raw[(room+i)*btreeKeySize:]), level-1); err != nil {
			return err
		}
	}
	return nil
}

func (m *mapping) readNode(number uint64, level int) error {
	raw, err := m.readBlock(number)
	if err != nil {
		return err
	}
	if got := int(be.Uint16(raw[btLevel:])); got != level {
		return diskerr.Corrupt("B+tree block %d is of level %d, and should be of %d", number, got, level)
	}
	count := int(be.Uint16(raw[btRecords:]))
	raw = raw[m.n.d.sb.btreeHeaderSize():]
	if level > 0 {
		return m.readChildren(raw, level, count)
	}
	if count == 0 || count > len(raw)/extentSize {
		return diskerr.Corrupt("B+tree leaf of %d extents, with room for %d", count, len(raw)/extentSize)
	}
	return m.add(raw[:count*extentSize])
}

func (s *superblock) btreeHeaderSize() int {
	if s.features.v5() {
		return btreeHeaderV5
	}
	return btreeHeaderV4
}

// readBlock reads a block of the tree and verifies its checksum.
func (m *mapping) readBlock(number uint64) ([]byte, error) {
	d := m.n.d
	offset, err := d.sb.offset(number, 1)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, d.sb.blockSize)
	if err := readat.Full(d.r, raw, offset, "B+tree block"); err != nil {
		return nil, err
	}
	magic := btMagicV4
	if d.sb.features.v5() {
		magic = btMagicV5
	}
	if got := string(raw[:len(magic)]); got != magic {
		return nil, diskerr.Corrupt("B+tree block %d with magic %q, want %q", number, got, magic)
	}
	return raw, d.sb.checkBlock(btreeHeader, "B+tree block", raw, offset, m.n.attr.Ino)
}
