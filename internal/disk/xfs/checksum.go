package xfs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// checkSum verifies the CRC-32C of block, which is stored in it at offset at,
// and counts as zeros there: Linux fs/xfs/libxfs/xfs_cksum.h. Checksums alone
// are little-endian.
func checkSum(block []byte, at int) error {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, block[:at])
	sum = crc32.Update(sum, table, make([]byte, 4))
	sum = crc32.Update(sum, table, block[at+4:])
	if sum != binary.LittleEndian.Uint32(block[at:]) {
		return diskerr.Corrupt("its checksum is wrong")
	}
	return nil
}

// blockHeader is where a block of metadata of version 5 says what it is: the
// offsets of its checksum, UUID, owner (an inode), and its own place in
// sectors of 512 bytes.
type blockHeader struct{ sum, place, uuid, owner int }

// The headers: Linux fs/xfs/libxfs/xfs_da_format.h, xfs_format.h.
var (
	btreeHeader   = blockHeader{sum: 64, place: 24, uuid: 40, owner: 56} // xfs_btree_block, long
	dataHeader    = blockHeader{sum: 4, place: 8, uuid: 24, owner: 40}   // xfs_dir3_blk_hdr
	indexHeader   = blockHeader{sum: 12, place: 16, uuid: 32, owner: 48} // xfs_da3_blkinfo
	symlinkHeader = blockHeader{sum: 12, place: 40, uuid: 16, owner: 32} // xfs_dsymlink_hdr
)

const basicBlock = 512

// checkBlock verifies a block of metadata, which was read from offset, and
// belongs to the inode owner; what names it. Blocks of version 4 do not say.
func (s *superblock) checkBlock(h blockHeader, what string, block []byte, offset int64, owner uint64) error {
	if !s.features.v5() {
		return nil
	}
	if err := h.check(s, block, offset, owner); err != nil {
		return fmt.Errorf("%s at byte %d: %w", what, offset, err)
	}
	return nil
}

func (h blockHeader) check(s *superblock, block []byte, offset int64, owner uint64) error {
	if err := checkSum(block, h.sum); err != nil {
		return err
	}
	place := be.Uint64(block[h.place:])
	switch {
	case !s.isMine(block[h.uuid : h.uuid+16]):
		return diskerr.Corrupt("it belongs to another file system")
	case place != uint64(offset/basicBlock):
		return diskerr.Corrupt("it says that it is at sector %d, which is elsewhere", place)
	case be.Uint64(block[h.owner:]) != owner:
		return diskerr.Corrupt("it belongs to inode %d", be.Uint64(block[h.owner:]))
	}
	return nil
}
