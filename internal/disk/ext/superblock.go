package ext

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The superblock: Linux Documentation/filesystems/ext4/super.rst.
const (
	superOffset = 1024
	superSize   = 1024
	superMagic  = 0xef53

	sbInodesCount      = 0x00
	sbBlocksCountLo    = 0x04
	sbFirstDataBlock   = 0x14
	sbLogBlockSize     = 0x18
	sbBlocksPerGroup   = 0x20
	sbInodesPerGroup   = 0x28
	sbMagic            = 0x38
	sbState            = 0x3a
	sbRevLevel         = 0x4c
	sbInodeSize        = 0x58
	sbFeatureCompat    = 0x5c
	sbFeatureIncompat  = 0x60
	sbFeatureROCompat  = 0x64
	sbUUID             = 0x68
	sbVolumeName       = 0x78
	sbJournalInode     = 0xe0
	sbDescSize         = 0xfe
	sbFirstMetaBG      = 0x104
	sbBlocksCountHi    = 0x150
	sbChecksumType     = 0x175
	sbBackupGroups     = 0x24c
	sbChecksumSeed     = 0x270
	sbChecksum         = 0x3fc
	sbVolumeNameLength = 16

	stateClean  = 1 << 0
	stateErrors = 1 << 1

	checksumTypeCRC32C = 1
)

// Limits of the format: super.rst; fs/ext4/super.c, ext4_fill_super.
const (
	maxLogBlockSize  = 6
	oldInodeSize     = 128
	minDescSize      = 32
	minDescSize64    = 64
	maxFileSystemLog = 60
)

// superblock is the part of the superblock that reading needs.
type superblock struct {
	inodes         uint32
	blocks         uint64
	firstDataBlock uint64
	blockSize      int64
	blocksPerGroup uint32
	inodesPerGroup uint32
	state          uint16
	inodeSize      int64
	features       features
	uuid           [16]byte
	label          string
	journalInode   uint32
	descSize       int64
	firstMetaBG    uint32
	backupGroups   [2]uint32
	// seed is what every checksum of metadata starts with.
	seed uint32
}

func readSuperblock(r io.ReaderAt, size int64) (*superblock, error) {
	if size < superOffset+superSize {
		return nil, diskerr.NotFound("no ext2, ext3 or ext4: %d bytes are too few", size)
	}
	raw := make([]byte, superSize)
	if err := readat.Full(r, raw, superOffset, "superblock"); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint16(raw[sbMagic:]) != superMagic {
		return nil, diskerr.NotFound("no ext2, ext3 or ext4: the superblock's magic is missing")
	}
	s, err := parseSuperblock(raw)
	if err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	if bytes := s.bytes(); bytes > size {
		return nil, diskerr.Corrupt("superblock: the file system has %d bytes, but its partition only %d: Linux refuses to mount it", bytes, size)
	}
	return s, nil
}

func parseSuperblock(raw []byte) (*superblock, error) {
	le := binary.LittleEndian
	s := &superblock{
		inodes:         le.Uint32(raw[sbInodesCount:]),
		blocks:         uint64(le.Uint32(raw[sbBlocksCountLo:])),
		firstDataBlock: uint64(le.Uint32(raw[sbFirstDataBlock:])),
		blocksPerGroup: le.Uint32(raw[sbBlocksPerGroup:]),
		inodesPerGroup: le.Uint32(raw[sbInodesPerGroup:]),
		state:          le.Uint16(raw[sbState:]),
		inodeSize:      oldInodeSize,
		descSize:       minDescSize,
		uuid:           [16]byte(raw[sbUUID:]),
		journalInode:   le.Uint32(raw[sbJournalInode:]),
		firstMetaBG:    le.Uint32(raw[sbFirstMetaBG:]),
		backupGroups:   [2]uint32{le.Uint32(raw[sbBackupGroups:]), le.Uint32(raw[sbBackupGroups+4:])},
	}
	s.label, _, _ = strings.Cut(string(raw[sbVolumeName:sbVolumeName+sbVolumeNameLength]), "\x00")
	if le.Uint32(raw[sbRevLevel:]) > 0 {
		s.inodeSize = int64(le.Uint16(raw[sbInodeSize:]))
		s.features = features{
			compat:   le.Uint32(raw[sbFeatureCompat:]),
			incompat: le.Uint32(raw[sbFeatureIncompat:]),
			roCompat: le.Uint32(raw[sbFeatureROCompat:]),
		}
	}
	if err := s.checkSum(raw); err != nil {
		return nil, err
	}
	if err := s.features.check(); err != nil {
		return nil, err
	}
	if s.features.has(incompat64Bit) {
		s.blocks |= uint64(le.Uint32(raw[sbBlocksCountHi:])) << 32
		s.descSize = int64(le.Uint16(raw[sbDescSize:]))
	}
	return s, s.checkGeometry(le.Uint32(raw[sbLogBlockSize:]))
}

