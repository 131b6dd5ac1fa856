package ext

import (
	"encoding/binary"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The extent tree: Linux Documentation/filesystems/ext4/ifork.rst, "Extent
// Tree".
const (
	extentMagic      = 0xf30a
	extentHeaderSize = 12
	extentSize       = 12
	ehEntries        = 2
	ehMax            = 4
	ehDepth          = 6
	eeBlock          = 0
	eeLength         = 4
	eeStartHi        = 6
	eeStartLo        = 8
	eiLeafLo         = 4
	eiLeafHi         = 8
	extentTailSize   = 4

	maxExtentDepth = 5
	// unwrittenLength: a longer extent is one of 32768 blocks fewer that was
	// allocated but never written.
	unwrittenLength = 32768
	endOfFileBlocks = 1 << 32
)

// maxRuns bounds the memory for one file, at 24 bytes a run. A file system
// of 2 TiB in runs of 1 MiB would just reach it with one file.
const maxRuns = 2 << 20

// mapping collects where a file's blocks are.
type mapping struct {
	d    *driver
	runs []filesystem.Run
	// seen holds the blocks of the tree itself: none may be in it twice.
	seen map[uint64]bool
}

func (n *inode) newMapping() *mapping { return &mapping{d: n.d, seen: map[uint64]bool{}} }

func (m *mapping) file(size int64) *filesystem.Runs {
	return &filesystem.Runs{Disk: m.d.r, Runs: m.runs, Size: size}
}

// add appends count blocks, which are on the disk from first on.
func (m *mapping) add(block, first, count uint64) error {
	size := m.d.sb.blockSize
	r := filesystem.Run{Offset: int64(block) * size, Length: int64(count) * size, Disk: int64(first) * size}
	if last := len(m.runs) - 1; last >= 0 {
		before := &m.runs[last]
		if before.Offset+before.Length == r.Offset && before.Disk+before.Length == r.Disk {
			before.Length += r.Length
			return nil
		}
	}
	if len(m.runs) >= maxRuns {
		return diskerr.Unsupported("it is in more than %d pieces", maxRuns)
	}
	m.runs = append(m.runs, r)
	return nil
}

// readTreeBlock reads a block of the tree that maps the file.
func (m *mapping) readTreeBlock(number uint64) ([]byte, error) {
	if !m.d.sb.holds(number, 1) {
		return nil, diskerr.Corrupt("its block map is at the impossible block %d", number)
	}
	if m.seen[number] {
		return nil, diskerr.Corrupt("its block map has block %d twice", number)
	}
	m.seen[number] = true
	block := make([]byte, m.d.sb.blockSize)
	return block, readat.Full(m.d.r, block, int64(number)*m.d.sb.blockSize, "block map")
}

// span is the file's blocks that a node of the tree may map.
type span struct{ from, to uint64 }

func (n *inode) readExtents() (io.ReaderAt, error) {
	if n.attr.Size > endOfFileBlocks*n.d.sb.blockSize {
		return nil, diskerr.Corrupt("impossible size %d", n.attr.Size)
	}
	m := n.newMapping()
	root, err := parseExtentHeader(n.blockField())
	if err != nil {
		return nil, err
	}
	if root.depth > maxExtentDepth {
		return nil, diskerr.Corrupt("extent tree of depth %d, at most %d is possible", root.depth, maxExtentDepth)
	}
	if err := n.walkExtents(m, root, span{0, endOfFileBlocks}); err != nil {
		return nil, err
	}
	return m.file(n.attr.Size), nil
}

// extentNode is a node of the tree with its entries.
type extentNode struct {
	depth   int
	max     int
	entries [][]byte
}

func parseExtentHeader(raw []byte) (extentNode, error) {
	le := binary.LittleEndian
	if magic := le.Uint16(raw); magic != extentMagic {
		return extentNode{}, diskerr.Corrupt("extent header with magic %#x, want %#x", magic, extentMagic)
	}
	node := extentNode{max: int(le.Uint16(raw[ehMax:])), depth: int(le.Uint16(raw[ehDepth:]))}
	count := int(le.Uint16(raw[ehEntries:]))
	if count > node.max || extentHeaderSize+node.max*extentSize > len(raw) {
		return extentNode{}, diskerr.Corrupt("extent header with %d of %d entries", count, node.max)
	}
	for i := range count {
		node.entries = append(node.entries, raw[extentHeaderSize+i*extentSize:][:extentSize])
	}
	return node, nil
}

func (n *inode) walkExtents(m *mapping, node extentNode, within span) error {
	if node.depth == 0 {
		return m.addExtents(node, within)
	}
	for i, e := range node.entries {
		child, err := node.childSpan(i, within)
		if err != nil {
			return err
		}
		below, err := n.readExtentBlock(m, e)
		if err != nil {
			return err
		}
		if below.depth != node.depth-1 {
			return diskerr.Corrupt("extent node of depth %d below one of depth %d", below.depth, node.depth)
		}
		if err := n.walkExtents(m, below, child); err != nil {
			return err
		}
		within.from = child.to
	}
	return nil
}

// childSpan is from the block of index entry i to that of the next.
func (node extentNode) childSpan(i int, within span) (span, error) {
	child := span{from: uint64(binary.LittleEndian.Uint32(node.entries[i][eeBlock:])), to: within.to}
	if i+1 < len(node.entries) {
		child.to = uint64(binary.LittleEndian.Uint32(node.entries[i+1][eeBlock:]))
	}
	if child.from < within.from || child.to <= child.from || child.to > within.to {
		return span{}, diskerr.Corrupt("extent index out of order at block %d of the file", child.from)
	}
	return child, nil
}

func (n *inode) readExtentBlock(m *mapping, entry []byte) (extentNode, error) {
	le := binary.LittleEndian
	number := uint64(le.Uint32(entry[eiLeafLo:])) | uint64(le.Uint16(entry[eiLeafHi:]))<<32
	block, err := m.readTreeBlock(number)
	if err != nil {
		return extentNode{}, err
	}
	node, err := parseExtentHeader(block)
	if err != nil {
		return extentNode{}, err
	}
	return node, n.checkExtentBlock(number, node, block)
}

// checkExtentBlock: fs/ext4/extents.c, ext4_extent_block_csum.
func (n *inode) checkExtentBlock(number uint64, node extentNode, block []byte) error {
	if !n.d.sb.features.hasRO(roMetadataCsum) {
		return nil
	}
	tail := extentHeaderSize + node.max*extentSize
	if tail+extentTailSize > len(block) {
		return diskerr.Corrupt("extent block %d has no room for its checksum", number)
	}
	if crc32c(n.seed, block[:tail]) != binary.LittleEndian.Uint32(block[tail:]) {
		return diskerr.Corrupt("extent block %d: its checksum is wrong", number)
	}
	return nil
}

func (m *mapping) addExtents(node extentNode, within span) error {
	le := binary.LittleEndian
	for _, e := range node.entries {
		block, length := uint64(le.Uint32(e[eeBlock:])), uint64(le.Uint16(e[eeLength:]))
		first := uint64(le.Uint32(e[eeStartLo:])) | uint64(le.Uint16(e[eeStartHi:]))<<32
		unwritten := length > unwrittenLength
		if unwritten {
			length -= unwrittenLength
		}
		if length == 0 || block < within.from || block+length > within.to {
			return diskerr.Corrupt("extent out of order at block %d of the file", block)
		}
		if !m.d.sb.holds(first, length) {
			return diskerr.Corrupt("extent of %d blocks at the impossible block %d", length, first)
		}
		within.from = block + length
		if unwritten {
			continue
		}
		if err := m.add(block, first, length); err != nil {
			return err
		}
	}
	return nil
}
