package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/crypto/blake2b"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// checksum is one of the kinds of sums that a file system can have:
// include/uapi/linux/btrfs_tree.h, enum btrfs_csum_type.
type checksum struct {
	// size is in bytes; sum returns as many.
	size int
	sum  func([]byte) []byte
}

// maxChecksum is what a superblock and a node have room for.
const maxChecksum = 32

// checksums is indexed by csum_type.
var checksums = []checksum{
	{size: 4, sum: crc32c},
	{size: 8, sum: xxhash64},
	{size: sha256.Size, sum: sha256Sum},
	{size: blake2b.Size256, sum: blake2bSum},
}

func checksumOf(kind uint16) (checksum, error) {
	if int(kind) >= len(checksums) {
		return checksum{}, diskerr.Unsupported("unknown checksum type %d", kind)
	}
	return checksums[kind], nil
}

// matches reports whether stored starts with the sum of p.
func (c checksum) matches(stored, p []byte) bool {
	return bytes.Equal(stored[:c.size], c.sum(p))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(p []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(p, castagnoli))
}

func xxhash64(p []byte) []byte {
	return binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(p))
}

func sha256Sum(p []byte) []byte {
	sum := sha256.Sum256(p)
	return sum[:]
}

func blake2bSum(p []byte) []byte {
	sum := blake2b.Sum256(p)
	return sum[:]
}
