package disk

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ova"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/qcow2"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/unpack"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vdi"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhd"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhdx"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vmdk"
)

// kind is what a file is by its content: an image of a format that is read, a
// wrapping with an image in it, or something else, with what to do about it.
type kind struct {
	format   Format
	wrapping Wrapping
	foreign  string
	remedy   string
}

// signature is what marks a kind.
type signature struct {
	kind
	offset int64
	magic  string
}

const (
	convert = "convert it with qemu-img convert -O qcow2"
	medium  = "it is an installation medium, not an installed disk: build a disk from it first"
)

// signatures: oslo.utils, imageutils/format_inspector.py; QEMU block/*.c;
// file(1), magic/Magdir. A tar archive holds its magic after the first header.
var signatures = []signature{
	{kind{format: FormatQCOW2}, 0, qcow2.Magic},
	{kind{format: FormatVMDK}, 0, vmdk.Magic},
	{kind{format: FormatVMDK}, 0, vmdk.DescriptorStart},
	{kind{format: FormatVHDX}, 0, vhdx.Signature},
	{kind{format: FormatVHD}, 0, vhd.Cookie},
	{kind{format: FormatVDI}, vdi.MagicOffset, vdi.Signature},
	{kind{foreign: "a VMDK image (COWD)", remedy: convert}, 0, "COWD"},
	{kind{foreign: "a QED image", remedy: convert}, 0, "QED\x00"},
	{kind{foreign: "a Parallels image", remedy: convert}, 0, "WithoutFreeSpace"},
	{kind{foreign: "a Parallels image", remedy: convert}, 0, "WithouFreSpacExt"},
	{kind{foreign: "a LUKS container", remedy: "decrypt it: nothing in it can be inspected"}, 0, "LUKS\xba\xbe"},
	{kind{wrapping: WrappingGzip}, 0, unpack.GzipMagic},
	{kind{wrapping: WrappingXZ}, 0, unpack.XZMagic},
	{kind{wrapping: WrappingZstd}, 0, unpack.ZstdMagic},
	{kind{foreign: "compressed with bzip2", remedy: "unpack it with bunzip2"}, 0, "BZh"},
	{kind{foreign: "compressed with lz4", remedy: "unpack it with unlz4"}, 0, "\x04\x22\x4d\x18"},
	{kind{foreign: "a ZIP archive", remedy: "unpack it, and take the disk in it"}, 0, "PK\x03\x04"},
	{kind{wrapping: WrappingOVA}, ova.MagicOffset, ova.Magic},
	{kind{foreign: "an ISO 9660 image", remedy: medium}, 0x8001, "CD001"},
	{kind{foreign: "a UDF image", remedy: medium}, 0x8001, "NSR02"},
	{kind{foreign: "a UDF image", remedy: medium}, 0x8001, "NSR03"},
}

// detect tells what the file r of size bytes is. What nothing marks is a raw
// disk.
func detect(r io.ReaderAt, size int64) (kind, error) {
	for _, s := range signatures {
		found, err := has(r, size, s.offset, s.magic)
		if err != nil || found {
			return s.kind, err
		}
	}
	descriptor, err := isVMDKDescriptor(r, size)
	switch {
	case err != nil:
		return kind{}, err
	case descriptor:
		return kind{format: FormatVMDK}, nil
	case vhd.Match(r, size):
		return kind{format: FormatVHD}, nil
	}
	return kind{format: FormatRaw}, nil
}

// refusal is diskerr.ErrUnsupported for what is neither image nor wrapping.
func (k kind) refusal() error {
	return diskerr.Unsupported("it is %s, which is not read: %s", k.foreign, k.remedy)
}

func has(r io.ReaderAt, size, offset int64, magic string) (bool, error) {
	if offset < 0 || offset > size-int64(len(magic)) {
		return false, nil
	}
	got := make([]byte, len(magic))
	n, err := r.ReadAt(got, offset)
	if n < len(got) && !errors.Is(err, io.EOF) {
		return false, err
	}
	return string(got[:n]) == magic, nil
}

// What oslo.utils looks through for the descriptor of a VMDK image:
// imageutils/format_inspector.py, VMDKInspector.
const (
	textHead       = 512
	textMin        = 64
	descriptorSpan = 1<<20 - 1
)

// isVMDKDescriptor: oslo.utils takes each text with a createType for one,
// since QEMU would open the files that it names.
func isVMDKDescriptor(r io.ReaderAt, size int64) (bool, error) {
	head, err := start(r, size, textHead)
	if err != nil || len(head) < textMin || slices.ContainsFunc(head, notText) {
		return false, err
	}
	text, err := start(r, size, descriptorSpan)
	if err != nil {
		return false, err
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	if slices.ContainsFunc(text, func(b byte) bool { return b > unicode.MaxASCII }) {
		return false, nil
	}
	_, kind, found := bytes.Cut(bytes.ToLower(text), []byte(`createtype="`))
	end := bytes.IndexByte(kind, '"')
	return found && end >= 0 && end < 64, nil
}

// notText: what is neither printable nor white space for Python's str.
func notText(b byte) bool {
	return (b < ' ' || b > '~') && (b < '\t' || b > '\r') && (b < 0x1c || b > 0x1f)
}

// start returns the first bytes of r, up to length.
func start(r io.ReaderAt, size, length int64) ([]byte, error) {
	head := make([]byte, min(size, length))
	n, err := r.ReadAt(head, 0)
	if n < len(head) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head[:n], nil
}
