// Package disk opens disk images for reading: what they are is told from
// their content, and nothing that they name is ever opened.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/qcow2"
)

// The kinds of refusal of this package and those below it.
var (
	// ErrUnsafe: a backing file, an external data file, or encryption.
	ErrUnsafe = diskerr.ErrUnsafe
	// ErrUnsupported: a known format or feature that is not read here.
	ErrUnsupported = diskerr.ErrUnsupported
	// ErrCorrupt: truncated or impossible, or no disk image at all.
	ErrCorrupt = diskerr.ErrCorrupt
)

// Format is the format of an image, as Glance names it in disk_format.
type Format string

// The formats that are read.
const (
	FormatRaw   Format = "raw"
	FormatQCOW2 Format = "qcow2"
)

// Info describes an image.
type Info struct {
	Format Format `json:"format"`
	// FileSize is the length of the file, VirtualSize that of the disk in it,
	// both in bytes.
	FileSize    int64 `json:"file_size"`
	VirtualSize int64 `json:"virtual_size"`
	// QCOW2 is set for that format only.
	QCOW2 *QCOW2Info `json:"qcow2,omitempty"`
}

// QCOW2Info is what the header of a qcow2 image says.
type QCOW2Info = qcow2.Info

// Image is the virtual disk in an image. It is safe for concurrent reads.
type Image struct {
	io.ReaderAt
	info   Info
	asRaw  []string
	closer io.Closer
}

// Open opens the image at path, a regular file or a block device.
//
// The error is ErrUnsafe, ErrUnsupported or ErrCorrupt where one of them
// applies, and names path in any case.
func Open(path string) (*Image, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	image, err := NewReader(f, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("disk image %s: %w", path, err), f.Close())
	}
	image.closer = f
	return image, nil
}

// openFile looks before it opens: opening a pipe would wait for its writer.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("disk image: %w", err)
	}
	if err := checkMode(path, info.Mode()); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("disk image: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("disk image: size: %w", err), f.Close())
	}
	return f, size, nil
}

func checkMode(path string, mode fs.FileMode) error {
	block := mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
	switch {
	case mode.IsRegular() || block:
		return nil
	case mode.IsDir():
		return fmt.Errorf("disk image %s: it is a directory; name the image file in it", path)
	}
	return fmt.Errorf("disk image %s: it is neither a regular file nor a block device, but %v", path, mode.Type())
}

// NewReader opens the image in r, size bytes long. Its errors are those of
// Open, without a path.
func NewReader(r io.ReaderAt, size int64) (*Image, error) {
	format, err := detect(r, size)
	if err != nil {
		return nil, err
	}
	image := &Image{ReaderAt: io.NewSectionReader(r, 0, size), info: Info{Format: format, FileSize: size, VirtualSize: size}}
	if format == FormatQCOW2 {
		q, err := qcow2.Open(r, size)
		if err != nil {
			return nil, err
		}
		info := q.Info()
		image.ReaderAt, image.info.VirtualSize, image.info.QCOW2 = q, q.Size(), &info
	}
	if image.asRaw, err = partition.Violations(image, image.Size()); err != nil {
		return nil, err
	}
	return image, checkDisk(image)
}

// checkDisk refuses a raw file that is no disk: any file is a raw image, but
// a disk is made of whole sectors or, at the least, has something on it.
func checkDisk(image *Image) error {
	size := image.Size()
	if size == 0 {
		return diskerr.Corrupt("no disk image: it is empty")
	}
	if image.info.Format != FormatRaw || size%sectorSize == 0 {
		return nil
	}
	table, err := partition.Read(image, size)
	if err != nil {
		return err
	}
	if table.Kind == partition.None && filesystem.Identify(image, size) == "" {
		return diskerr.Corrupt("no disk image: its %d bytes are not whole sectors of %d, and have neither a partition table nor a file system", size, sectorSize)
	}
	return nil
}

const sectorSize = 512

// Info describes the image.
func (i *Image) Info() Info { return i.info }

// Size is that of the virtual disk in bytes.
func (i *Image) Size() int64 { return i.info.VirtualSize }

// Close closes the file that Open has opened.
func (i *Image) Close() error {
	if i.closer == nil {
		return nil
	}
	return i.closer.Close()
}
