package ext

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The journal's superblock, which like everything in the journal is
// big-endian: Linux Documentation/filesystems/ext4/journal.rst.
const (
	jbdMagic      = 0xc03b3998
	jbdHeaderSize = 12
	jbdBlockType  = 4
	jbdSequence   = 8

	jbdDescriptor   = 1
	jbdCommit       = 2
	jbdSuperblockV1 = 3
	jbdSuperblockV2 = 4
	jbdRevoke       = 5

	jsSize            = 1024
	jsBlockSize       = 0x0c
	jsMaxLen          = 0x10
	jsFirst           = 0x14
	jsSequence        = 0x18
	jsStart           = 0x1c
	jsErrno           = 0x20
	jsFeatureCompat   = 0x24
	jsFeatureIncompat = 0x28
	jsFeatureROCompat = 0x2c
	jsUUID            = 0x30
	jsChecksumType    = 0x50
	jsFastBlocks      = 0x54
	jsChecksum        = 0xfc

	jbdChecksumCRC32C = 4

	jbdCompatChecksum      = 0x1
	jbdIncompatRevoke      = 0x1
	jbdIncompat64Bit       = 0x2
	jbdIncompatAsyncCommit = 0x4
	jbdIncompatCsumV2      = 0x8
	jbdIncompatCsumV3      = 0x10
	jbdIncompatFastCommit  = 0x20
	jbdIncompatRead        = jbdIncompatRevoke | jbdIncompat64Bit | jbdIncompatAsyncCommit |
		jbdIncompatCsumV2 | jbdIncompatCsumV3 | jbdIncompatFastCommit

	// defaultFastBlocks: include/linux/jbd2.h, JBD2_DEFAULT_FAST_COMMIT_BLOCKS.
	defaultFastBlocks = 256
)

// maxLog bounds the log in bytes. mke2fs makes none above 1 GiB by itself, and
// its option none above 40 GiB.
const maxLog = 1 << 30

// journal is the log of transactions that may not have reached their places.
// Blocks of it are counted from its start.
type journal struct {
	file      io.ReaderAt
	blockSize int64
	// first is where the log starts, length where it ends, and what follows up
	// to whole are the fast commits.
	first, length, whole uint32
	// start is the oldest block of the log, 0 if it is empty; sequence is the
	// number of the transaction there.
	start, sequence uint32
	errno           int32
	compat          uint32
	incompat        uint32
	seed            uint32
}

func (j *journal) has(bit uint32) bool { return j.incompat&bit != 0 }

// summed reports whether every block has a checksum: versions 2 and 3.
func (j *journal) summed() bool { return j.has(jbdIncompatCsumV2 | jbdIncompatCsumV3) }

// openJournal reads the superblock of the journal that lies in inode ino.
func (d *driver) openJournal(ino uint32) (*journal, error) {
	n, err := d.readInode(uint64(ino))
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	content, err := n.open()
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	runs, ok := content.(*filesystem.Runs)
	if !n.attr.Mode.IsRegular() || !ok {
		return nil, diskerr.Corrupt("inode %d is not a file of whole blocks", ino)
	}
	raw := make([]byte, jsSize)
	if err := readat.Full(runs, raw, 0, "its superblock"); err != nil {
		return nil, err
	}
	j := &journal{file: runs, blockSize: d.sb.blockSize}
	if err := j.parse(raw); err != nil {
		return nil, fmt.Errorf("its superblock: %w", err)
	}
	if need := int64(be32(raw, jsMaxLen)) * j.blockSize; stored(runs) < need {
		return nil, diskerr.Corrupt("it has %d bytes, and %d of them are stored", need, stored(runs))
	}
	return j, nil
}

func be32(raw []byte, off int) uint32 { return binary.BigEndian.Uint32(raw[off:]) }

// stored is how much of a file is on the disk.
func stored(runs *filesystem.Runs) (total int64) {
	for _, r := range runs.Runs {
		total += r.Length
	}
	return total
}

