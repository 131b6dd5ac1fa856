package xfs

import (
	"bytes"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The superblock: struct xfs_dsb in Linux fs/xfs/libxfs/xfs_format.h.
const (
	superMagic = "XFSB"
	superSize  = 272

	sbBlockSize        = 4
	sbBlocks           = 8
	sbUUID             = 32
	sbLogStart         = 48
	sbRootInode        = 56
	sbGroupBlocks      = 84
	sbGroupCount       = 88
	sbLogBlocks        = 96
	sbVersion          = 100
	sbSectorSize       = 102
	sbInodeSize        = 104
	sbInodesPerBlock   = 106
	sbName             = 108
	sbNameLength       = 12
	sbBlockLog         = 120
	sbInodeLog         = 122
	sbInodesLog        = 123
	sbGroupBlocksLog   = 124
	sbInProgress       = 126
	sbDirBlockLog      = 192
	sbFeatures2        = 200
	sbBadFeatures2     = 204
	sbFeaturesROCompat = 212
	sbFeaturesIncompat = 216
	sbChecksum         = 224
	sbMetaUUID         = 248
)

// Limits of the format: xfs_fs.h and xfs_format.h, the same as in
// xfs_validate_sb_common of xfs_sb.c.
const (
	minBlockSize      = 512
	minBlockSizeV5    = 1024
	maxBlockSize      = 65536
	minSectorSize     = 512
	maxSectorSize     = 32768
	minInodeSize      = 256
	minInodeSizeV5    = 512
	maxInodeSize      = 2048
	minGroupBlocks    = 64
	maxGroupBytes     = 1 << 40
	maxDirBlockSize   = 65536
	maxFileSystemLog  = 62
	groupHeaderBlocks = 3 // sectors before the AGFL
)

// superblock is the part of the superblock that reading needs.
type superblock struct {
	blockSize   int64
	blocks      uint64
	uuid        [16]byte
	metaUUID    [16]byte // what blocks of metadata carry
	logStart    uint64
	logBlocks   uint32
	rootInode   uint64
	groupBlocks uint64
	groups      uint64
	sectorSize  int64
	inodeSize   int64
	label       string
	// blockBits of a block number count blocks in an allocation group, and
	// inodeBits more of an inode number the inodes in a block.
	blockBits uint
	inodeBits uint
	// dirBlocks is how many blocks a block of a directory has.
	dirBlocks uint64
	features  features
}

func readSuperblock(r io.ReaderAt, size int64) (*superblock, error) {
	if size < superSize {
		return nil, diskerr.NotFound("no xfs: %d bytes are too few", size)
	}
	raw := make([]byte, superSize)
	if err := readat.Full(r, raw, 0, "superblock"); err != nil {
		return nil, err
	}
	if string(raw[:len(superMagic)]) != superMagic {
		return nil, diskerr.NotFound("no xfs: the superblock's magic is missing")
	}
	s, err := parseSuperblock(r, raw)
	if err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	if bytes := s.bytes(); bytes > size {
		return nil, diskerr.Corrupt("superblock: the file system has %d bytes, but its partition only %d: Linux refuses to mount it", bytes, size)
	}
	return s, nil
}

func parseSuperblock(r io.ReaderAt, raw []byte) (*superblock, error) {
	s := &superblock{
		blockSize:   int64(be.Uint32(raw[sbBlockSize:])),
		blocks:      be.Uint64(raw[sbBlocks:]),
		uuid:        [16]byte(raw[sbUUID:]),
		logStart:    be.Uint64(raw[sbLogStart:]),
		logBlocks:   be.Uint32(raw[sbLogBlocks:]),
		rootInode:   be.Uint64(raw[sbRootInode:]),
		groupBlocks: uint64(be.Uint32(raw[sbGroupBlocks:])),
		groups:      uint64(be.Uint32(raw[sbGroupCount:])),
		sectorSize:  int64(be.Uint16(raw[sbSectorSize:])),
		inodeSize:   int64(be.Uint16(raw[sbInodeSize:])),
		blockBits:   uint(raw[sbGroupBlocksLog]),
		inodeBits:   uint(raw[sbInodesLog]),
		features:    parseFeatures(raw),
	}
	if err := s.features.checkVersion(); err != nil {
		return nil, err
	}
	if err := s.checkSum(r); err != nil {
		return nil, err
	}
	if err := s.features.check(); err != nil {
		return nil, err
	}
	s.label, _, _ = strings.Cut(string(raw[sbName:sbName+sbNameLength]), "\x00")
	s.metaUUID = s.uuid
	if s.features.has(incompatMetaUUID) {
		s.metaUUID = [16]byte(raw[sbMetaUUID:])
	}
	if raw[sbInProgress] != 0 {
		return nil, diskerr.Corrupt("it is unfinished: mkfs.xfs or xfs_copy was interrupted")
	}
	if err := s.checkSizes(raw); err != nil {
		return nil, err
	}
	return s, s.checkGroups()
}

// checkSum verifies sb_crc, which covers the whole sector.
func (s *superblock) checkSum(r io.ReaderAt) error {
	if !isPowerOfTwo(s.sectorSize, minSectorSize, maxSectorSize) {
		return diskerr.Corrupt("impossible sector size %d", s.sectorSize)
	}
	if !s.features.v5() {
		return nil
	}
	sector := make([]byte, s.sectorSize)
	if err := readat.Full(r, sector, 0, "superblock"); err != nil {
		return err
	}
	return checkSum(sector, sbChecksum)
}

func (s *superblock) checkSizes(raw []byte) error {
	minBlock, minInode := int64(minBlockSize), int64(minInodeSize)
	if s.features.v5() {
		minBlock, minInode = minBlockSizeV5, minInodeSizeV5
	}
	dirLog := uint(raw[sbDirBlockLog])
	switch {
	case !isPowerOfTwo(s.blockSize, minBlock, maxBlockSize) || s.blockSize != 1<<min(raw[sbBlockLog], 63):
		return diskerr.Corrupt("impossible block size %d", s.blockSize)
	case !isPowerOfTwo(s.inodeSize, minInode, min(maxInodeSize, s.blockSize)) || s.inodeSize != 1<<min(raw[sbInodeLog], 63):
		return diskerr.Corrupt("impossible inode size %d", s.inodeSize)
	case int64(be.Uint16(raw[sbInodesPerBlock:])) != s.blockSize/s.inodeSize || s.blockSize>>min(s.inodeBits, 63) != s.inodeSize:
		return diskerr.Corrupt("impossible number of inodes in a block: %d", be.Uint16(raw[sbInodesPerBlock:]))
	case dirLog > 16 || s.blockSize<<dirLog > maxDirBlockSize:
		return diskerr.Corrupt("directory blocks of 2^%d blocks of %d bytes", dirLog, s.blockSize)
	}
	s.dirBlocks = 1 << dirLog
	return nil
}

func isPowerOfTwo(n, from, to int64) bool { return n >= from && n <= to && n&(n-1) == 0 }

func (s *superblock) checkGroups() error {
	switch {
	case bits.Len64(s.blocks)+bits.Len64(uint64(s.blockSize)) > maxFileSystemLog:
		return diskerr.Corrupt("impossible block count %d", s.blocks)
	case s.groupBlocks < minGroupBlocks || s.groupBlocks > maxGroupBytes/uint64(s.blockSize) || s.blockBits != uint(bits.Len64(s.groupBlocks-1)):
		return diskerr.Corrupt("impossible allocation groups of %d blocks, numbered with %d bits", s.groupBlocks, s.blockBits)
	case s.groups == 0 || s.blocks > s.groups*s.groupBlocks || s.blocks < (s.groups-1)*s.groupBlocks+minGroupBlocks:
		return diskerr.Corrupt("%d blocks do not make %d allocation groups of %d", s.blocks, s.groups, s.groupBlocks)
	}
	return nil
}

// bytes is the size of the file system.
func (s *superblock) bytes() int64 { return int64(s.blocks) * s.blockSize }

// offset returns where count blocks from number first on are, in bytes. They
// lie in one allocation group, behind its headers: xfs_verify_fsbext.
func (s *superblock) offset(first, count uint64) (int64, error) {
	group, block := first>>s.blockBits, first&(1<<s.blockBits-1)
	if group >= s.groups {
		return 0, diskerr.Corrupt("block %d is impossible: there are %d allocation groups", first, s.groups)
	}
	length := min(s.groupBlocks, s.blocks-group*s.groupBlocks)
	headers := uint64(groupHeaderBlocks*s.sectorSize/s.blockSize) + 1
	if block < headers || block >= length || count > length-block {
		return 0, diskerr.Corrupt("%d blocks at the impossible block %d", count, first)
	}
	return int64(group*s.groupBlocks+block) * s.blockSize, nil
}

// unclean says why what is on the disk may not be what Linux would show;
// empty if it was unmounted in order.
func (s *superblock) unclean(r io.ReaderAt) string {
	if s.features.has(incompatNeedsRepair) {
		return "it is marked as in need of repair: run xfs_repair"
	}
	if s.logStart == 0 {
		return "its log is on another device, which was not read"
	}
	clean, err := s.logIsClean(r)
	switch {
	case err != nil:
		return fmt.Sprintf("its log can not be read: %v", err)
	case !clean:
		return "its log must be recovered: it was not unmounted, and what the log holds was not read"
	}
	return ""
}

// isMine reports whether a block of metadata carries the right UUID.
func (s *superblock) isMine(uuid []byte) bool { return bytes.Equal(uuid, s.metaUUID[:]) }
