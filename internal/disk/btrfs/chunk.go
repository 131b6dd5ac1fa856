package btrfs

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Chunks: include/uapi/linux/btrfs_tree.h, struct btrfs_chunk.
const (
	chLength     = 0x00
	chType       = 0x18
	chStripes    = 0x2c
	chHeaderSize = 0x30
	stripeDevice = 0x00
	stripeOffset = 0x08
	stripeSize   = 0x20

	profileDUP = 1 << 5
	// profiles are the bits of the type that say how it is spread.
	profiles = 0x7f8
)

// maxChunks bounds their memory; chunks of 1 GiB would make it a file system
// of 1 PiB.
const maxChunks = 1 << 20

// chunk is a stretch of logical addresses. All are in bytes.
type chunk struct {
	logical uint64
	length  uint64
	// copies are where it lies on the device: one, or two of the profile DUP.
	copies []uint64
}

func (c chunk) end() uint64 { return c.logical + c.length }

// parseChunk reads a chunk and tells how many bytes of item it takes.
func (s *superblock) parseChunk(logical uint64, item []byte) (chunk, int, error) {
	le := binary.LittleEndian
	if len(item) < chHeaderSize {
		return chunk{}, 0, diskerr.Corrupt("chunk %d: %d bytes are too few", logical, len(item))
	}
	c := chunk{logical: logical, length: le.Uint64(item[chLength:])}
	stripes := int(le.Uint16(item[chStripes:]))
	size := chHeaderSize + stripes*stripeSize
	if size > len(item) {
		return chunk{}, 0, diskerr.Corrupt("chunk %d: %d copies do not fit in %d bytes", logical, stripes, len(item))
	}
	if err := checkProfile(logical, le.Uint64(item[chType:]), stripes); err != nil {
		return chunk{}, 0, err
	}
	if c.length == 0 || logical+c.length < logical || (logical|c.length)%s.sectorSize != 0 {
		return chunk{}, 0, diskerr.Corrupt("chunk %d: impossible length %d", logical, c.length)
	}
	for stripe := range slices.Chunk(item[chHeaderSize:size], stripeSize) {
		at := le.Uint64(stripe[stripeOffset:])
		if device := le.Uint64(stripe[stripeDevice:]); device != s.device {
			return chunk{}, 0, diskerr.Unsupported("chunk %d: it is on device %d, which was not read", logical, device)
		}
		if at > s.bytes || c.length > s.bytes-at {
			return chunk{}, 0, diskerr.Corrupt("chunk %d: %d bytes at byte %d are outside of the device", logical, c.length, at)
		}
		c.copies = append(c.copies, at)
	}
	return c, size, nil
}

// checkProfile lets pass what lies in one piece on one device.
func checkProfile(logical, kind uint64, stripes int) error {
	want := 1
	switch profile := kind & profiles; profile {
	case 0:
	case profileDUP:
		want = 2
	default:
		return diskerr.Unsupported("chunk %d has the profile %s; only SINGLE and DUP are read", logical, strings.Join(bitNames(profile>>3, profileNames), ", "))
	}
	if stripes != want {
		return diskerr.Corrupt("chunk %d: %d copies, want %d", logical, stripes, want)
	}
	return nil
}

// profileNames are those of the bits from bit 3 of the type on.
var profileNames = []string{"RAID0", "RAID1", "DUP", "RAID10", "RAID5", "RAID6", "RAID1C3", "RAID1C4"}

// readSystemChunks reads the chunks that hold the chunk tree.
func (v *Volume) readSystemChunks() error {
	for rest := v.sb.systemChunks; len(rest) > 0; {
		if len(rest) < keySize {
			return diskerr.Corrupt("system chunks: %d bytes are left over", len(rest))
		}
		k := parseKey(rest)
		if k.kind != kindChunk {
			return diskerr.Corrupt("system chunks: item of kind %d", k.kind)
		}
		c, size, err := v.sb.parseChunk(k.offset, rest[keySize:])
		if err != nil {
			return err
		}
		v.chunks = append(v.chunks, c)
		rest = rest[keySize+size:]
	}
	return v.sortChunks()
}

// readChunkTree reads all chunks; those of the system are among them.
func (v *Volume) readChunkTree() error {
	tree := &tree{v: v, id: treeChunk, root: v.sb.chunkRoot}
	var chunks []chunk
	for it, err := range tree.itemsOf(chunkObject, kindChunk) {
		if err != nil {
			return err
		}
		c, _, err := v.sb.parseChunk(it.key.offset, it.data)
		if err != nil {
			return err
		}
		if len(chunks) == maxChunks {
			return diskerr.Unsupported("more than %d chunks", maxChunks)
		}
		chunks = append(chunks, c)
	}
	v.chunks = chunks
	return v.sortChunks()
}

// sortChunks makes the chunks ready to be searched.
func (v *Volume) sortChunks() error {
	slices.SortFunc(v.chunks, func(a, b chunk) int { return cmp.Compare(a.logical, b.logical) })
	for i := 1; i < len(v.chunks); i++ {
		if v.chunks[i].logical < v.chunks[i-1].end() {
			return diskerr.Corrupt("the chunks %d and %d overlap", v.chunks[i-1].logical, v.chunks[i].logical)
		}
	}
	return nil
}

// locate returns where the copies of length bytes from logical on are. No
// extent and no node crosses the end of its chunk.
func (v *Volume) locate(logical, length uint64) ([]uint64, error) {
	i := sort.Search(len(v.chunks), func(i int) bool { return v.chunks[i].end() > logical })
	if i == len(v.chunks) || logical < v.chunks[i].logical || length > v.chunks[i].end()-logical {
		return nil, diskerr.Corrupt("no chunk has the %d bytes at the logical address %d", length, logical)
	}
	c := v.chunks[i]
	places := make([]uint64, len(c.copies))
	for i, at := range c.copies {
		places[i] = at + logical - c.logical
	}
	return places, nil
}
