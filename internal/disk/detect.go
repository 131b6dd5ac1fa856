package disk

import (
	"errors"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/qcow2"
)

// foreign is a format that is recognised, and not read.
type foreign struct {
	name   string
	offset int64
	magic  string
	remedy string
}

const (
	convert   = "convert it with qemu-img convert -O qcow2"
	unpackTar = "unpack it with tar, and take the disk in it"
)

// foreigns: oslo.utils, imageutils/format_inspector.py; QEMU block/*.c;
// file(1), magic/Magdir. A tar archive holds its magic after the first header.
var foreigns = []foreign{
	{"a VMDK image", 0, "KDMV", convert},
	{"a VMDK image (COWD)", 0, "COWD", convert},
	{"the descriptor of a VMDK image", 0, "# Disk DescriptorFile", convert},
	{"a VHDX image", 0, "vhdxfile", convert},
	{"a VHD image", 0, vhdCookie, convert},
	{"a VDI image", 0x40, "\x7f\x10\xda\xbe", convert},
	{"a QED image", 0, "QED\x00", convert},
	{"a Parallels image", 0, "WithoutFreeSpace", convert},
	{"a Parallels image", 0, "WithouFreSpacExt", convert},
	{"a LUKS container", 0, "LUKS\xba\xbe", "decrypt it: nothing in it can be inspected"},
	{"compressed with gzip", 0, "\x1f\x8b\x08", "unpack it with gunzip"},
	{"compressed with xz", 0, "\xfd7zXZ\x00", "unpack it with unxz"},
	{"compressed with zstd", 0, "\x28\xb5\x2f\xfd", "unpack it with unzstd"},
	{"compressed with bzip2", 0, "BZh", "unpack it with bunzip2"},
	{"compressed with lz4", 0, "\x04\x22\x4d\x18", "unpack it with unlz4"},
	{"a ZIP archive", 0, "PK\x03\x04", "unpack it, and take the disk in it"},
	{"a tar archive, such as an OVA", 257, "ustar", unpackTar},
	{"an ISO 9660 image", 0x8001, "CD001", "it is an installation medium, not an installed disk: build a disk from it first"},
}

// vhdCookie starts the footer of a VHD, of which dynamic images have a copy
// at their start: Virtual Hard Disk Image Format Specification, "Hard Disk
// Footer Format". Old ones are a byte shorter.
const (
	vhdCookie       = "conectix"
	vhdFooterSize   = 512
	vhdOldFooterLen = 511
)

// detect tells the format by content. The error is ErrUnsupported for a
// format that is not read.
func detect(r io.ReaderAt, size int64) (Format, error) {
	found, err := has(r, size, 0, qcow2.Magic)
	if err != nil {
		return "", err
	}
	if found {
		return FormatQCOW2, nil
	}
	candidates := append([]foreign{
		{"a VHD image", size - vhdFooterSize, vhdCookie, convert},
		{"a VHD image", size - vhdOldFooterLen, vhdCookie, convert},
	}, foreigns...)
	for _, f := range candidates {
		found, err := has(r, size, f.offset, f.magic)
		if err != nil {
			return "", err
		}
		if found {
			return "", diskerr.Unsupported("it is %s, which is not read: %s", f.name, f.remedy)
		}
	}
	return FormatRaw, nil
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
