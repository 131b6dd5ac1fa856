package vmdk

import (
	"fmt"
	"io"
	"sort"
	"strconv"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Opener opens the file of an extent by the name that the descriptor has for
// it, and says how many bytes it has. The name is the image's: it is for the
// opener to refuse what the descriptor has no business with.
type Opener func(name string) (file io.ReaderAt, size int64, err error)

// extents is a disk that is put together from the extents of a descriptor.
type extents struct {
	parts []part
	size  int64
}

type part struct {
	io.ReaderAt
	start, size int64
}

func openExtents(d *descriptor, open Opener) (*extents, error) {
	if len(d.extents) == 0 || len(d.extents) > maxExtents {
		return nil, diskerr.Corrupt("VMDK descriptor: %d extents, want 1 to %d", len(d.extents), maxExtents)
	}
	disk := &extents{}
	for i, e := range d.extents {
		r, err := openExtent(e, open)
		if err != nil {
			return nil, fmt.Errorf("extent %d of the VMDK descriptor: %w", i+1, err)
		}
		disk.parts = append(disk.parts, part{ReaderAt: r, start: disk.size, size: e.sectors * sectorSize})
		disk.size += e.sectors * sectorSize
	}
	if disk.size == 0 || disk.size > maxSectors*sectorSize {
		return nil, diskerr.Corrupt("VMDK descriptor: impossible disk size %d", disk.size)
	}
	return disk, nil
}

func openExtent(e extent, open Opener) (io.ReaderAt, error) {
	switch e.kind {
	case kindZero:
		return zeros{}, nil
	case kindFlat, kindVMFS, kindSparse:
	default:
		return nil, diskerr.Unsupported("it is of the kind %s, which is not read: convert the image with qemu-img convert -O qcow2", strconv.Quote(e.kind))
	}
	if open == nil {
		return nil, diskerr.Unsafe("it is in the file %s, which was not opened; make one file of the image with qemu-img convert -O qcow2", strconv.Quote(e.file))
	}
	file, size, err := open(e.file)
	if err != nil {
		return nil, err
	}
	if e.kind == kindSparse {
		return sparseExtent(e, file, size)
	}
	start, length := e.offset*sectorSize, e.sectors*sectorSize
	if length > size || start > size-length {
		return nil, diskerr.Corrupt("it has %d bytes at offset %d of the file %s, which is cut off at %d bytes", length, start, strconv.Quote(e.file), size)
	}
	return io.NewSectionReader(file, start, length), nil
}

func sparseExtent(e extent, file io.ReaderAt, size int64) (io.ReaderAt, error) {
	h, _, err := readHeader(file, size)
	if err != nil {
		return nil, err
	}
	if h.size() < e.sectors*sectorSize {
		return nil, diskerr.Corrupt("it has %d sectors, but its file only %d", e.sectors, h.capacity)
	}
	return openSparse(file, size, h)
}

// ReadAt reads from the disk.
func (e *extents) ReadAt(p []byte, off int64) (int, error) {
	return readat.Pieces(p, off, e.size, "VMDK extent", e.some)
}

func (e *extents) some(p []byte, off int64) (int, error) {
	i := sort.Search(len(e.parts), func(i int) bool { return e.parts[i].start+e.parts[i].size > off })
	found := e.parts[i]
	p = p[:min(int64(len(p)), found.start+found.size-off)]
	return len(p), readat.Full(found, p, off-found.start, "data")
}

// zeros is an extent of the kind ZERO.
type zeros struct{}

// ReadAt fills p with zeros.
func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
