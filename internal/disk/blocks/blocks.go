// Package blocks reads a virtual disk that a table divides into equal blocks,
// each of them somewhere in the image's file or nowhere.
package blocks

import (
	"fmt"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Nowhere is the offset of a block that reads as zeros.
const Nowhere = -1

// MaxTable bounds the tables that are held in memory, in bytes. It is enough
// for 16 TiB in blocks of 2 MiB.
const MaxTable = 32 << 20

// Map is the disk. It is safe for concurrent reads.
type Map struct {
	File     io.ReaderAt
	FileSize int64
	// Format names the image's format in errors.
	Format string
	// Size is that of the disk and BlockSize that of its blocks, in bytes.
	Size, BlockSize int64
	// Where returns the offset in File of a block's first byte, or Nowhere.
	// It is called for blocks of the disk only, counted from 0.
	Where func(block int64) (int64, error)
}

// Blocks is the number of blocks of a disk of size bytes.
func Blocks(size, blockSize int64) int64 {
	if size <= 0 {
		return 0
	}
	return (size-1)/blockSize + 1
}

// Check refuses a table that names blocks outside the file, which is how an
// image looks that was cut off. The error is diskerr.ErrCorrupt.
func (m *Map) Check() error {
	for block := range Blocks(m.Size, m.BlockSize) {
		offset, err := m.Where(block)
		if err != nil {
			return fmt.Errorf("%s block %d: %w", m.Format, block, err)
		}
		need := min(m.BlockSize, m.Size-block*m.BlockSize)
		if offset != Nowhere && (offset < 0 || offset > m.FileSize-need) {
			return diskerr.Corrupt("%s block %d: %d bytes at offset %d, but the file is cut off at %d bytes; copy or build it again", m.Format, block, need, offset, m.FileSize)
		}
	}
	return nil
}

// ReadAt reads from the disk.
func (m *Map) ReadAt(p []byte, off int64) (int, error) {
	return readat.Pieces(p, off, m.Size, m.Format+" block", m.some)
}

func (m *Map) some(p []byte, off int64) (int, error) {
	inside := off % m.BlockSize
	p = p[:min(int64(len(p)), m.BlockSize-inside)]
	offset, err := m.Where(off / m.BlockSize)
	if err != nil {
		return 0, err
	}
	if offset == Nowhere {
		clear(p)
		return len(p), nil
	}
	return len(p), readat.Full(m.File, p, offset+inside, "data")
}

// ReadTable reads the table at offset in file, which is size bytes long; each
// of its entries has width bytes. The error is diskerr.ErrCorrupt
// for one outside the file, and diskerr.ErrUnsupported for one above MaxTable.
func ReadTable(file io.ReaderAt, size, offset, entries, width int64, what string) ([]byte, error) {
	if entries > MaxTable/width {
		return nil, diskerr.Unsupported("%s: %d entries, and at most %d are read; convert the image with qemu-img convert -O qcow2", what, entries, MaxTable/width)
	}
	length := entries * width
	if offset < 0 || length > size || offset > size-length {
		return nil, diskerr.Corrupt("%s: %d bytes at offset %d, but the file ends at %d bytes", what, length, offset, size)
	}
	table := make([]byte, length)
	return table, readat.Full(file, table, offset, what)
}
