// Package vdi reads VirtualBox's disk images, dynamic and fixed. Source of the
// format: VirtualBox, src/VBox/Storage/VDICore.h; QEMU block/vdi.c.
package vdi

import (
	"encoding/binary"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/blocks"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Signature marks the format, MagicOffset bytes into the image.
const (
	Signature   = "\x7f\x10\xda\xbe"
	MagicOffset = 0x40
)

// Offsets of the header's fields, which start behind a line of text.
const (
	headerSize   = 512
	offVersion   = 68
	offType      = 76
	offTable     = 340
	offData      = 344
	offSector    = 360
	offDiskSize  = 368
	offBlockSize = 376
	offExtra     = 380
	offBlocks    = 384
	offLink      = 424
	offParent    = 440

	version11     = 0x00010001
	uuidSize      = 16
	entrySize     = 4
	entryZero     = 0xfffffffe // above it: not allocated
	sectorSize    = 512
	blockSizeQEMU = 1 << 20
)

// Kind is the image type of the header.
type Kind string

// The kinds that are read.
const (
	Dynamic Kind = "dynamic"
	Fixed   Kind = "fixed"
)

const (
	typeDynamic = 1
	typeFixed   = 2
)

// maxBlocks is the limit of QEMU's driver: block/vdi.c, VDI_BLOCKS_IN_IMAGE_MAX.
const maxBlocks = 0x3fffffff

// Info is what the image's header says.
type Info struct {
	// Kind is dynamic or fixed.
	Kind Kind `json:"kind"`
	// BlockSize is in bytes.
	BlockSize int64 `json:"block_size"`
}

// Image is the virtual disk, safe for concurrent reads.
type Image struct {
	*blocks.Map
	info Info
}

// Open reads the header and the block table of the image in r, size bytes long,
// and checks that all blocks are inside the file. The error is
// diskerr.ErrUnsafe for an image that is the difference to another,
// diskerr.ErrUnsupported, or diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	raw := make([]byte, headerSize)
	if err := readat.Full(r, raw, 0, "VDI header"); err != nil {
		return nil, err
	}
	kind, err := checkHeader(raw)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	diskSize, blocksInImage := int64(le.Uint64(raw[offDiskSize:])), int64(le.Uint32(raw[offBlocks:]))
	if diskSize <= 0 || blocksInImage > maxBlocks || diskSize > blocksInImage*blockSizeQEMU {
		return nil, diskerr.Corrupt("VDI header: a disk of %d bytes does not fit its %d blocks", uint64(diskSize), blocksInImage)
	}
	// QEMU rounds up to whole sectors: block/vdi.c, vdi_open.
	diskSize = (diskSize + sectorSize - 1) / sectorSize * sectorSize
	need := blocks.Blocks(diskSize, blockSizeQEMU)
	table, err := blocks.ReadTable(r, size, int64(le.Uint32(raw[offTable:])), need, entrySize, "VDI block map")
	if err != nil {
		return nil, err
	}
	m := &blocks.Map{
		File: r, FileSize: size, Format: "VDI", Size: diskSize, BlockSize: blockSizeQEMU,
		Where: place(table, int64(le.Uint32(raw[offData:]))),
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	return &Image{Map: m, info: Info{Kind: kind, BlockSize: blockSizeQEMU}}, nil
}

// Size is that of the virtual disk in bytes.
func (i *Image) Size() int64 { return i.Map.Size }

// Info returns what the header says.
func (i *Image) Info() Info { return i.info }

// checkHeader refuses what QEMU's vdi_open refuses.
func checkHeader(raw []byte) (Kind, error) {
	le := binary.LittleEndian
	if string(raw[MagicOffset:MagicOffset+len(Signature)]) != Signature {
		return "", diskerr.Corrupt("VDI header: no signature")
	}
	if version := le.Uint32(raw[offVersion:]); version != version11 {
		return "", diskerr.Unsupported("VDI of version %d.%d, and only 1.1 is read: convert it with VBoxManage clonemedium", version>>16, version&0xffff)
	}
	for _, offset := range []int{offLink, offParent} {
		if string(raw[offset:offset+uuidSize]) != string(make([]byte, uuidSize)) {
			return "", diskerr.Unsafe("VDI that is the difference to another image: most of its disk is in that file, which was not opened; if you trust it, flatten the image with VBoxManage clonemedium")
		}
	}
	if sector := le.Uint32(raw[offSector:]); sector != sectorSize {
		return "", diskerr.Unsupported("VDI with sectors of %d bytes, and only 512 is read, here and by QEMU", sector)
	}
	block, extra := le.Uint32(raw[offBlockSize:]), le.Uint32(raw[offExtra:])
	if block != blockSizeQEMU || extra != 0 {
		return "", diskerr.Unsupported("VDI with blocks of %d+%d bytes, and only 1048576+0 is read, here and by QEMU", extra, block)
	}
	switch kind := le.Uint32(raw[offType:]); kind {
	case typeDynamic:
		return Dynamic, nil
	case typeFixed:
		return Fixed, nil
	default:
		return "", diskerr.Unsupported("VDI of image type %d, and only 1 (dynamic) and 2 (fixed) are read: flatten it with VBoxManage clonemedium", kind)
	}
}

func place(table []byte, data int64) func(int64) (int64, error) {
	return func(block int64) (int64, error) {
		entry := binary.LittleEndian.Uint32(table[block*entrySize:])
		if entry >= entryZero {
			return blocks.Nowhere, nil
		}
		return data + int64(entry)*blockSizeQEMU, nil
	}
}
