// Package convert turns any disk that internal/disk opens into raw or qcow2, as
// a stream that can be opened again, and gives one stream to several readers.
package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
)

// Source is a stream that can be read again: what glance.Source asks for.
type Source interface {
	// Size is the number of bytes that every reader from Open gives.
	Size() int64
	// Open returns a reader at the first byte.
	Open() (io.ReadCloser, error)
}

// Disk is a disk to convert. Its sources are good until it is closed.
type Disk struct {
	image    *disk.Image
	path     string
	size     int64
	modified time.Time
	// temporary files are removed with the disk.
	temporary []*os.File
}

// ErrChanged is why a disk can not be read to its end.
var ErrChanged = errors.New("it was changed while it was being converted; let nothing write to it, and build again")

// Open opens the disk image at path. A packed one is unpacked into a temporary
// file. The errors are those of disk.OpenWith.
func Open(ctx context.Context, path string, options disk.Options) (*Disk, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	image, err := disk.OpenWith(ctx, path, options)
	if err != nil {
		return nil, err
	}
	return &Disk{image: image, path: path, size: info.Size(), modified: info.ModTime()}, nil
}

// Close closes the image, and removes what it was unpacked to and compressed in.
func (d *Disk) Close() error {
	errs := []error{d.image.Close()}
	for _, file := range d.temporary {
		errs = append(errs, file.Close(), os.Remove(file.Name()))
	}
	return errors.Join(errs...)
}

// Image is the open image, for those who read it too. It is closed with the
// disk.
func (d *Disk) Image() *disk.Image { return d.image }

// Size is that of the virtual disk in bytes.
func (d *Disk) Size() int64 { return d.image.Size() }

// Raw is the disk as a raw image. What is known to be zero is not read.
func (d *Disk) Raw() Source {
	return stream{disk: d, size: d.Size(), fill: d.read}
}

// Is tells whether the file is an image of the format as it is, in no wrapping.
func (d *Disk) Is(format disk.Format) bool {
	info := d.image.Info()
	return info.Format == format && len(info.Wrapping) == 0
}

// AsIs is the file as it is. A raw disk is better read by Raw.
func (d *Disk) AsIs() Source {
	return stream{disk: d, size: d.size, fill: d.readFile}
}

// readFile fills p from off of the file.
func (d *Disk) readFile(p []byte, off int64) (err error) {
	file, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.ReadFull(io.NewSectionReader(file, off, int64(len(p))), p)
	return err
}

// unchanged tells that the file is still the one that was opened.
func (d *Disk) unchanged() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if info.Size() != d.size || !info.ModTime().Equal(d.modified) {
		return fmt.Errorf("%s: %w", d.path, ErrChanged)
	}
	return nil
}

// read fills p, which lies inside the disk, from off.
func (d *Disk) read(p []byte, off int64) error {
	for len(p) > 0 {
		length, zero, err := d.image.Extent(off)
		if err != nil {
			return fmt.Errorf("%s: map of the disk at offset %d: %w", d.path, off, err)
		}
		n := min(int64(len(p)), length)
		if zero {
			clear(p[:n])
		} else if _, err := io.ReadFull(io.NewSectionReader(d.image, off, n), p[:n]); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		p, off = p[n:], off+n
	}
	return nil
}
