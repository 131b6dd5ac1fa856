package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Magic is the first four bytes of every version of the format.
const Magic = "QFI\xfb"

// Offsets of the header's fields: QEMU docs/interop/qcow2.txt, "Header".
const (
	offVersion              = 4
	offBackingFileOffset    = 8
	offBackingFileSize      = 16
	offClusterBits          = 20
	offSize                 = 24
	offCryptMethod          = 32
	offL1Size               = 36
	offL1TableOffset        = 40
	offRefcountTableOffset  = 48
	offRefcountTableCluster = 56
	offSnapshots            = 60
	offIncompatible         = 72
	offCompatible           = 80
	offHeaderLength         = 100
	offCompressionType      = 104

	headerLengthV2 = 72
	headerLengthV3 = 104
	headerRead     = 112
)

// Bits of incompatible_features and compatible_features, same section.
const (
	incompatDirty        = 1 << 0
	incompatCorrupt      = 1 << 1
	incompatDataFile     = 1 << 2
	incompatCompression  = 1 << 3
	incompatExtendedL2   = 1 << 4
	incompatKnown        = 1<<5 - 1
	compatLazyRefcounts  = 1 << 0
	extensionEnd         = 0x00000000
	extensionDataFile    = 0x44415441
	compressionTypeZlib  = 0
	compressionTypeZstd  = 1
	cryptNone, cryptLUKS = 0, 2
)

// Limits of QEMU's own driver: qcow2.txt, notes on cluster_bits, size and
// backing_file_size; block/qcow2.h, QCOW_MAX_L1_SIZE and QCOW_MAX_REFTABLE_SIZE.
const (
	minClusterBits         = 9
	minClusterBitsExtended = 14
	maxClusterBits         = 21
	maxL1Bytes             = 32 << 20
	maxRefcountTableBytes  = 8 << 20
	maxVirtualSize         = 1 << 61
	maxBackingName         = 1023
	maxHeaderExtensions    = 64
)

// header is the header of an image that can be read by itself.
type header struct {
	version        uint32
	clusterBits    uint
	size           int64
	l1Entries      int64
	l1Offset       int64
	refcountOffset int64
	refcountBytes  int64
	snapshots      uint32
	compression    Compression
	incompatible   uint64
	compatible     uint64
}

func (h *header) clusterSize() int64 { return 1 << h.clusterBits }

// l2EntrySize is 16 where entries are extended by a subcluster bitmap.
func (h *header) l2EntrySize() int64 {
	if h.incompatible&incompatExtendedL2 != 0 {
		return 16
	}
	return 8
}

// l2Entries is the number of entries of an L2 table, which fills a cluster.
func (h *header) l2Entries() int64 { return h.clusterSize() / h.l2EntrySize() }

func readHeader(r io.ReaderAt, fileSize int64) (*header, error) {
	raw := make([]byte, headerRead)
	n, err := r.ReadAt(raw, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("qcow2 header: %w", err)
	}
	if n < headerLengthV2 {
		return nil, diskerr.Corrupt("qcow2 header: the file ends after %d bytes", n)
	}
	h, err := parseHeader(raw, n)
	if err != nil {
		return nil, err
	}
	if err := refuseUnsafe(r, raw, h, fileSize); err != nil {
		return nil, err
	}
	return h, h.checkGeometry(fileSize)
}

// parseHeader decodes the n bytes of raw that the file has.
func parseHeader(raw []byte, n int) (*header, error) {
	be := binary.BigEndian
	h := &header{
		version:        be.Uint32(raw[offVersion:]),
		clusterBits:    uint(be.Uint32(raw[offClusterBits:])),
		size:           int64(be.Uint64(raw[offSize:])),
		l1Entries:      int64(be.Uint32(raw[offL1Size:])),
		l1Offset:       int64(be.Uint64(raw[offL1TableOffset:])),
		refcountOffset: int64(be.Uint64(raw[offRefcountTableOffset:])),
		snapshots:      be.Uint32(raw[offSnapshots:]),
		compression:    Zlib,
	}
	switch h.version {
	case 2:
	case 3:
		if err := h.parseV3(raw, n); err != nil {
			return nil, err
		}
	case 1:
		return nil, diskerr.Unsupported("qcow version 1 image: convert it with qemu-img convert -O qcow2")
	default:
		return nil, diskerr.Corrupt("qcow2 header: version %d, want 2 or 3", h.version)
	}
	if h.clusterBits < minClusterBits || h.clusterBits > maxClusterBits {
		return nil, diskerr.Corrupt("qcow2 header: cluster_bits is %d, want %d to %d", h.clusterBits, minClusterBits, maxClusterBits)
	}
	h.refcountBytes = int64(be.Uint32(raw[offRefcountTableCluster:])) << h.clusterBits
	return h, nil
}

func (h *header) parseV3(raw []byte, n int) error {
	if n < headerLengthV3 {
		return diskerr.Corrupt("qcow2 header: the file ends after %d bytes", n)
	}
	be := binary.BigEndian
	h.incompatible = be.Uint64(raw[offIncompatible:])
	h.compatible = be.Uint64(raw[offCompatible:])
	length := be.Uint32(raw[offHeaderLength:])
	if length < headerLengthV3 || length%8 != 0 {
		return diskerr.Corrupt("qcow2 header: header_length is %d, want a multiple of 8 of at least %d", length, headerLengthV3)
	}
	if unknown := h.incompatible &^ incompatKnown; unknown != 0 {
		return diskerr.Unsupported("qcow2 with unknown incompatible features %#x: convert it with qemu-img convert -O qcow2", unknown)
	}
	kind := byte(compressionTypeZlib)
	if length > offCompressionType {
		kind = raw[offCompressionType]
	}
	return h.setCompression(kind)
}

