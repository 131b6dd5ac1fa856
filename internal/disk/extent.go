package disk

import (
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/holes"
)

// mapped is a disk that knows without reading where it is all zeros.
type mapped interface {
	// Extent returns how many bytes from off, at least one, are alike, and
	// whether they read as zeros.
	Extent(off int64) (length int64, zero bool, err error)
}

// maxExtentSteps bounds how many clusters, grains or blocks are put together to
// one extent.
const maxExtentSteps = 4096

// Extent returns how many bytes of the disk from off, at least one, are alike,
// and whether they are known to read as zeros by the format's own map or the
// file's holes, so that they need not be read. off must lie inside the disk.
func (i *Image) Extent(off int64) (length int64, zero bool, err error) {
	left := i.Size() - off
	known, ok := i.ReaderAt.(mapped)
	if !ok {
		return left, false, nil
	}
	length, zero, err = known.Extent(off)
	for step := 0; err == nil && length < left && step < maxExtentSteps; step++ {
		var more int64
		var same bool
		if more, same, err = known.Extent(off + length); same != zero {
			break
		}
		length += more
	}
	return min(length, left), zero, err
}

// rawDisk is a disk that is a file as it is.
type rawDisk struct {
	*io.SectionReader
	file io.ReaderAt
}

// Extent knows the holes of a sparse file.
func (r rawDisk) Extent(off int64) (int64, bool, error) {
	length, zero := holes.At(r.file, off, r.Size())
	return length, zero, nil
}
