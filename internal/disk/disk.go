// Package disk opens disk images for reading: what they are is told from
// their content, and nothing that they name is ever opened.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/qcow2"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/unpack"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vdi"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhd"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhdx"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vmdk"
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
	FormatVMDK  Format = "vmdk"
	FormatVHD   Format = "vhd"
	FormatVHDX  Format = "vhdx"
	FormatVDI   Format = "vdi"
)

// Wrapping is what an image can be packed in.
type Wrapping string

// The wrappings that are taken off.
const (
	WrappingOVA  = Wrapping("ova")
	WrappingGzip = Wrapping(unpack.Gzip)
	WrappingXZ   = Wrapping(unpack.XZ)
	WrappingZstd = Wrapping(unpack.Zstd)
)

// Options are for the unpacking of a compressed image.
type Options struct {
	// Progress is told from time to time how many bytes of the file of total
	// bytes have been unpacked.
	Progress func(done, total int64)
	// UnpackLimit is how many bytes a compressed image may unpack to;
	// 0 stands for 128 GiB.
	UnpackLimit int64
	// TempDir is the folder of the temporary file; "" stands for the system's,
	// which the environment variable TMPDIR names on Unix.
	TempDir string
}

// Info describes an image.
type Info struct {
	Format Format `json:"format"`
	// Wrapping is what the image is packed in, from the outside.
	Wrapping []Wrapping `json:"wrapping,omitempty"`
	// FileSize is the length of the file, VirtualSize that of the disk in it,
	// both in bytes.
	FileSize    int64 `json:"file_size"`
	VirtualSize int64 `json:"virtual_size"`
	// One of these is set, for the format that has more to tell.
	QCOW2 *QCOW2Info `json:"qcow2,omitempty"`
	VMDK  *VMDKInfo  `json:"vmdk,omitempty"`
	VHD   *VHDInfo   `json:"vhd,omitempty"`
	VHDX  *VHDXInfo  `json:"vhdx,omitempty"`
	VDI   *VDIInfo   `json:"vdi,omitempty"`
}

// QCOW2Info is what the header of a qcow2 image says.
type QCOW2Info = qcow2.Info

// VMDKInfo is what the header and the descriptor of a VMDK image say.
type VMDKInfo = vmdk.Info

// VHDInfo is what the footer of a VHD image says.
type VHDInfo = vhd.Info

// VHDXInfo is what the metadata of a VHDX image say.
type VHDXInfo = vhdx.Info

// VDIInfo is what the header of a VDI image says.
type VDIInfo = vdi.Info

// Image is the virtual disk in an image. It is safe for concurrent reads.
type Image struct {
	io.ReaderAt
	info Info
	// violations are those of the format's own rules, asRaw those that the disk
	// would have as a raw image. seenAs are the formats that oslo.utils finds in
	// the file, and inside those that it would find in the disk as a raw image.
	violations, asRaw []string
	seenAs, inside    []string
	closers           []io.Closer
}

// Open opens the image at path, a regular file or a block device. A compressed
// one is unpacked into a temporary file first.
//
// The error is ErrUnsafe, ErrUnsupported or ErrCorrupt where one of them
// applies, and names path in any case.
func Open(path string) (*Image, error) {
	return OpenWith(context.Background(), path, Options{})
}

// OpenWith is Open for those who want to see, bound or cancel the unpacking of
// a compressed image.
func OpenWith(ctx context.Context, path string, options Options) (*Image, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	files := &extentFiles{path: path, opened: map[string]*os.File{}}
	o := &opener{ctx: ctx, options: options, extents: files.open, closers: []io.Closer{f, files}}
	image, err := o.open(f, size)
	if err != nil {
		return nil, fmt.Errorf("disk image %s: %w", path, err)
	}
	return image, nil
}

// Packed tells what the file at path is compressed with, empty where it is not,
// without unpacking it.
func Packed(path string) (_ Wrapping, err error) {
	f, size, err := openFile(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	found, err := detect(f, size)
	if err != nil {
		return "", fmt.Errorf("disk image %s: %w", path, err)
	}
	if found.wrapping == WrappingOVA {
		return "", nil
	}
	return found.wrapping, nil
}

// NewReader opens the image in r, size bytes long. Its errors are those of
// Open, without a path. It opens no file but a temporary one, for a compressed
// image.
func NewReader(r io.ReaderAt, size int64) (*Image, error) {
	o := &opener{ctx: context.Background()}
	return o.open(r, size)
}

// Info describes the image.
func (i *Image) Info() Info { return i.info }

// Size is that of the virtual disk in bytes.
func (i *Image) Size() int64 { return i.info.VirtualSize }

// Close closes what was opened for the image, and removes temporary files.
func (i *Image) Close() error { return closeAll(i.closers) }
