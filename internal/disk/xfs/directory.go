package xfs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Directories: Linux fs/xfs/libxfs/xfs_da_format.h, struct xfs_dir2_*. All
// entries are in the data blocks; what is behind them in the directory's
// space is an index of hashes, and of free room.
const (
	sfCount      = 0
	sfBigCount   = 1
	sfParent     = 2
	sfNameLength = 0
	sfName       = 3

	deInode      = 0
	deNameLength = 8
	deName       = 9
	deAlign      = 8
	deTagSize    = 2
	freeTag      = 0xffff
	freeLength   = 2

	dataHeaderV4  = 16
	dataHeaderV5  = 64
	blockTailSize = 8 // the leaf's count and its stale ones
	leafEntrySize = 8

	magicBlockV4 = "XD2B"
	magicBlockV5 = "XDB3"
	magicDataV4  = "XD2D"
	magicDataV5  = "XDD3"

	indexMagic   = 8
	magicFreeV4  = "XD2F"
	magicFreeV5  = "XDF3"
	magicLeaf1V4 = "\xd2\xf1"
	magicLeaf1V5 = "\x3d\xf1"
	magicLeafNV4 = "\xd2\xff"
	magicLeafNV5 = "\x3d\xff"
	magicNodeV4  = "\xfe\xbe"
	magicNodeV5  = "\x3e\xbe"

	leafOffset = 32 << 30 // XFS_DIR2_LEAF_OFFSET
	freeOffset = 64 << 30 // XFS_DIR2_FREE_OFFSET
)

// maxDirectory bounds a directory, in bytes: its names are held in memory.
const maxDirectory = 64 << 20

type yieldFunc func(filesystem.Entry) bool

func (n *inode) readDirectory(yield yieldFunc) error {
	if n.format == formatLocal {
		return n.readShortForm(yield)
	}
	list, err := n.readExtents()
	if err != nil {
		return err
	}
	dir := &directory{n: n, size: n.d.sb.blockSize * int64(n.d.sb.dirBlocks)}
	if err := dir.setExtents(list); err != nil {
		return err
	}
	return dir.read(yield)
}

// readShortForm reads a directory that is in its inode: struct
// xfs_dir2_sf_hdr. Neither "." nor ".." has an entry there.
func (n *inode) readShortForm(yield yieldFunc) error {
	if n.attr.Size < sfParent || n.attr.Size > int64(len(n.fork)) {
		return diskerr.Corrupt("%d bytes of entries in %d of the inode", n.attr.Size, len(n.fork))
	}
	raw := n.fork[:n.attr.Size]
	width := 4
	if raw[sfBigCount] > 0 {
		width = 8
	}
	count := int(raw[sfCount])
	if len(raw) < sfParent+width {
		return diskerr.Corrupt("%d bytes have no room for its parent", len(raw))
	}
	if !yield(filesystem.Entry{Name: "..", Ino: inodeNumber(raw[sfParent:], width)}) {
		return nil
	}
	raw = raw[sfParent+width:]
	for range count {
		e, length, err := n.shortEntry(raw, width)
		if err != nil || !yield(e) {
			return err
		}
		raw = raw[length:]
	}
	if len(raw) > 0 {
		return diskerr.Corrupt("%d bytes after the last of %d entries", len(raw), count)
	}
	return nil
}

func (n *inode) shortEntry(raw []byte, width int) (filesystem.Entry, int, error) {
	if len(raw) < sfName {
		return filesystem.Entry{}, 0, diskerr.Corrupt("entry that is cut off")
	}
	end := sfName + int(raw[sfNameLength])
	number := end + n.d.sb.typeSize()
	if number+width > len(raw) {
		return filesystem.Entry{}, 0, diskerr.Corrupt("entry with a name of %d bytes, in %d", raw[sfNameLength], len(raw))
	}
	e := filesystem.Entry{Name: string(raw[sfName:end]), Ino: inodeNumber(raw[number:], width)}
	return e, number + width, checkName(e.Name)
}

func inodeNumber(raw []byte, width int) uint64 {
	if width == 4 {
		return uint64(be.Uint32(raw))
	}
	return be.Uint64(raw)
}

// typeSize is the size of an entry's file type.
func (s *superblock) typeSize() int {
	if s.features.hasFType() {
		return 1
	}
	return 0
}

func checkName(name string) error {
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return diskerr.Corrupt("entry with the impossible name %q", name)
	}
	return nil
}

// directory is one that has blocks.
type directory struct {
	n       *inode
	extents []extent
	file    *filesystem.Runs
	size    int64 // of its blocks, in bytes
	// single: entries and index are in one block (xfs_dir2_isblock).
	single bool
}

func (dir *directory) setExtents(list []extent) error {
	var blocks uint64
	for _, e := range list {
		if e.unwritten {
			return diskerr.Corrupt("it has blocks that were never written")
		}
		blocks += e.count
	}
	block := dir.n.d.sb.blockSize
	switch {
	case len(list) == 0:
		return diskerr.Corrupt("it has no blocks")
	case blocks > uint64(maxDirectory/block):
		return diskerr.Unsupported("it has %d blocks of %d bytes, at most %d bytes are read", blocks, block, maxDirectory)
	}
	end := int64(list[len(list)-1].end()) * block
	dir.extents, dir.file, dir.single = list, dir.n.d.file(list, end), end == dir.size
	return nil
}