// parse follows journal_check_superblock of Linux fs/jbd2/journal.c.
func (j *journal) parse(raw []byte) error {
	kind := be32(raw, jbdBlockType)
	if be32(raw, 0) != jbdMagic || (kind != jbdSuperblockV1 && kind != jbdSuperblockV2) {
		return diskerr.Corrupt("its magic is missing")
	}
	if size := be32(raw, jsBlockSize); int64(size) != j.blockSize {
		return diskerr.Corrupt("blocks of %d bytes, and the file system has ones of %d", size, j.blockSize)
	}
	j.first, j.whole = be32(raw, jsFirst), be32(raw, jsMaxLen)
	j.length = j.whole
	j.start, j.sequence, j.errno = be32(raw, jsStart), be32(raw, jsSequence), int32(be32(raw, jsErrno))
	if kind == jbdSuperblockV2 {
		j.compat, j.incompat = be32(raw, jsFeatureCompat), be32(raw, jsFeatureIncompat)
		if err := j.checkFeatures(raw); err != nil {
			return err
		}
	}
	if j.has(jbdIncompatFastCommit) {
		fast := be32(raw, jsFastBlocks)
		if fast == 0 {
			fast = defaultFastBlocks
		}
		j.length -= min(fast, j.length)
	}
	if j.first == 0 || j.first >= j.length || j.start >= j.length {
		return diskerr.Corrupt("%d blocks from %d on cannot start at %d", j.length, j.first, j.start)
	}
	if int64(j.length) > maxLog/j.blockSize {
		return diskerr.Unsupported("a log of %d blocks of %d bytes, at most %d MiB are read", j.length, j.blockSize, maxLog>>20)
	}
	return nil
}

func (j *journal) checkFeatures(raw []byte) error {
	if unread := j.incompat&^jbdIncompatRead | be32(raw, jsFeatureROCompat); unread != 0 {
		return diskerr.Unsupported("unknown features %#x", unread)
	}
	if j.has(jbdIncompatCsumV2) && (j.has(jbdIncompatCsumV3) || j.compat&jbdCompatChecksum != 0) ||
		j.has(jbdIncompatCsumV3) && j.compat&jbdCompatChecksum != 0 {
		return diskerr.Corrupt("checksums of two kinds")
	}
	if !j.summed() {
		return nil
	}
	if kind := raw[jsChecksumType]; kind != jbdChecksumCRC32C {
		return diskerr.Unsupported("unknown checksum type %d", kind)
	}
	if want := be32(raw, jsChecksum); sumWithout(crcStart, raw, jsChecksum) != want {
		return diskerr.Corrupt("its checksum is wrong")
	}
	j.seed = crc32c(crcStart, raw[jsUUID:jsUUID+16])
	return nil
}

// sumWithout is the checksum of a structure that holds its own at off, which
// counts as zeros.
func sumWithout(seed uint32, raw []byte, off int) uint32 {
	sum := crc32c(seed, raw[:off])
	return crc32c(crc32c(sum, []byte{0, 0, 0, 0}), raw[off+4:])
}

// crc32BE continues the sum of Linux's crc32_be(), with which the first kind
// of checksums protects whole transactions: the sum of hash/crc32 with every
// bit in the other order.
func crc32BE(sum uint32, p []byte) uint32 {
	reversed := make([]byte, len(p))
	for i, b := range p {
		reversed[i] = bits.Reverse8(b)
	}
	return bits.Reverse32(^crc32.Update(^bits.Reverse32(sum), crc32.IEEETable, reversed))
}

// block reads one block of the log.
func (j *journal) block(number uint32) ([]byte, error) {
	raw := make([]byte, j.blockSize)
	return raw, readat.Full(j.file, raw, int64(number)*j.blockSize, fmt.Sprintf("its block %d", number))
}

// wrap goes on at the start of the log after its end.
func (j *journal) wrap(number uint32) uint32 {
	if number >= j.length {
		return number - j.length + j.first
	}
	return number
}
