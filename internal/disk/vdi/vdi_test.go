package vdi_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vdi"
)

func open(r io.ReaderAt, size int64) (disktest.Disk, error) { return vdi.Open(r, size) }

func content(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16) }

func u32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

func u64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

func TestHostileImagesAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(3<<20), "vdi")
	table := int(binary.LittleEndian.Uint32(image[340:]))
	at := func(offset int, value string) map[int]string { return map[int]string{offset: value} }
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "signature", Edits: at(0x40, "none"), Kind: diskerr.ErrCorrupt, Says: "no signature"},
		{Name: "version", Edits: at(68, u32(0x00020000)), Kind: diskerr.ErrUnsupported, Says: "version 2.0"},
		{Name: "type of a difference", Edits: at(76, u32(4)), Kind: diskerr.ErrUnsupported, Says: "image type 4"},
		{Name: "link", Edits: at(424, "x"), Kind: diskerr.ErrUnsafe, Says: "difference to another image"},
		{Name: "parent", Edits: at(440, "x"), Kind: diskerr.ErrUnsafe, Says: "difference to another image"},
		{Name: "sector", Edits: at(360, u32(4096)), Kind: diskerr.ErrUnsupported, Says: "sectors of 4096 bytes"},
		{Name: "block", Edits: at(376, u32(2<<20)), Kind: diskerr.ErrUnsupported, Says: "blocks of 0+2097152 bytes"},
		{Name: "extra", Edits: at(380, u32(512)), Kind: diskerr.ErrUnsupported, Says: "blocks of 512+1048576 bytes"},
		{Name: "size of nothing", Edits: at(368, u64(0)), Kind: diskerr.ErrCorrupt, Says: "a disk of 0 bytes"},
		{Name: "size below zero", Edits: at(368, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "does not fit its 3 blocks"},
		{Name: "size above the blocks", Edits: at(368, u64(3<<20+1)), Kind: diskerr.ErrCorrupt, Says: "does not fit its 3 blocks"},
		{Name: "blocks above the limit", Edits: at(384, u32(0x40000000)), Kind: diskerr.ErrCorrupt, Says: "does not fit its 1073741824 blocks"},
		{Name: "table above the limit", Edits: map[int]string{384: u32(0x3fffffff), 368: u64(1 << 45)}, Kind: diskerr.ErrUnsupported, Says: "and at most 8388608 are read"},
		{Name: "table behind the end", Edits: at(340, u32(0xffffff00)), Kind: diskerr.ErrCorrupt, Says: "VDI block map"},
		{Name: "data behind the end", Edits: at(344, u32(0xffffff00)), Kind: diskerr.ErrCorrupt, Says: "VDI block 0"},
		{Name: "block behind the end", Edits: at(table, u32(0xfffffffd)), Kind: diskerr.ErrCorrupt, Says: "VDI block 0"},
		{Name: "discarded block", Edits: at(table, u32(0xfffffffe))},
	})
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{
		disktest.Formatted(f, content(300<<10), "vdi"),
		disktest.Formatted(f, content(300<<10), "vdi -o static=on"),
	}
	disktest.Fuzz(f, images, nil, open)
}
