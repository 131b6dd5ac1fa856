package btrfs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Nodes of the trees: include/uapi/linux/btrfs_tree.h, struct btrfs_header,
// btrfs_disk_key, btrfs_key_ptr and btrfs_item.
const (
	hdFSID       = 0x20
	hdLogical    = 0x30
	hdGeneration = 0x50
	hdCount      = 0x60
	hdLevel      = 0x64
	headerSize   = 0x65

	keySize       = 17
	keyKind       = 8
	keyOffset     = 9
	ptrLogical    = keySize
	ptrGeneration = keySize + 8
	ptrSize       = keySize + 16
	itemOffset    = keySize
	itemLength    = keySize + 4
	itemSize      = keySize + 8
)

// key orders the items of a tree.
type key struct {
	object uint64
	kind   uint8
	offset uint64
}

func parseKey(p []byte) key {
	le := binary.LittleEndian
	return key{le.Uint64(p), p[keyKind], le.Uint64(p[keyOffset:])}
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.object, o.object), cmp.Compare(k.kind, o.kind), cmp.Compare(k.offset, o.offset))
}

func (k key) String() string { return fmt.Sprintf("(%d %d %d)", k.object, k.kind, k.offset) }

// pointer is where a node is, and what it must then say of itself.
type pointer struct {
	logical    uint64
	generation uint64
	level      uint8
}

// node is a whole and verified node. A leaf (level 0) has items, others have
// pointers to nodes of the level below.
type node struct {
	raw   []byte
	level uint8
	count int
}

// readNode reads a node, from whichever copy of it is whole.
func (v *Volume) readNode(p pointer) (node, error) {
	raw, kept := v.nodes.Get(int64(p.logical))
	var err error
	if kept {
		err = checkPointer(p, raw)
	} else {
		raw = make([]byte, v.sb.nodeSize)
		err = v.readCopies(p.logical, raw, "node", func() error { return v.checkNode(p, raw) })
	}
	if err != nil {
		return node{}, fmt.Errorf("node %d: %w", p.logical, err)
	}
	v.nodes.Put(int64(p.logical), raw)
	return parseNode(raw), nil
}

// readCopies fills p from the first copy that check finds nothing wrong with.
func (v *Volume) readCopies(logical uint64, p []byte, what string, check func() error) error {
	places, err := v.locate(logical, uint64(len(p)))
	if err != nil {
		return err
	}
	var first error
	for _, at := range places {
		err := readat.Full(v.r, p, int64(at), what)
		if err == nil {
			err = check()
		}
		if err == nil {
			return nil
		}
		first = cmp.Or(first, err)
	}
	return first
}

// checkNode: fs/btrfs/disk-io.c, btrfs_validate_extent_buffer, and
// fs/btrfs/tree-checker.c.
func (v *Volume) checkNode(p pointer, raw []byte) error {
	if !v.sb.checksum.matches(raw, raw[maxChecksum:]) {
		return diskerr.Corrupt("its checksum is wrong")
	}
	if logical := binary.LittleEndian.Uint64(raw[hdLogical:]); logical != p.logical {
		return diskerr.Corrupt("it says that its address is %d", logical)
	}
	if !bytes.Equal(raw[hdFSID:hdFSID+16], v.sb.metadataID[:]) {
		return diskerr.Corrupt("it belongs to another file system")
	}
	// A copy that missed a write is whole, and yet wrong.
	if err := checkPointer(p, raw); err != nil {
		return err
	}
	return parseNode(raw).check()
}

// checkPointer refuses a node that is not the one that p was made for.
func checkPointer(p pointer, raw []byte) error {
	if generation := binary.LittleEndian.Uint64(raw[hdGeneration:]); generation != p.generation {
		return diskerr.Corrupt("it is of generation %d, want %d", generation, p.generation)
	}
	if level := raw[hdLevel]; level != p.level {
		return diskerr.Corrupt("it is of level %d, want %d", level, p.level)
	}
	return nil
}

func parseNode(raw []byte) node {
	return node{raw: raw, level: raw[hdLevel], count: int(binary.LittleEndian.Uint32(raw[hdCount:]))}
}

// stride is the size of an entry: of an item's header, or of a pointer.
func (n node) stride() int {
	if n.level == 0 {
		return itemSize
	}
	return ptrSize
}

// check verifies that all entries are in order, and items in the node.
func (n node) check() error {
	if n.level > maxTreeLevel {
		return diskerr.Corrupt("impossible level %d", n.level)
	}
	if n.count > (len(n.raw)-headerSize)/n.stride() || (n.count == 0 && n.level > 0) {
		return diskerr.Corrupt("impossible count of %d entries", n.count)
	}
	for i := range n.count {
		if i > 0 && n.key(i-1).compare(n.key(i)) >= 0 {
			return diskerr.Corrupt("its keys %v and %v are out of order", n.key(i-1), n.key(i))
		}
		if n.level > 0 {
			continue
		}
		if start, end := n.dataSpan(i); start < headerSize+n.count*itemSize || end > len(n.raw) {
			return diskerr.Corrupt("the data of item %v is outside", n.key(i))
		}
	}
	return nil
}

func (n node) entry(i int) []byte { return n.raw[headerSize+i*n.stride():][:n.stride()] }

func (n node) key(i int) key { return parseKey(n.entry(i)) }

// dataSpan is where the data of item i is in the leaf.
func (n node) dataSpan(i int) (start, end int) {
	le, entry := binary.LittleEndian, n.entry(i)
	start = headerSize + int(le.Uint32(entry[itemOffset:]))
	return start, start + int(le.Uint32(entry[itemLength:]))
}

func (n node) item(i int) item {
	start, end := n.dataSpan(i)
	return item{key: n.key(i), data: n.raw[start:end:end]}
}

func (n node) child(i int) pointer {
	le, entry := binary.LittleEndian, n.entry(i)
	return pointer{le.Uint64(entry[ptrLogical:]), le.Uint64(entry[ptrGeneration:]), n.level - 1}
}
