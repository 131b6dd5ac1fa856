package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// checksum is one of the kinds of sums that a file system can have:
// include/uapi/linux/btrfs_tree.h, enum btrfs_csum_type.
type checksum struct {
	name string
	// size is in bytes; sum returns as many.
	size int
	sum  func([]byte) []byte
}

// maxChecksum is what a superblock and a node have room for.
const maxChecksum = 32

// checksums is indexed by csum_type. Those without sum are not read.
var checksums = []checksum{
	{name: "crc32c", size: 4, sum: crc32c},
	{name: "xxhash64", size: 8},
	{name: "sha256", size: sha256.Size, sum: sha256Sum},
	{name: "blake2b", size: 32},
}

func checksumOf(kind uint16) (checksum, error) {
	if int(kind) >= len(checksums) {
		return checksum{}, diskerr.Unsupported("unknown checksum type %d", kind)
	}
	c := checksums[kind]
	if c.sum == nil {
		return checksum{}, diskerr.Unsupported("it is protected by %s checksums, which are not read", c.name)
	}
	return c, nil
}

// matches reports whether stored starts with the sum of p.
func (c checksum) matches(stored, p []byte) bool {
	return bytes.Equal(stored[:c.size], c.sum(p))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(p []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(p, castagnoli))
}

func sha256Sum(p []byte) []byte {
	sum := sha256.Sum256(p)
	return sum[:]
}
