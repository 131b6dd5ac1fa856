// Package vhdx reads VHDX images that need neither a parent nor the replay of
// their log. Source of the format: Microsoft, MS-VHDX.
package vhdx

import (
	"encoding/binary"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/blocks"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Info is what the image's metadata say.
type Info struct {
	// BlockSize and SectorSize, the logical one, are in bytes.
	BlockSize  int64 `json:"block_size"`
	SectorSize int64 `json:"sector_size"`
}

// Image is the virtual disk, safe for concurrent reads.
type Image struct {
	*blocks.Map
	info Info
}

// Open reads the headers and the tables of the image in r, size bytes long, and
// checks their checksums and that all blocks are inside the file. The error is
// diskerr.ErrUnsafe for a differencing image, diskerr.ErrUnsupported, such as
// for a log that must be replayed, or diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	if err := checkHeader(r); err != nil {
		return nil, err
	}
	regions, err := readRegions(r, size)
	if err != nil {
		return nil, err
	}
	m, err := readMetadata(r, regions[regionMetadata])
	if err != nil {
		return nil, err
	}
	where, err := readTable(r, size, regions[regionBAT], m)
	if err != nil {
		return nil, err
	}
	disk := &blocks.Map{File: r, FileSize: size, Format: "VHDX", Size: m.diskSize, BlockSize: m.blockSize, Where: where}
	if err := disk.Check(); err != nil {
		return nil, err
	}
	return &Image{Map: disk, info: Info{BlockSize: m.blockSize, SectorSize: m.sectorSize}}, nil
}

// Size is that of the virtual disk in bytes.
func (i *Image) Size() int64 { return i.Map.Size }

// Info returns what the metadata say.
func (i *Image) Info() Info { return i.info }

// Entries of the block allocation table: MS-VHDX 2.5.1.
const (
	entrySize        = 8
	stateMask        = 7
	stateNotPresent  = 0
	stateUndefined   = 1
	stateZero        = 2
	stateUnmapped    = 3
	stateUnmappedOld = 5 // before version 0.95: block/vhdx.h
	statePresent     = 6
	statePartial     = 7
	offsetMask       = ^uint64(unit - 1)

	// sectorsPerBitmap is the number of sectors that a bitmap block describes;
	// its entry stands behind those of the blocks with so many sectors.
	sectorsPerBitmap = 1 << 23
)

func readTable(r io.ReaderAt, size int64, at region, m *metadata) (func(int64) (int64, error), error) {
	chunk := sectorsPerBitmap * m.sectorSize / m.blockSize
	need := blocks.Blocks(m.diskSize, m.blockSize)
	entries := need + (need-1)/chunk
	if entries*entrySize > at.length {
		return nil, diskerr.Corrupt("VHDX block allocation table: %d bytes, a disk of %d bytes needs %d", at.length, m.diskSize, entries*entrySize)
	}
	table, err := blocks.ReadTable(r, size, at.offset, entries, entrySize, "VHDX block allocation table")
	if err != nil {
		return nil, err
	}
	return func(block int64) (int64, error) {
		return place(binary.LittleEndian.Uint64(table[(block+block/chunk)*entrySize:]))
	}, nil
}

func place(entry uint64) (int64, error) {
	switch state := entry & stateMask; state {
	case statePresent:
		return int64(entry & offsetMask), nil
	case stateNotPresent, stateUndefined, stateZero, stateUnmapped, stateUnmappedOld:
		return blocks.Nowhere, nil
	case statePartial:
		return 0, diskerr.Corrupt("only a part of it is in the file, as of a differencing image, which this is not")
	default:
		return 0, diskerr.Corrupt("its state %d is not known", state)
	}
}
