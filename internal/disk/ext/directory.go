package ext

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Directories: Linux Documentation/filesystems/ext4/directory.rst. Hash trees
// are read as the lists of entries that they are made to look like.
const (
	deInode      = 0
	deLength     = 4
	deNameLength = 6
	deType       = 7
	deName       = 8

	dirTailSize = 12
	dirTailType = 0xde
	dirTailSum  = 8

	// In blocks of 64 KiB, a length that does not fit 16 bits is written so.
	wholeBlockLength = 65535
	maxBlockSize     = 65536

	// dx_entry, dx_root_info and dx_tail, "Hash Tree Directories".
	dxRootCount     = 32
	dxNodeCount     = 8
	dxEntrySize     = 8
	dxTailSumOffset = 4
	dxTailSize      = 8
)

// maxDirectory bounds a directory, in bytes: its names are held in memory.
const maxDirectory = 64 << 20

type yieldFunc func(filesystem.Entry) bool

func (n *inode) readDirectory(yield yieldFunc) error {
	if n.has(flagCasefolded) {
		return diskerr.Unsupported("its names ignore case")
	}
	if n.has(flagInlineData) {
		return n.readInlineDirectory(yield)
	}
	if n.attr.Size > maxDirectory {
		return diskerr.Unsupported("it has %d bytes, at most %d are read", n.attr.Size, maxDirectory)
	}
	if n.attr.Size == 0 || n.attr.Size%n.d.sb.blockSize != 0 {
		return diskerr.Corrupt("its size of %d bytes is not one of whole blocks", n.attr.Size)
	}
	r, err := n.open()
	if err != nil {
		return err
	}
	block := make([]byte, n.d.sb.blockSize)
	for off := int64(0); off < n.attr.Size; off += int64(len(block)) {
		if err := readat.Full(r, block, off, "directory block"); err != nil {
			return err
		}
		more, err := n.readDirectoryBlock(block, off, yield)
		if err != nil {
			return fmt.Errorf("block %d: %w", off/n.d.sb.blockSize, err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

func (n *inode) readDirectoryBlock(block []byte, off int64, yield yieldFunc) (bool, error) {
	if n.d.sb.features.hasRO(roMetadataCsum) {
		if err := n.checkDirectoryBlock(block, off); err != nil {
			return false, err
		}
	}
	return n.readEntries(block, yield)
}

// readEntries reports whether yield wants more.
func (n *inode) readEntries(block []byte, yield yieldFunc) (bool, error) {
	le := binary.LittleEndian
	for len(block) >= deName {
		length := entryLength(block, n.d.sb.blockSize)
		nameLength := int(block[deNameLength])
		if length < deName || length%4 != 0 || length > len(block) || deName+nameLength > length {
			return false, diskerr.Corrupt("directory entry of %d bytes with a name of %d", length, nameLength)
		}
		if ino := uint64(le.Uint32(block[deInode:])); ino != 0 {
			e := filesystem.Entry{Name: string(block[deName : deName+nameLength]), Ino: ino}
			if e.Name == "" || strings.ContainsAny(e.Name, "/\x00") {
				return false, diskerr.Corrupt("directory entry with the impossible name %q", e.Name)
			}
			if !yield(e) {
				return false, nil
			}
		}
		block = block[length:]
	}
	return true, nil
}

// entryLength: fs/ext4/ext4.h, ext4_rec_len_from_disk.
func entryLength(entry []byte, blockSize int64) int {
	length := int(binary.LittleEndian.Uint16(entry[deLength:]))
	if blockSize == maxBlockSize && (length == wholeBlockLength || length == 0) {
		return maxBlockSize
	}
	return length
}

// readInlineDirectory: inlinedata.rst, "Inline Directories". The first four
// bytes are the parent's inode, and neither "." nor ".." has an entry.
func (n *inode) readInlineDirectory(yield yieldFunc) error {
	data, err := n.inlineData()
	if err != nil {
		return err
	}
	if len(data) < inlineParentBytes {
		return diskerr.Corrupt("%d bytes of inline data", len(data))
	}
	parent := filesystem.Entry{Name: "..", Ino: uint64(binary.LittleEndian.Uint32(data))}
	if !yield(parent) {
		return nil
	}
	inBlock := min(len(data), inBlockSize)
	for _, part := range [][]byte{data[inlineParentBytes:inBlock], data[inBlock:]} {
		if more, err := n.readEntries(part, yield); !more || err != nil {
			return err
		}
	}
	return nil
}

// checkDirectoryBlock: fs/ext4/namei.c, __ext4_read_dirblock. In a directory
// with a hash tree, the first block and those of one empty entry are nodes.
func (n *inode) checkDirectoryBlock(block []byte, off int64) error {
	whole := entryLength(block, n.d.sb.blockSize) == len(block)
	if n.has(flagIndexed) && (off == 0 || whole) {
		return n.checkHashNode(block, off)
	}
	le := binary.LittleEndian
	tail := block[len(block)-dirTailSize:]
	if le.Uint32(tail[deInode:]) != 0 || le.Uint16(tail[deLength:]) != dirTailSize || tail[deNameLength] != 0 || tail[deType] != dirTailType {
		return diskerr.Corrupt("the entry with its checksum is missing")
	}
	if crc32c(n.seed, block[:len(block)-dirTailSize]) != le.Uint32(tail[dirTailSum:]) {
		return diskerr.Corrupt("its checksum is wrong")
	}
	return nil
}

// checkHashNode: fs/ext4/namei.c, ext4_dx_csum. The checksum is after the
// room for all entries, and covers those in use.
func (n *inode) checkHashNode(block []byte, off int64) error {
	le := binary.LittleEndian
	countOffset := dxNodeCount
	if off == 0 {
		countOffset = dxRootCount
	}
	limit, count := int(le.Uint16(block[countOffset:])), int(le.Uint16(block[countOffset+2:]))
	tailOffset := countOffset + limit*dxEntrySize
	if count > limit || tailOffset+dxTailSize > len(block) {
		return diskerr.Corrupt("hash tree node with %d of %d entries", count, limit)
	}
	tail := block[tailOffset:]
	sum := crc32c(n.seed, block[:countOffset+count*dxEntrySize])
	sum = crc32c(crc32c(sum, tail[:dxTailSumOffset]), make([]byte, 4))
	if sum != le.Uint32(tail[dxTailSumOffset:]) {
		return diskerr.Corrupt("hash tree node: its checksum is wrong")
	}
	return nil
}
