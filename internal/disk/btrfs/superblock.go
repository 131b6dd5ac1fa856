package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The superblock: include/uapi/linux/btrfs_tree.h, struct btrfs_super_block.
const (
	superOffset = 64 << 10
	superSize   = 4096
	superMagic  = "_BHRfS_M"

	sbFSID            = 0x20
	sbAddress         = 0x30
	sbFlags           = 0x38
	sbMagic           = 0x40
	sbGeneration      = 0x48
	sbRoot            = 0x50
	sbChunkRoot       = 0x58
	sbLogRoot         = 0x60
	sbRootDir         = 0x80
	sbDevices         = 0x88
	sbSectorSize      = 0x90
	sbNodeSize        = 0x94
	sbSystemChunkSize = 0xa0
	sbChunkGeneration = 0xa4
	sbCompatRO        = 0xb4
	sbIncompat        = 0xbc
	sbChecksumType    = 0xc4
	sbRootLevel       = 0xc6
	sbChunkRootLevel  = 0xc7
	sbDevice          = 0xc9
	sbLabel           = 0x12b
	sbLabelSize       = 256
	sbMetadataUUID    = 0x23b
	sbSystemChunks    = 0x32b
	maxSystemChunks   = 2048

	// struct btrfs_dev_item, at sbDevice.
	devID    = 0x00
	devBytes = 0x08
	devFSID  = 0x52

	flagError    = 1 << 2
	flagMetadump = 1<<33 | 1<<34
	// flagsRead are those of a file system that no conversion has left half
	// done: fs/btrfs/disk-io.c, BTRFS_SUPER_FLAG_SUPP.
	flagWritten  = 1 << 0
	flagReloc    = 1 << 1
	flagSeeding  = 1 << 32
	flagsRead    = flagWritten | flagReloc | flagError | flagSeeding
	maxTreeLevel = 7
)

// mirrors are the places of the copies: fs/btrfs/disk-io.h, btrfs_sb_offset.
var mirrors = []int64{64 << 20, 256 << 30}

// Limits of the format: fs/btrfs/disk-io.c, btrfs_validate_super.
const (
	minBlock = 4096
	maxBlock = 64 << 10
)

// superblock is the part of the superblock that reading needs.
type superblock struct {
	checksum   checksum
	features   features
	fsid       [16]byte
	flags      uint64
	root       pointer
	chunkRoot  pointer
	logRoot    uint64
	rootDir    uint64
	sectorSize uint64
	nodeSize   uint64
	device     uint64
	// bytes is the size of the one device, as the file system has it.
	bytes uint64
	label string
	// metadataID is what every node says of its file system.
	metadataID   [16]byte
	systemChunks []byte
}

// readSuperblock reads the first superblock. Linux mounts by no other; the
// copies only tell what can be done about a broken one.
func readSuperblock(r io.ReaderAt, size int64) (*superblock, error) {
	if size < superOffset+superSize {
		return nil, diskerr.NotFound("no btrfs: %d bytes are too few", size)
	}
	raw := make([]byte, superSize)
	if err := readat.Full(r, raw, superOffset, "superblock"); err != nil {
		return nil, err
	}
	if string(raw[sbMagic:sbMagic+len(superMagic)]) != superMagic {
		return nil, diskerr.NotFound("no btrfs: the superblock's magic is missing")
	}
	s, err := parseSuperblock(raw, superOffset)
	if err != nil {
		return nil, fmt.Errorf("superblock: %w%s", err, adviceFromMirrors(r, size, err))
	}
	if s.bytes > uint64(size) {
		return nil, diskerr.Corrupt("superblock: the file system has %d bytes, but its partition only %d: Linux refuses to mount it", s.bytes, size)
	}
	return s, nil
}

// adviceFromMirrors looks for a whole copy of a superblock that is corrupt.
func adviceFromMirrors(r io.ReaderAt, size int64, err error) string {
	if !errors.Is(err, diskerr.ErrCorrupt) {
		return ""
	}
	for _, at := range mirrors {
		raw := make([]byte, superSize)
		if at+superSize > size || readat.Full(r, raw, at, "copy of the superblock") != nil {
			continue
		}
		if _, err := parseSuperblock(raw, at); err == nil {
			return fmt.Sprintf("; Linux refuses to mount it, but the copy at byte %d is whole: btrfs rescue super-recover restores it", at)
		}
	}
	return ""
}

