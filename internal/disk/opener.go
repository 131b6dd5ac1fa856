package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ova"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/qcow2"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/unpack"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vdi"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhd"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhdx"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vmdk"
)

// opener opens one image, out of its wrappings.
type opener struct {
	ctx     context.Context
	options Options
	// extents opens the files of a VMDK descriptor; nil opens none.
	extents vmdk.Opener
	// wrapping is what was taken off so far, from the outside.
	wrapping []Wrapping
	closers  []io.Closer
}

// open opens the image in r. What was opened for it is closed on any error.
func (o *opener) open(r io.ReaderAt, size int64) (*Image, error) {
	image, err := o.image(r, size)
	if err != nil {
		return nil, errors.Join(err, closeAll(o.closers))
	}
	image.info.FileSize = size
	image.closers = o.closers
	return image, nil
}

// image takes off one wrapping after the other, and opens what is inside.
func (o *opener) image(r io.ReaderAt, size int64) (*Image, error) {
	found, err := detect(r, size)
	switch {
	case err != nil:
		return nil, err
	case found.foreign != "":
		return nil, found.refusal()
	case found.wrapping != "":
		return o.unwrap(found.wrapping, r, size)
	}
	image, err := o.format(found.format, r, size)
	if err != nil {
		return nil, err
	}
	image.info.Wrapping = o.wrapping
	if image.asRaw, err = partition.Violations(image, image.Size()); err != nil {
		return nil, err
	}
	if image.seenAs, err = seenAs(r, size); err != nil {
		return nil, err
	}
	if image.inside, err = seenAs(image, image.Size()); err != nil {
		return nil, err
	}
	return image, checkDisk(image)
}

// unwrap opens what is inside a wrapping. Of each kind one is taken off, which
// is what people make: a compressed OVA, or a compressed disk in an OVA.
func (o *opener) unwrap(w Wrapping, r io.ReaderAt, size int64) (*Image, error) {
	if slices.ContainsFunc(o.wrapping, func(before Wrapping) bool { return (before == WrappingOVA) == (w == WrappingOVA) }) {
		return nil, diskerr.Unsupported("inside %s there is %s again, which is not read: unpack it", o.wrapping[0], w)
	}
	o.wrapping = append(o.wrapping, w)
	o.extents = nil
	if w == WrappingOVA {
		d, err := ova.Find(r, size)
		if err != nil {
			return nil, err
		}
		image, err := o.image(d, d.Size())
		if err != nil {
			return nil, fmt.Errorf("disk %s of the OVA: %w", strconv.Quote(d.Name), err)
		}
		return image, nil
	}
	f, err := unpack.Unpack(o.ctx, unpack.Source{
		ReaderAt: r, Size: size, Kind: unpack.Kind(w), Limit: o.options.UnpackLimit,
		TempDir: o.options.TempDir, Progress: o.options.Progress,
	})
	if err != nil {
		return nil, err
	}
	o.closers = append(o.closers, f)
	return o.image(f, f.Size)
}

// virtualDisk is what the packages of the formats open.
type virtualDisk interface {
	io.ReaderAt
	Size() int64
}

// format opens the disk of an image that is in no wrapping.
func (o *opener) format(format Format, r io.ReaderAt, size int64) (*Image, error) {
	image := &Image{info: Info{Format: format}}
	info := &image.info
	var d virtualDisk
	var err error
	switch format {
	case FormatQCOW2:
		d, info.QCOW2, err = described(qcow2.Open(r, size))
	case FormatVMDK:
		d, info.VMDK, err = described(vmdk.Open(r, size, o.extents))
	case FormatVHD:
		d, info.VHD, err = described(vhd.Open(r, size))
	case FormatVHDX:
		d, info.VHDX, err = described(vhdx.Open(r, size))
	case FormatVDI:
		d, info.VDI, err = described(vdi.Open(r, size))
	default:
		d = rawDisk{SectionReader: io.NewSectionReader(r, 0, size), file: r}
	}
	if err != nil {
		return nil, err
	}
	image.ReaderAt, info.VirtualSize = d, d.Size()
	if strict, ok := d.(interface{ Violations() []string }); ok {
		image.violations = strict.Violations()
	}
	return image, nil
}

// described returns a disk that was opened with what its header says.
func described[I any, D interface {
	virtualDisk
	Info() I
}](d D, err error) (virtualDisk, *I, error) {
	if err != nil {
		return nil, nil, err
	}
	info := d.Info()
	return d, &info, nil
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

func closeAll(closers []io.Closer) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
