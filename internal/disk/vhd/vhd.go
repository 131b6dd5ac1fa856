// Package vhd reads fixed and dynamic VHD images. Source of the format:
// Microsoft, Virtual Hard Disk Image Format Specification 1.0.
package vhd

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/blocks"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Info is what the image's footer says.
type Info struct {
	// Kind is fixed or dynamic.
	Kind Kind `json:"kind"`
	// Creator names the program that wrote the image, in four characters.
	Creator string `json:"creator"`
	// CurrentSize is the disk's size in bytes as the footer has it. QEMU takes
	// the size from the geometry where Creator is one that meant that.
	CurrentSize int64 `json:"current_size"`
	// BlockSize is in bytes, 0 for a fixed image.
	BlockSize int64 `json:"block_size,omitempty"`
}

// Image is the virtual disk, safe for concurrent reads.
type Image struct {
	io.ReaderAt
	size int64
	info Info
}

// Open reads the footer and the tables of the image in r, size bytes long, and
// checks that all blocks are inside the file. The error is diskerr.ErrUnsafe
// for a differencing image, diskerr.ErrUnsupported, or diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	raw, at, err := findFooter(r, size)
	if err != nil {
		return nil, err
	}
	f, err := parseFooter(raw)
	if err != nil {
		return nil, err
	}
	image := &Image{size: f.size, info: Info{Kind: f.kind, Creator: printable(f.creator), CurrentSize: f.currentSize}}
	if f.kind == Fixed {
		if f.size > at {
			return nil, diskerr.Corrupt("fixed VHD: the disk has %d bytes, but only %d are before the footer; copy or build it again", f.size, at)
		}
		image.ReaderAt = io.NewSectionReader(r, 0, f.size)
		return image, nil
	}
	m, err := openDynamic(r, size, f)
	if err != nil {
		return nil, err
	}
	image.ReaderAt, image.info.BlockSize = m, m.BlockSize
	return image, nil
}

// Size is that of the virtual disk in bytes, as QEMU sees it.
func (i *Image) Size() int64 { return i.size }

// Info returns what the footer says.
func (i *Image) Info() Info { return i.info }

// findFooter prefers the footer at the end, which is the one that counts, to
// the copy at the start.
func findFooter(r io.ReaderAt, size int64) ([]byte, int64, error) {
	if raw, at, found := lastFooter(r, size); found {
		return raw, at, nil
	}
	raw, err := readFooter(r, size, 0)
	if err != nil {
		return nil, 0, err
	}
	if string(raw[:len(Cookie)]) != Cookie || !intact(raw, offChecksum) {
		return nil, 0, diskerr.Corrupt("VHD: the checksum of its footer is wrong, or the file was cut off; copy or build it again")
	}
	return raw, 0, nil
}

// printable keeps what can be shown of a creator's four bytes.
func printable(creator string) string {
	shown := make([]byte, 0, len(creator))
	for _, b := range []byte(creator) {
		if b >= ' ' && b <= '~' {
			shown = append(shown, b)
		}
	}
	return string(shown)
}

// Offsets of the dynamic disk header: the specification, "Dynamic Disk Header
// Format".
const (
	headerCookie     = "cxsparse"
	headerSize       = 1024
	offTableOffset   = 16
	offTableEntries  = 28
	offBlockSize     = 32
	offHeaderCheck   = 36
	entrySize        = 4
	entryUnallocated = 0xffffffff

	minBlockSize = sectorSize
	maxBlockSize = 256 << 20
)

func openDynamic(r io.ReaderAt, size int64, f *footer) (*blocks.Map, error) {
	raw := make([]byte, headerSize)
	if err := readat.Full(r, raw, f.dataOffset, "VHD dynamic disk header"); err != nil {
		return nil, err
	}
	if string(raw[:len(headerCookie)]) != headerCookie || !intact(raw, offHeaderCheck) {
		return nil, diskerr.Corrupt("VHD dynamic disk header at offset %d: its cookie or checksum is wrong", f.dataOffset)
	}
	be := binary.BigEndian
	tableOffset, entries := int64(be.Uint64(raw[offTableOffset:])), int64(be.Uint32(raw[offTableEntries:]))
	blockSize := int64(be.Uint32(raw[offBlockSize:]))
	if blockSize < minBlockSize || blockSize > maxBlockSize || bits.OnesCount64(uint64(blockSize)) != 1 {
		return nil, diskerr.Corrupt("VHD dynamic disk header: block size %d, want a power of 2 from %d to %d", blockSize, minBlockSize, maxBlockSize)
	}
	need := blocks.Blocks(f.size, blockSize)
	if entries < need {
		return nil, diskerr.Corrupt("VHD block allocation table: %d entries, a disk of %d bytes needs %d", entries, f.size, need)
	}
	table, err := blocks.ReadTable(r, size, tableOffset, need, entrySize, "VHD block allocation table")
	if err != nil {
		return nil, err
	}
	m := &blocks.Map{File: r, FileSize: size, Format: "VHD", Size: f.size, BlockSize: blockSize, Where: place(table, blockSize)}
	if err := m.Check(); err != nil {
		return nil, err
	}
	return m, nil
}

// place looks up where the data of a block is: behind its bitmap of sectors,
// which fills whole sectors itself. Like QEMU, it does not look at the bitmap:
// a sector that was never written is zero on disk too.
func place(table []byte, blockSize int64) func(int64) (int64, error) {
	bitmap := (blockSize/sectorSize/8 + sectorSize - 1) / sectorSize * sectorSize
	return func(block int64) (int64, error) {
		entry := binary.BigEndian.Uint32(table[block*entrySize:])
		if entry == entryUnallocated {
			return blocks.Nowhere, nil
		}
		return int64(entry)*sectorSize + bitmap, nil
	}
}

// Violations says in sentences what of the image other programs see in another
// way; nothing if they all agree.
func (i *Image) Violations() []string {
	if i.size >= i.info.CurrentSize/sectorSize*sectorSize {
		return nil
	}
	return []string{fmt.Sprintf("QEMU takes the disk's size from its geometry, %d bytes, and cuts off the rest of the %d bytes that the VHD's footer tells", i.size, i.info.CurrentSize)}
}