func (dir *directory) read(yield yieldFunc) error {
	perBlock := dir.n.d.sb.dirBlocks
	raw := make([]byte, dir.size)
	for _, e := range dir.extents {
		// A block of the directory can lie in several extents.
		first := (e.block + perBlock - 1) / perBlock * perBlock
		for at := first; at < e.end(); at += perBlock {
			offset := int64(at) * dir.n.d.sb.blockSize
			if err := readat.Full(dir.file, raw, offset, "directory block"); err != nil {
				return err
			}
			place := e.disk + int64(at-e.block)*dir.n.d.sb.blockSize
			more, err := dir.readBlock(raw, offset, place, yield)
			if err != nil {
				return fmt.Errorf("block at byte %d of it: %w", offset, err)
			}
			if !more {
				return nil
			}
		}
	}
	return nil
}

// readBlock reports whether yield wants more.
func (dir *directory) readBlock(raw []byte, offset, place int64, yield yieldFunc) (bool, error) {
	if offset >= leafOffset {
		return true, dir.checkIndex(raw, offset, place)
	}
	if err := dir.checkData(raw, place); err != nil {
		return false, err
	}
	start, end := dataHeaderV4, len(raw)
	if dir.n.d.sb.features.v5() {
		start = dataHeaderV5
	}
	if dir.single {
		// The index is at the end: its entries, and how many there are.
		count := uint64(be.Uint32(raw[end-blockTailSize:]))
		if count > uint64(end-blockTailSize-start)/leafEntrySize {
			return false, diskerr.Corrupt("index of %d entries", count)
		}
		end -= blockTailSize + int(count)*leafEntrySize
	}
	return dir.readEntries(raw, start, end, yield)
}

func (dir *directory) checkData(raw []byte, place int64) error {
	magic := [2]string{magicDataV4, magicDataV5}
	if dir.single {
		magic = [2]string{magicBlockV4, magicBlockV5}
	}
	want := magic[0]
	if dir.n.d.sb.features.v5() {
		want = magic[1]
	}
	if got := string(raw[:len(want)]); got != want {
		return diskerr.Corrupt("it has the magic %q, want %q", got, want)
	}
	return dir.n.d.sb.checkBlock(dataHeader, "directory block", raw, place, dir.n.attr.Ino)
}

// checkIndex looks at a block of the index, which Linux looks names up in,
// although the entries are not there.
func (dir *directory) checkIndex(raw []byte, offset, place int64) error {
	header, at, known := indexHeader, indexMagic, []string{magicLeaf1V4, magicLeafNV4, magicNodeV4}
	if dir.n.d.sb.features.v5() {
		known = []string{magicLeaf1V5, magicLeafNV5, magicNodeV5}
	}
	if offset >= freeOffset {
		header, at, known = dataHeader, 0, []string{magicFreeV4}
		if dir.n.d.sb.features.v5() {
			known = []string{magicFreeV5}
		}
	}
	if got := string(raw[at : at+len(known[0])]); !slices.Contains(known, got) {
		return diskerr.Corrupt("index block with the magic %q", got)
	}
	return dir.n.d.sb.checkBlock(header, "index block", raw, place, dir.n.attr.Ino)
}

// readEntries: struct xfs_dir2_data_entry, or xfs_dir2_data_unused. Both end
// with their own offset in the block.
func (dir *directory) readEntries(raw []byte, at, end int, yield yieldFunc) (bool, error) {
	for at < end {
		length, unused, err := dir.entryLength(raw[at:end])
		if err != nil {
			return false, err
		}
		if tag := int(be.Uint16(raw[at+length-deTagSize:])); tag != at {
			return false, diskerr.Corrupt("entry at %d says that it is at %d", at, tag)
		}
		if !unused {
			entry := raw[at:]
			e := filesystem.Entry{Ino: be.Uint64(entry[deInode:]), Name: string(entry[deName : deName+int(entry[deNameLength])])}
			if err := checkName(e.Name); err != nil {
				return false, err
			}
			if !yield(e) {
				return false, nil
			}
		}
		at += length
	}
	return true, nil
}

func (dir *directory) entryLength(raw []byte) (length int, unused bool, err error) {
	if len(raw) < deAlign {
		return 0, false, diskerr.Corrupt("%d bytes after the last entry", len(raw))
	}
	if unused = be.Uint16(raw) == freeTag; unused {
		length = int(be.Uint16(raw[freeLength:]))
	} else if len(raw) > deName {
		length = deName + int(raw[deNameLength]) + dir.n.d.sb.typeSize() + deTagSize
		length = (length + deAlign - 1) / deAlign * deAlign
	}
	if length < deAlign || length%deAlign != 0 || length > len(raw) {
		return 0, false, diskerr.Corrupt("entry of %d bytes, with %d left", length, len(raw))
	}
	return length, unused, nil
}
