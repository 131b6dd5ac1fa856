package vhd_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhd"
)

func open(r io.ReaderAt, size int64) (disktest.Disk, error) { return vhd.Open(r, size) }

func content(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16) }

// mend sets the checksums of footers and of the dynamic disk header right.
func mend(image []byte) {
	for _, at := range []int{0, len(image) - 512} {
		if at >= 0 && at+512 <= len(image) && bytes.HasPrefix(image[at:], []byte(vhd.Cookie)) {
			sum(image[at:at+512], 64)
		}
	}
	if len(image) >= 512+1024 && bytes.HasPrefix(image[512:], []byte("cxsparse")) {
		sum(image[512:512+1024], 36)
	}
}

func sum(b []byte, offset int) {
	clear(b[offset : offset+4])
	var sum uint32
	for _, v := range b {
		sum += uint32(v)
	}
	binary.BigEndian.PutUint32(b[offset:], ^sum)
}

func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func u64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// both are edits of the footer and of its copy at the start.
func both(offset int, value string) map[int]string {
	return map[int]string{offset: value, offset - 512: value}
}

func TestHostileDynamicImagesAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(3<<20), "vpc -o force_size=on")
	const header = 512
	disktest.RefuseHostile(t, image, mend, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "differencing", Edits: both(60, u32(4)), Kind: diskerr.ErrUnsafe, Says: "differencing VHD"},
		{Name: "type", Edits: both(60, u32(5)), Kind: diskerr.ErrCorrupt, Says: "disk type 5"},
		{Name: "size of nothing", Edits: both(48, u64(0)), Kind: diskerr.ErrCorrupt, Says: "impossible disk size 0"},
		{Name: "size below zero", Edits: both(48, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "impossible disk size"},
		{Name: "size above the format's", Edits: both(48, u64(2041<<30)), Kind: diskerr.ErrCorrupt, Says: "impossible disk size"},
		{Name: "size below a sector", Edits: both(48, u64(511)), Kind: diskerr.ErrCorrupt, Says: "without a sector"},
		{Name: "size above the table", Edits: both(48, u64(1<<30)), Kind: diskerr.ErrCorrupt, Says: "needs 512"},
		{Name: "header behind the end", Edits: both(16, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "dynamic disk header"},
		{Name: "header before the start", Edits: both(16, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "impossible offset"},
		{Name: "header elsewhere", Edits: both(16, u64(1024)), Kind: diskerr.ErrCorrupt, Says: "cookie or checksum"},
		{Name: "table behind the end", Edits: map[int]string{header + 16: u64(1 << 40)}, Kind: diskerr.ErrCorrupt, Says: "block allocation table"},
		{Name: "table before the start", Edits: map[int]string{header + 16: u64(1 << 63)}, Kind: diskerr.ErrCorrupt, Says: "block allocation table"},
		{Name: "no entries", Edits: map[int]string{header + 28: u32(0)}, Kind: diskerr.ErrCorrupt, Says: "0 entries"},
		{Name: "block of nothing", Edits: map[int]string{header + 32: u32(0)}, Kind: diskerr.ErrCorrupt, Says: "block size 0"},
		{Name: "odd block", Edits: map[int]string{header + 32: u32(3 << 20)}, Kind: diskerr.ErrCorrupt, Says: "block size 3145728"},
		{Name: "huge block", Edits: map[int]string{header + 32: u32(1 << 31)}, Kind: diskerr.ErrCorrupt, Says: "block size"},
		{Name: "block behind the end", Edits: map[int]string{1536: u32(0xfffffffe)}, Kind: diskerr.ErrCorrupt, Says: "VHD block 0"},
	})
}

func TestATableAboveTheLimitIsNotRead(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vpc -o force_size=on")
	edits := both(48, u64(1<<40))
	edits[512+28], edits[512+32] = u32(0xffffffff), u32(512)
	disktest.RefuseHostile(t, image, mend, open, []disktest.Hostile{
		{Name: "2^31 entries", Edits: edits, Kind: diskerr.ErrUnsupported, Says: "2147483648 entries, and at most 8388608"},
	})
}

func TestWrongChecksumsAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vpc -o force_size=on")
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "footer alone", Edits: map[int]string{-512 + 64: u32(1)}},
		{Name: "copy alone", Edits: map[int]string{64: u32(1)}},
		{Name: "both", Edits: both(64, u32(1)), Kind: diskerr.ErrCorrupt, Says: "the checksum of its footer"},
		{Name: "header", Edits: map[int]string{512 + 36: u32(1)}, Kind: diskerr.ErrCorrupt, Says: "dynamic disk header"},
	})
}

func TestFixedImageEndsBeforeItsFooter(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vpc -o subformat=fixed,force_size=on")
	disktest.RefuseHostile(t, image, mend, open, []disktest.Hostile{
		{Name: "whole"},
		{Name: "longer", Edits: map[int]string{-512 + 48: u64(1<<20 + 512)}, Kind: diskerr.ErrCorrupt, Says: "only 1048576 are before the footer"},
	})
}

// A footer of 511 bytes is that of Virtual PC before 2004.
func TestOldFooterIsRead(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vpc -o subformat=fixed,force_size=on")
	image = image[:len(image)-1]
	got, err := vhd.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil || got.Size() != 1<<20 || got.Info().Kind != vhd.Fixed {
		t.Errorf("got %+v, %v, want a fixed disk of 1 MiB", got, err)
	}
}

func TestSizeIsTheOneThatQEMUSees(t *testing.T) {
	image := disktest.Formatted(t, content(3<<20), "vpc -o force_size=on")
	tests := []struct {
		creator  string
		geometry string // cylinders, heads, sectors
		want     int64
		violates bool
	}{
		{"qem2", "\x00\x01\x01\x01", 3 << 20, false},
		{"win ", "\x00\x01\x01\x01", 3 << 20, false},
		{"vbox", "\x00\x10\x04\x11", 16 * 4 * 17 * 512, true},
		{"vpc ", "\xff\xff\x10\xff", 3 << 20, false},
	}
	for _, test := range tests {
		t.Run(test.creator, func(t *testing.T) {
			edited := bytes.Clone(image)
			for _, at := range []int{0, len(edited) - 512} {
				copy(edited[at+28:], test.creator)
				copy(edited[at+56:], test.geometry)
			}
			mend(edited)
			got, err := vhd.Open(bytes.NewReader(edited), int64(len(edited)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Size() != test.want || len(got.Violations()) > 0 != test.violates {
				t.Errorf("got %d bytes and %q, want %d and a violation: %v", got.Size(), got.Violations(), test.want, test.violates)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{
		disktest.Formatted(f, content(300<<10), "vpc -o force_size=on"),
		disktest.Formatted(f, content(300<<10), "vpc -o subformat=fixed"),
	}
	disktest.Fuzz(f, images, mend, open)
}
