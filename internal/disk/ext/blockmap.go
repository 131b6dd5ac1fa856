package ext

import (
	"encoding/binary"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// The block map of ext2 and ext3: Linux
// Documentation/filesystems/ext4/blockmap.rst. i_block has the numbers of 12
// blocks of data, then of one block of numbers, of one of numbers of such
// blocks, and of one a level deeper.
const (
	directBlocks   = 12
	indirectLevels = 3
	pointerSize    = 4
)

func (n *inode) readBlockMap() (io.ReaderAt, error) {
	perBlock := uint64(n.d.sb.blockSize / pointerSize)
	possible := directBlocks + perBlock + perBlock*perBlock + perBlock*perBlock*perBlock
	blocks := (uint64(n.attr.Size) + uint64(n.d.sb.blockSize) - 1) / uint64(n.d.sb.blockSize)
	if blocks > possible {
		return nil, diskerr.Corrupt("impossible size %d", n.attr.Size)
	}
	w := blockWalk{mapping: n.newMapping(), perBlock: perBlock, end: blocks}
	pointers := n.blockField()
	if err := w.pointers(pointers[:directBlocks*pointerSize], 0); err != nil {
		return nil, err
	}
	for level := range indirectLevels {
		pointer := pointers[(directBlocks+level)*pointerSize:][:pointerSize]
		if err := w.pointers(pointer, level+1); err != nil {
			return nil, err
		}
	}
	return w.file(n.attr.Size), nil
}

// blockWalk goes through the pointers in the order of the file's blocks.
type blockWalk struct {
	*mapping
	perBlock uint64
	// next is the file's block that comes next, end the one after its last.
	next, end uint64
}

// pointers follows block numbers that are levels above data.
func (w *blockWalk) pointers(raw []byte, levels int) error {
	reach := uint64(1)
	for range levels {
		reach *= w.perBlock
	}
	for ; len(raw) > 0 && w.next < w.end; raw = raw[pointerSize:] {
		number := uint64(binary.LittleEndian.Uint32(raw))
		if number == 0 {
			w.next += reach
			continue
		}
		if err := w.follow(number, levels); err != nil {
			return err
		}
	}
	return nil
}

func (w *blockWalk) follow(number uint64, levels int) error {
	if levels > 0 {
		block, err := w.readTreeBlock(number)
		if err != nil {
			return err
		}
		return w.pointers(block, levels-1)
	}
	if !w.d.sb.holds(number, 1) {
		return diskerr.Corrupt("block %d of the file is at the impossible block %d", w.next, number)
	}
	w.next++
	return w.add(w.next-1, number, 1)
}
