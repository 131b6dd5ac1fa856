package qcow2

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"

// Bits of L1 and L2 entries: qcow2.txt, "Cluster mapping" and "Extended L2
// Entries".
const (
	hostOffsetMask  = 0x00fffffffffffe00
	flagCompressed  = 1 << 62
	flagZero        = 1 << 0
	subclusters     = 32
	compressedShift = 62
	sectorSize      = 512
)

type stretchKind int

const (
	stretchZero stretchKind = iota
	stretchData
	stretchCompressed
)

// stretch is where a part of a guest cluster is in the file.
type stretch struct {
	kind stretchKind
	// offset in the file, of the byte asked for; of a compressed cluster, of
	// its first packed byte.
	offset int64
	// length in bytes, up to the end of the cluster or subcluster; of a
	// compressed cluster, of its packed bytes.
	length int64
}

// decode says where the byte at position inside of the entry's cluster is.
func (h *header) decode(e l2Entry, inside int64) (stretch, error) {
	if e.descriptor&flagCompressed != 0 {
		return h.decodeCompressed(e.descriptor), nil
	}
	host := int64(e.descriptor & hostOffsetMask)
	if host%h.clusterSize() != 0 {
		return stretch{}, diskerr.Corrupt("qcow2 L2 entry: offset %#x is not that of a cluster", host)
	}
	if h.incompatible&incompatExtendedL2 != 0 {
		return h.decodeExtended(e.bitmap, host, inside)
	}
	left := h.clusterSize() - inside
	if e.descriptor&flagZero != 0 {
		if h.version < 3 {
			return stretch{}, diskerr.Corrupt("qcow2 L2 entry: a zero cluster in a version 2 image")
		}
		return stretch{kind: stretchZero, length: left}, nil
	}
	if host == 0 {
		return stretch{kind: stretchZero, length: left}, nil
	}
	return stretch{kind: stretchData, offset: host + inside, length: left}, nil
}

// decodeCompressed: qcow2.txt, "Compressed Clusters Descriptor". The count is
// of sectors beside the first, which the data may start in the middle of.
func (h *header) decodeCompressed(descriptor uint64) stretch {
	offsetBits := compressedShift - (h.clusterBits - 8)
	offset := int64(descriptor & (1<<offsetBits - 1))
	more := int64(descriptor >> offsetBits & (1<<(h.clusterBits-8) - 1))
	return stretch{kind: stretchCompressed, offset: offset, length: (more+1)*sectorSize - offset%sectorSize}
}

// decodeExtended: bits 0-31 of the bitmap say which subclusters are
// allocated, bits 32-63 which read as zeros.
func (h *header) decodeExtended(bitmap uint64, host, inside int64) (stretch, error) {
	size := h.clusterSize() / subclusters
	index := uint(inside / size)
	allocated := bitmap>>index&1 != 0
	zero := bitmap>>(subclusters+index)&1 != 0
	s := stretch{length: size - inside%size}
	switch {
	case allocated && zero:
		return s, diskerr.Corrupt("qcow2 L2 entry: subcluster %d is both allocated and zero", index)
	case allocated && host == 0:
		return s, diskerr.Corrupt("qcow2 L2 entry: subcluster %d is allocated nowhere", index)
	case allocated:
		s.kind, s.offset = stretchData, host+inside
	}
	return s, nil
}
