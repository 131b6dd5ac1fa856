package vhd

import (
	"encoding/binary"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Cookie starts the footer, at the end of every image and, as a copy, at the
// start of those that are not fixed.
const Cookie = "conectix"

// Sizes of a footer: Virtual PC before 2004 left out the last byte.
const (
	footerSize    = 512
	oldFooterSize = 511
)

// Offsets of the footer's fields: Virtual Hard Disk Image Format
// Specification 1.0, "Hard Disk Footer Format".
const (
	offDataOffset  = 16
	offCreator     = 28
	offCurrentSize = 48
	offCylinders   = 56
	offHeads       = 58
	offSectors     = 59
	offDiskType    = 60
	offChecksum    = 64
)

// Kind is the disk type of the footer.
type Kind string

// The kinds that are read.
const (
	Fixed   Kind = "fixed"
	Dynamic Kind = "dynamic"
)

const (
	typeFixed        = 2
	typeDynamic      = 3
	typeDifferencing = 4
)

const sectorSize = 512

// Limits of QEMU's driver: block/vpc.c, VHD_MAX_SECTORS and VHD_MAX_GEOMETRY.
const (
	maxSectors  = 0xff000000
	maxGeometry = 65535 * 16 * 255
)

// footer is the decoded footer.
type footer struct {
	kind       Kind
	creator    string
	dataOffset int64
	// size is in bytes, as QEMU sees the disk; footerSize is the footer's
	// current size.
	size        int64
	currentSize int64
}

// Match reports whether r, size bytes long, is a VHD image: it has a footer at
// its start or at its end. A footer at the end alone counts where its checksum
// is right, since a raw disk may end in any bytes.
func Match(r io.ReaderAt, size int64) bool {
	if raw, err := readFooter(r, size, 0); err == nil && string(raw[:len(Cookie)]) == Cookie {
		return true
	}
	_, _, found := lastFooter(r, size)
	return found
}

// lastFooter returns the footer at the end of r, and where it starts.
func lastFooter(r io.ReaderAt, size int64) ([]byte, int64, bool) {
	for _, length := range []int64{footerSize, oldFooterSize} {
		raw, err := readFooter(r, size, size-length)
		if err == nil && intact(raw, offChecksum) && string(raw[:len(Cookie)]) == Cookie {
			return raw, size - length, true
		}
	}
	return nil, 0, false
}

// readFooter reads the footer at offset; an old one is filled up with a zero.
func readFooter(r io.ReaderAt, size, offset int64) ([]byte, error) {
	raw := make([]byte, footerSize)
	length := min(footerSize, size-offset)
	if offset < 0 || length < oldFooterSize {
		return nil, diskerr.Corrupt("VHD footer: the file ends after %d bytes", size)
	}
	return raw, readat.Full(r, raw[:length], offset, "VHD footer")
}

// intact checks the one's complement of the sum of all bytes but the
// checksum's own: the specification, "Checksum".
func intact(raw []byte, offset int) bool {
	var sum uint32
	for i, b := range raw {
		if i < offset || i >= offset+4 {
			sum += uint32(b)
		}
	}
	return ^sum == binary.BigEndian.Uint32(raw[offset:])
}

func parseFooter(raw []byte) (*footer, error) {
	be := binary.BigEndian
	f := &footer{
		creator:     string(raw[offCreator : offCreator+4]),
		dataOffset:  int64(be.Uint64(raw[offDataOffset:])),
		currentSize: int64(be.Uint64(raw[offCurrentSize:])),
	}
	switch kind := be.Uint32(raw[offDiskType:]); kind {
	case typeFixed:
		f.kind = Fixed
	case typeDynamic:
		f.kind = Dynamic
	case typeDifferencing:
		return nil, diskerr.Unsafe("differencing VHD: most of its disk is in a parent file, which was not opened; if you trust it, flatten the image with the program that made it")
	default:
		return nil, diskerr.Corrupt("VHD footer: disk type %d, want 2 (fixed), 3 (dynamic) or 4 (differencing)", kind)
	}
	if f.currentSize <= 0 || f.currentSize/sectorSize > maxSectors {
		return nil, diskerr.Corrupt("VHD footer: impossible disk size %d", uint64(f.currentSize))
	}
	geometry := int64(be.Uint16(raw[offCylinders:])) * int64(raw[offHeads]) * int64(raw[offSectors])
	f.size = f.sizeByQEMU(geometry)
	if f.size == 0 {
		return nil, diskerr.Corrupt("VHD footer: a disk without a sector")
	}
	return f, nil
}

// sizeByQEMU is the disk's size as the hypervisor will see it: block/vpc.c,
// vpc_open. Old programs meant the geometry, new ones the current size, and
// above the largest geometry there is the current size alone.
func (f *footer) sizeByQEMU(geometry int64) int64 {
	switch f.creator {
	case "win ", "qem2", "d2v ", "tap\x00", "CTXS", "wa\x00\x00":
		return f.currentSize / sectorSize * sectorSize
	}
	if geometry >= maxGeometry {
		return f.currentSize / sectorSize * sectorSize
	}
	return geometry * sectorSize
}
