// Package vmdk reads VMDK images: sparse ones, also stream-optimized, and those
// whose descriptor names the files of their extents. Source of the format:
// VMware, Virtual Disk Format 5.0; QEMU block/vmdk.c.
package vmdk

import (
	"fmt"
	"io"
)

// Info is what the image's header and descriptor say.
type Info struct {
	// CreateType is the kind of image as its descriptor has it, such as
	// monolithicSparse; empty where the descriptor has none.
	CreateType string `json:"create_type"`
	// GrainSize is in bytes; 0 for an image that is a descriptor only.
	GrainSize int64 `json:"grain_size,omitempty"`
	// Compressed says that the grains are packed with deflate.
	Compressed bool `json:"compressed"`
	// Footer says that the header that counts is at the end of the file.
	Footer bool `json:"footer"`
	// Extents are the names of the files that a descriptor keeps the disk in.
	Extents []string `json:"extents,omitempty"`
}

// Image is the virtual disk, safe for concurrent reads.
type Image struct {
	io.ReaderAt
	size   int64
	info   Info
	faults []string
}

// Open reads the header, the descriptor and the tables of the image in r, size
// bytes long, and checks that all data are inside their files. The files of
// extents are opened with open; without it there are none.
//
// The error is diskerr.ErrUnsafe for an image that is the difference to
// another or keeps its disk in files that may not be opened,
// diskerr.ErrUnsupported, or diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64, open Opener) (*Image, error) {
	magic := make([]byte, len(Magic))
	if n, _ := r.ReadAt(magic, 0); n == len(magic) && string(magic) == Magic {
		return openSingle(r, size)
	}
	return openDescriptor(r, size, open)
}

// Size is that of the virtual disk in bytes.
func (i *Image) Size() int64 { return i.size }

// Info returns what the header and the descriptor say.
func (i *Image) Info() Info { return i.info }

// Violations says in sentences why the check of VMDK images in Glance and Nova
// would refuse the image; nothing if it would pass. Source: oslo.utils,
// imageutils/format_inspector.py, VMDKInspector.
func (i *Image) Violations() []string { return i.faults }

// openSingle opens a sparse extent that is an image by itself.
func openSingle(r io.ReaderAt, size int64) (*Image, error) {
	h, first, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	d := &descriptor{faults: []string{"it has no descriptor"}}
	if first.descriptorOffset > 0 && first.descriptorOffset < maxSectors && first.descriptorSize > 0 {
		length := int64(min(first.descriptorSize, maxDescriptor)) * sectorSize
		if d, err = readDescriptor(r, int64(first.descriptorOffset)*sectorSize, length); err != nil {
			return nil, err
		}
	}
	s, err := openSparse(r, size, h)
	if err != nil {
		return nil, err
	}
	return &Image{
		ReaderAt: s, size: h.size(),
		info: Info{
			CreateType: d.createType, GrainSize: h.grainSize(),
			Compressed: h.compressed(), Footer: h != first,
		},
		faults: append(headerFaults(h, first), d.faults...),
	}, nil
}

// headerFaults: a second descriptor could hide one that QEMU would follow.
func headerFaults(h, first *header) []string {
	var faults []string
	if first.descriptorOffset > 1 {
		faults = append(faults, fmt.Sprintf("its descriptor is at sector %d, want 1", first.descriptorOffset))
	}
	if h.version != first.version {
		faults = append(faults, fmt.Sprintf("its header is of version %d and its footer of %d", first.version, h.version))
	}
	if h.descriptorOffset != first.descriptorOffset || h.descriptorSize != first.descriptorSize {
		faults = append(faults, fmt.Sprintf("its header has a descriptor of %d sectors at sector %d, and its footer one of %d at %d",
			first.descriptorSize, first.descriptorOffset, h.descriptorSize, h.descriptorOffset))
	}
	return faults
}

// openDescriptor opens the files that a descriptor names, as far as open lets.
func openDescriptor(r io.ReaderAt, size int64, open Opener) (*Image, error) {
	d, err := readDescriptor(r, 0, size)
	if err != nil {
		return nil, err
	}
	disk, err := openExtents(d, open)
	if err != nil {
		return nil, err
	}
	info := Info{CreateType: d.createType}
	for _, e := range d.extents {
		if e.file != "" {
			info.Extents = append(info.Extents, e.file)
		}
	}
	faults := append([]string{"its disk is in other files than its descriptor, and Glance stores one file"}, d.faults...)
	return &Image{ReaderAt: disk, size: disk.size, info: info, faults: faults}, nil
}