func (h *header) setCompression(kind byte) error {
	if (kind != compressionTypeZlib) != (h.incompatible&incompatCompression != 0) {
		return diskerr.Corrupt("qcow2 header: compression_type %d does not agree with the compression feature bit", kind)
	}
	switch kind {
	case compressionTypeZlib:
		h.compression = Zlib
	case compressionTypeZstd:
		h.compression = Zstd
	default:
		return diskerr.Unsupported("qcow2 with unknown compression type %d: convert it with qemu-img convert -O qcow2", kind)
	}
	return nil
}

// refusedBy: Glance 33.0.0, location.py, set_data; Nova 34.0.0, virt/images.py;
// their release notes.
const refusedBy = "Glance from 30.0.0 (2025.1) and Nova with the fix of CVE-2024-32498 refuse it"

// refuseUnsafe stops at what oslo.utils' QcowInspector calls a safety
// violation: parts of the disk that are in another file (CVE-2024-32498), and
// what nobody but QEMU can read.
func refuseUnsafe(r io.ReaderAt, raw []byte, h *header, fileSize int64) error {
	be := binary.BigEndian
	if offset := be.Uint64(raw[offBackingFileOffset:]); offset != 0 {
		name := readName(r, offset, be.Uint32(raw[offBackingFileSize:]), maxBackingName, fileSize)
		return diskerr.Unsafe("qcow2 with backing file %s: "+refusedBy+", and it was not opened; if you trust it, flatten the image with qemu-img convert -O qcow2", name)
	}
	if h.incompatible&incompatDataFile != 0 {
		name := dataFileName(r, h, be.Uint32(raw[offHeaderLength:]), fileSize)
		return diskerr.Unsafe("qcow2 with external data file %s: "+refusedBy+", and it was not opened; if you trust it, make one file of it with qemu-img convert -O qcow2", name)
	}
	if method := be.Uint32(raw[offCryptMethod:]); method != cryptNone {
		kind := "AES"
		if method == cryptLUKS {
			kind = "LUKS"
		}
		return diskerr.Unsafe("qcow2 encrypted with %s: nothing in it can be inspected; decrypt it with qemu-img convert -O qcow2", kind)
	}
	return nil
}

// readName quotes the file name that an image holds; it is for a message only.
func readName(r io.ReaderAt, offset uint64, length, limit uint32, fileSize int64) string {
	if length == 0 || length > limit || fileSize < int64(length) || offset > uint64(fileSize-int64(length)) {
		return "(unreadable name)"
	}
	name := make([]byte, length)
	if err := readat.Full(r, name, int64(offset), "file name"); err != nil {
		return "(unreadable name)"
	}
	return fmt.Sprintf("%q", strings.TrimRight(string(name), "\x00"))
}

// dataFileName looks for the header extension "External data file name
// string": qcow2.txt, "Header extensions".
func dataFileName(r io.ReaderAt, h *header, headerLength uint32, fileSize int64) string {
	offset, end := int64(headerLength), min(h.clusterSize(), fileSize)
	for range maxHeaderExtensions {
		raw := make([]byte, 8)
		if offset+8 > end || readat.Full(r, raw, offset, "header extension") != nil {
			break
		}
		kind, length := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
		switch kind {
		case extensionDataFile:
			return readName(r, uint64(offset+8), length, maxBackingName, fileSize)
		case extensionEnd:
			return "(without a name)"
		}
		offset += 8 + (int64(length)+7)&^7
	}
	return "(without a name)"
}

func (h *header) checkGeometry(fileSize int64) error {
	if h.incompatible&incompatExtendedL2 != 0 && h.clusterBits < minClusterBitsExtended {
		return diskerr.Corrupt("qcow2 header: cluster_bits is %d, extended L2 entries want at least %d", h.clusterBits, minClusterBitsExtended)
	}
	if h.size < 0 || h.size > maxVirtualSize {
		return diskerr.Corrupt("qcow2 header: impossible virtual size %d", uint64(h.size))
	}
	span := h.l2Entries() << h.clusterBits
	if need := (h.size-1)/span + 1; h.size > 0 && h.l1Entries < need {
		return diskerr.Corrupt("qcow2 header: the L1 table has %d entries, a disk of %d bytes needs %d", h.l1Entries, h.size, need)
	}
	if err := h.checkTable("L1 table", h.l1Offset, h.l1Entries*8, maxL1Bytes, fileSize); err != nil {
		return err
	}
	return h.checkTable("refcount table", h.refcountOffset, h.refcountBytes, maxRefcountTableBytes, fileSize)
}

func (h *header) checkTable(what string, offset, length, limit, fileSize int64) error {
	if length > limit {
		return diskerr.Corrupt("qcow2 %s: %d bytes, more than the format's limit of %d", what, length, limit)
	}
	if offset < 0 || offset%h.clusterSize() != 0 {
		return diskerr.Corrupt("qcow2 %s: offset %#x is not that of a cluster", what, uint64(offset))
	}
	if length > fileSize || offset > fileSize-length {
		return truncated(what, offset, length, fileSize)
	}
	return nil
}

func truncated(what string, offset, length, fileSize int64) error {
	return diskerr.Corrupt("qcow2 %s: %d bytes at offset %d, but the file is cut off at %d bytes; copy or build it again", what, length, offset, fileSize)
}