// checkSum verifies s_checksum: Documentation/filesystems/ext4/checksums.rst.
func (s *superblock) checkSum(raw []byte) error {
	if !s.features.hasRO(roMetadataCsum) {
		return nil
	}
	le := binary.LittleEndian
	if kind := raw[sbChecksumType]; kind != checksumTypeCRC32C {
		return diskerr.Unsupported("unknown checksum type %d", kind)
	}
	if crc32c(crcStart, raw[:sbChecksum]) != le.Uint32(raw[sbChecksum:]) {
		return diskerr.Corrupt("its checksum is wrong")
	}
	s.seed = crc32c(crcStart, s.uuid[:])
	if s.features.has(incompatCsumSeed) {
		s.seed = le.Uint32(raw[sbChecksumSeed:])
	}
	return nil
}

func (s *superblock) checkGeometry(logBlockSize uint32) error {
	if logBlockSize > maxLogBlockSize {
		return diskerr.Corrupt("impossible block size 2^%d", 10+uint64(logBlockSize))
	}
	s.blockSize = superSize << logBlockSize
	bits64 := s.features.has(incompat64Bit)
	switch {
	case s.blocks <= s.firstDataBlock || bits.Len64(s.blocks)+bits.Len64(uint64(s.blockSize)) > maxFileSystemLog:
		return diskerr.Corrupt("impossible block count %d", s.blocks)
	case s.firstDataBlock > 1:
		return diskerr.Corrupt("impossible first data block %d", s.firstDataBlock)
	case s.blocksPerGroup == 0 || s.inodesPerGroup == 0:
		return diskerr.Corrupt("groups of %d blocks and %d inodes", s.blocksPerGroup, s.inodesPerGroup)
	case s.inodeSize < oldInodeSize || s.inodeSize > s.blockSize || s.inodeSize&(s.inodeSize-1) != 0:
		return diskerr.Corrupt("impossible inode size %d", s.inodeSize)
	case s.descSize < minDescSize || s.descSize > s.blockSize/2 || s.descSize&(s.descSize-1) != 0 || (bits64 && s.descSize < minDescSize64):
		return diskerr.Corrupt("impossible group descriptor size %d", s.descSize)
	case uint64(s.inodes) > s.groups()*uint64(s.inodesPerGroup):
		return diskerr.Corrupt("%d inodes are more than its %d groups hold", s.inodes, s.groups())
	}
	return nil
}

// bytes is the size of the file system.
func (s *superblock) bytes() int64 { return int64(s.blocks) * s.blockSize }

func (s *superblock) groups() uint64 {
	return (s.blocks-s.firstDataBlock-1)/uint64(s.blocksPerGroup) + 1
}

// holds reports whether count blocks from first on can hold data or metadata:
// fs/ext4/block_validity.c, ext4_inode_block_valid.
func (s *superblock) holds(first, count uint64) bool {
	return first > s.firstDataBlock && first < s.blocks && count <= s.blocks-first
}

// unclean says why what is on the disk may not be what Linux would show; empty
// if Linux would have nothing to object to. Files that were deleted while open
// are still to be removed, but have no name any more, and those that were being
// cut short have their size already: fs/ext4/orphan.c, ext4_process_orphan.
func (s *superblock) unclean() string {
	switch {
	case s.state&stateErrors != 0:
		return "Linux has found errors in it: run e2fsck"
	case s.state&stateClean == 0:
		return "it was not unmounted"
	}
	return ""
}
