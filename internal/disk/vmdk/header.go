package vmdk

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Magic is the first four bytes of a sparse extent.
const Magic = "KDMV"

// Offsets of a sparse extent's header: Virtual Disk Format 5.0, "Hosted Sparse
// Extent Header".
const (
	offVersion          = 4
	offFlags            = 8
	offCapacity         = 12
	offGrainSize        = 20
	offDescriptorOffset = 28
	offDescriptorSize   = 36
	offTableEntries     = 44
	offDirectory        = 56
	offCompression      = 77
	headerSize          = 512

	flagZeroGrain  = 1 << 2
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17

	compressionDeflate = 1

	// directoryAtEnd says that the footer is the header that counts.
	directoryAtEnd = ^uint64(0)
)

const sectorSize = 512

// Limits of QEMU's driver for version and entries (block/vmdk.c,
// vmdk_open_vmdk4), and of what is sensible for the others.
const (
	maxVersion      = 3
	maxTableEntries = 512
	maxGrainSectors = 16 << 10
	maxSectors      = 1 << 42
)

// header is the decoded header. Offsets are in sectors unless they say bytes.
type header struct {
	version          uint32
	flags            uint32
	capacity         uint64
	grainSectors     uint64
	descriptorOffset uint64
	descriptorSize   uint64
	tableEntries     uint32
	directory        uint64
	compression      uint16
}

func (h *header) size() int64      { return int64(h.capacity) * sectorSize }
func (h *header) grainSize() int64 { return int64(h.grainSectors) * sectorSize }
func (h *header) compressed() bool { return h.flags&flagCompressed != 0 }

// tableSpan is the number of the disk's bytes that a grain table maps.
func (h *header) tableSpan() int64 { return h.grainSize() * int64(h.tableEntries) }

// readHeader returns the header that counts, which is the footer where there
// is one, and the header at the start too.
func readHeader(r io.ReaderAt, size int64) (counts, first *header, err error) {
	first, err = headerAt(r, 0)
	if err != nil {
		return nil, nil, err
	}
	counts = first
	if first.directory == directoryAtEnd {
		if counts, err = readFooter(r, size); err != nil {
			return nil, nil, err
		}
	}
	return counts, first, counts.check()
}

func headerAt(r io.ReaderAt, offset int64) (*header, error) {
	raw := make([]byte, headerSize)
	if err := readat.Full(r, raw, offset, "VMDK header"); err != nil {
		return nil, err
	}
	if string(raw[:len(Magic)]) != Magic {
		return nil, diskerr.Corrupt("VMDK header at offset %d: no magic number; the file was cut off, or is no sparse extent", offset)
	}
	le := binary.LittleEndian
	return &header{
		version:          le.Uint32(raw[offVersion:]),
		flags:            le.Uint32(raw[offFlags:]),
		capacity:         le.Uint64(raw[offCapacity:]),
		grainSectors:     le.Uint64(raw[offGrainSize:]),
		descriptorOffset: le.Uint64(raw[offDescriptorOffset:]),
		descriptorSize:   le.Uint64(raw[offDescriptorSize:]),
		tableEntries:     le.Uint32(raw[offTableEntries:]),
		directory:        le.Uint64(raw[offDirectory:]),
		compression:      le.Uint16(raw[offCompression:]),
	}, nil
}

// The file of a stream ends in a marker, the footer and the marker of the
// stream's end, a sector each: Virtual Disk Format 5.0, "Stream-Optimized
// Compressed Sparse Extents".
const (
	footerSectors = 3
	offMarkerSize = 8
	offMarkerType = 12
	markerEnd     = 0
	markerFooter  = 3
)

func readFooter(r io.ReaderAt, size int64) (*header, error) {
	start := size - footerSectors*sectorSize
	if err := checkMarker(r, start, markerFooter); err != nil {
		return nil, err
	}
	if err := checkMarker(r, start+2*sectorSize, markerEnd); err != nil {
		return nil, err
	}
	footer, err := headerAt(r, start+sectorSize)
	if err != nil {
		return nil, err
	}
	if footer.directory == directoryAtEnd {
		return nil, diskerr.Corrupt("VMDK footer: it tells of another footer")
	}
	return footer, nil
}

func checkMarker(r io.ReaderAt, offset int64, kind uint32) error {
	raw := make([]byte, sectorSize)
	if err := readat.Full(r, raw, offset, "VMDK footer"); err != nil {
		return err
	}
	le := binary.LittleEndian
	tail := string(raw[offMarkerType+4:]) != string(make([]byte, sectorSize-offMarkerType-4))
	if le.Uint32(raw[offMarkerSize:]) != 0 || le.Uint32(raw[offMarkerType:]) != kind || tail || kind == markerEnd && le.Uint64(raw) != 0 {
		return diskerr.Corrupt("VMDK footer: no marker of type %d at offset %d; the file was cut off, copy or build it again", kind, offset)
	}
	return nil
}

// check refuses what QEMU's vmdk_open_vmdk4 refuses, and a header without a
// disk: QEMU would then take the extents that the descriptor names.
func (h *header) check() error {
	switch {
	case h.version < 1 || h.version > maxVersion:
		return diskerr.Unsupported("VMDK of version %d, and only 1 to %d are read: convert it with qemu-img convert -O qcow2", h.version, maxVersion)
	case h.capacity == 0:
		return diskerr.Unsafe("VMDK whose header has no disk: QEMU would open the files that its descriptor names, and they were not opened; convert it with qemu-img convert -O qcow2 if you trust it")
	case h.capacity > maxSectors:
		return diskerr.Corrupt("VMDK header: impossible capacity of %d sectors", h.capacity)
	case h.grainSectors == 0 || h.grainSectors > maxGrainSectors || bits.OnesCount64(h.grainSectors) != 1:
		return diskerr.Corrupt("VMDK header: grains of %d sectors, want a power of 2 up to %d", h.grainSectors, maxGrainSectors)
	case h.tableEntries == 0 || h.tableEntries > maxTableEntries:
		return diskerr.Corrupt("VMDK header: grain tables of %d entries, want 1 to %d", h.tableEntries, maxTableEntries)
	case h.compressed() && (h.compression != compressionDeflate || h.flags&flagMarkers == 0):
		return diskerr.Unsupported("VMDK with compressed grains of an unknown kind: convert it with qemu-img convert -O qcow2")
	}
	return nil
}