func parseSuperblock(raw []byte, at int64) (*superblock, error) {
	le := binary.LittleEndian
	s := &superblock{
		features:   features{incompat: le.Uint64(raw[sbIncompat:]), compatRO: le.Uint64(raw[sbCompatRO:])},
		fsid:       [16]byte(raw[sbFSID:]),
		flags:      le.Uint64(raw[sbFlags:]),
		root:       pointer{le.Uint64(raw[sbRoot:]), le.Uint64(raw[sbGeneration:]), raw[sbRootLevel]},
		chunkRoot:  pointer{le.Uint64(raw[sbChunkRoot:]), le.Uint64(raw[sbChunkGeneration:]), raw[sbChunkRootLevel]},
		logRoot:    le.Uint64(raw[sbLogRoot:]),
		rootDir:    le.Uint64(raw[sbRootDir:]),
		sectorSize: uint64(le.Uint32(raw[sbSectorSize:])),
		nodeSize:   uint64(le.Uint32(raw[sbNodeSize:])),
		device:     le.Uint64(raw[sbDevice+devID:]),
		bytes:      le.Uint64(raw[sbDevice+devBytes:]),
		metadataID: [16]byte(raw[sbFSID:]),
	}
	if s.features.incompat&incompatMetadataUUID != 0 {
		s.metadataID = [16]byte(raw[sbMetadataUUID:])
	}
	s.label, _, _ = strings.Cut(string(raw[sbLabel:sbLabel+sbLabelSize]), "\x00")
	var err error
	if s.checksum, err = checksumOf(le.Uint16(raw[sbChecksumType:])); err != nil {
		return nil, err
	}
	switch {
	case string(raw[sbMagic:sbMagic+len(superMagic)]) != superMagic:
		return nil, diskerr.Corrupt("its magic is missing")
	case !s.checksum.matches(raw, raw[maxChecksum:]):
		return nil, diskerr.Corrupt("its checksum is wrong")
	case le.Uint64(raw[sbAddress:]) != uint64(at):
		return nil, diskerr.Corrupt("it says that it lies at byte %d, but was read at %d", le.Uint64(raw[sbAddress:]), at)
	case [16]byte(raw[sbDevice+devFSID:]) != s.metadataID:
		return nil, diskerr.Corrupt("its device belongs to another file system")
	}
	if err := s.check(le.Uint64(raw[sbDevices:])); err != nil {
		return nil, err
	}
	size := le.Uint32(raw[sbSystemChunkSize:])
	if size > maxSystemChunks {
		return nil, diskerr.Corrupt("%d bytes of system chunks", size)
	}
	s.systemChunks = raw[sbSystemChunks : sbSystemChunks+size]
	return s, nil
}

// check refuses what is not read, and sizes that are impossible.
func (s *superblock) check(devices uint64) error {
	if err := s.features.check(); err != nil {
		return err
	}
	switch {
	case s.flags&flagMetadump != 0:
		return diskerr.Unsupported("it is a dump of metadata without the files' contents (btrfs-image)")
	case s.flags&^flagsRead != 0:
		return diskerr.Unsupported("it has the flags %#x: a conversion (btrfstune) was not finished", s.flags&^flagsRead)
	case devices != 1:
		return diskerr.Unsupported("it is spread over %d devices; only file systems on one are read", devices)
	case s.sectorSize < minBlock || s.sectorSize > maxBlock || s.sectorSize&(s.sectorSize-1) != 0:
		return diskerr.Corrupt("impossible sector size %d", s.sectorSize)
	case s.nodeSize < s.sectorSize || s.nodeSize > maxBlock || s.nodeSize&(s.nodeSize-1) != 0:
		return diskerr.Corrupt("impossible node size %d", s.nodeSize)
	case s.bytes == 0:
		return diskerr.Corrupt("impossible device size %d", s.bytes)
	}
	return nil
}

// unclean says why what is on the disk may not be what Linux would show;
// empty if it is.
func (s *superblock) unclean() string {
	switch {
	case s.logRoot != 0:
		return "its log tree must be replayed: it was not unmounted, and the files that were synced last were not read"
	case s.flags&flagError != 0:
		return "Linux has found errors in it: run btrfs check"
	}
	return ""
}
