package vhdx_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vhdx"
)

func open(r io.ReaderAt, size int64) (disktest.Disk, error) { return vhdx.Open(r, size) }

func content(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16) }

// The structures with a checksum, and their sizes: two headers and two region
// tables.
var checked = map[int]int{64 << 10: 4 << 10, 128 << 10: 4 << 10, 192 << 10: 64 << 10, 256 << 10: 64 << 10}

// mend sets the checksums of headers and region tables right.
func mend(image []byte) {
	for at, size := range checked {
		if at+size > len(image) {
			continue
		}
		b := image[at : at+size]
		clear(b[4:8])
		binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	}
}

func u32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

func u64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

// both are edits of the two copies of a header or region table.
func both(offset int, value string) map[int]string {
	return map[int]string{offset: value, offset + 64<<10: value}
}

// layout is where qemu-img puts things.
type layout struct {
	table, metadata int // offsets of the regions
	bat             int // index of the table's entry in the region table
	params, size    int // offsets of metadata items
	sector          int
	entry           int // of the metadata table, for the parameters
}

func layoutOf(t *testing.T, image []byte) layout {
	t.Helper()
	le := binary.LittleEndian
	var l layout
	for i := range int(le.Uint32(image[192<<10+8:])) {
		e := image[192<<10+16+32*i:]
		if le.Uint32(e) == 0x2dc27766 {
			l.table, l.bat = int(le.Uint64(e[16:])), i
		} else {
			l.metadata = int(le.Uint64(e[16:]))
		}
	}
	for i := range int(le.Uint16(image[l.metadata+10:])) {
		at := l.metadata + 32 + 32*i
		item := l.metadata + int(le.Uint32(image[at+16:]))
		switch le.Uint32(image[at:]) {
		case 0xcaa16737:
			l.params, l.entry = item, at
		case 0x2fa54224:
			l.size = item
		case 0x8141bf1d:
			l.sector = item
		}
	}
	if l.table == 0 || l.params == 0 || l.size == 0 || l.sector == 0 {
		t.Fatalf("what qemu-img made is not where it should be: %+v", l)
	}
	return l
}

func TestHostileHeadersAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(3<<20), "vhdx -o block_size=1M")
	l := layoutOf(t, image)
	const header, regions = 64 << 10, 192 << 10
	entry := regions + 16 + 32*l.bat
	disktest.RefuseHostile(t, image, mend, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "log", Edits: both(header+48, "a log of a writer"), Kind: diskerr.ErrUnsupported, Says: "its log must be replayed"},
		{Name: "log in the header that is old", Edits: map[int]string{header + 8: u64(1), header + 48: "a log", 2*header + 8: u64(2)}},
		{Name: "log in the header that counts", Edits: map[int]string{header + 8: u64(9), header + 48: "a log", 2*header + 8: u64(2)}, Kind: diskerr.ErrUnsupported, Says: "its log"},
		{Name: "version", Edits: both(header+66, "\x02"), Kind: diskerr.ErrUnsupported, Says: "version 2"},
		{Name: "no header", Edits: both(header, "none"), Kind: diskerr.ErrCorrupt, Says: "both headers"},
		{Name: "one header", Edits: map[int]string{header: "none"}},
		{Name: "no region table", Edits: both(regions, "none"), Kind: diskerr.ErrCorrupt, Says: "both region tables"},
		{Name: "one region table", Edits: map[int]string{regions: "none"}},
		{Name: "regions above the limit", Edits: both(regions+8, u32(2048)), Kind: diskerr.ErrCorrupt, Says: "2048 entries"},
		{Name: "no region", Edits: both(regions+8, u32(0)), Kind: diskerr.ErrCorrupt, Says: "no "},
		{Name: "unknown required region", Edits: map[int]string{entry: "unknown", entry + 28: u32(1)}, Kind: diskerr.ErrUnsupported, Says: "required region"},
		{Name: "region behind the end", Edits: both(entry+16, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "not inside the file"},
		{Name: "region before the start", Edits: both(entry+16, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "not inside the file"},
		{Name: "region over the headers", Edits: both(entry+16, u64(0)), Kind: diskerr.ErrCorrupt, Says: "not inside the file"},
		{Name: "region of nothing", Edits: both(entry+24, u32(0)), Kind: diskerr.ErrCorrupt, Says: "not inside the file"},
		{Name: "region named twice", Edits: both(regions+16+32*(1-l.bat), string(image[entry:entry+16])), Kind: diskerr.ErrCorrupt, Says: "named twice"},
	})
}

func TestWrongChecksumsAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vhdx")
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "header alone", Edits: map[int]string{64<<10 + 4: u32(1)}},
		{Name: "both headers", Edits: both(64<<10+4, u32(1)), Kind: diskerr.ErrCorrupt, Says: "both headers"},
		{Name: "region table alone", Edits: map[int]string{192<<10 + 4: u32(1)}},
		{Name: "both region tables", Edits: both(192<<10+4, u32(1)), Kind: diskerr.ErrCorrupt, Says: "both region tables"},
	})
}

func TestHostileMetadataAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(3<<20), "vhdx -o block_size=1M")
	l := layoutOf(t, image)
	at := func(offset int, value string) map[int]string { return map[int]string{offset: value} }
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "signature", Edits: at(l.metadata, "none"), Kind: diskerr.ErrCorrupt, Says: "metadata table"},
		{Name: "items above the limit", Edits: at(l.metadata+10, "\x00\x08"), Kind: diskerr.ErrCorrupt, Says: "2048 items"},
		{Name: "no items", Edits: at(l.metadata+10, "\x00\x00"), Kind: diskerr.ErrCorrupt, Says: "is missing"},
		{Name: "unknown required item", Edits: at(l.entry, "unknown"), Kind: diskerr.ErrUnsupported, Says: "required metadata"},
		{Name: "item behind the region", Edits: at(l.entry+16, u32(0xffffff00)), Kind: diskerr.ErrCorrupt, Says: "of a region"},
		{Name: "item in the table", Edits: at(l.entry+16, u32(16)), Kind: diskerr.ErrCorrupt, Says: "of a region"},
		{Name: "item too short", Edits: at(l.entry+20, u32(7)), Kind: diskerr.ErrCorrupt, Says: "7 bytes"},
		{Name: "item too long", Edits: at(l.entry+20, u32(0xffffffff)), Kind: diskerr.ErrCorrupt, Says: "of a region"},
		{Name: "parent locator", Edits: at(l.entry, "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"), Kind: diskerr.ErrUnsafe, Says: "differencing"},
		{Name: "has a parent", Edits: at(l.params+4, u32(2)), Kind: diskerr.ErrUnsafe, Says: "differencing"},
		{Name: "block of nothing", Edits: at(l.params, u32(0)), Kind: diskerr.ErrCorrupt, Says: "block size 0"},
		{Name: "odd block", Edits: at(l.params, u32(3<<20)), Kind: diskerr.ErrCorrupt, Says: "block size 3145728"},
		{Name: "huge block", Edits: at(l.params, u32(512<<20)), Kind: diskerr.ErrCorrupt, Says: "block size"},
		{Name: "sector", Edits: at(l.sector, u32(520)), Kind: diskerr.ErrCorrupt, Says: "sectors of 520"},
		{Name: "size of nothing", Edits: at(l.size, u64(0)), Kind: diskerr.ErrCorrupt, Says: "impossible disk size 0"},
		{Name: "size below zero", Edits: at(l.size, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "impossible disk size"},
		{Name: "odd size", Edits: at(l.size, u64(3<<20+1)), Kind: diskerr.ErrCorrupt, Says: "impossible disk size"},
		{Name: "size above the table", Edits: at(l.size, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "block allocation table"},
		{Name: "block behind the end", Edits: at(l.table, u64(1<<40|6)), Kind: diskerr.ErrCorrupt, Says: "VHDX block 0"},
		{Name: "block before the start", Edits: at(l.table, u64(1<<63|6)), Kind: diskerr.ErrCorrupt, Says: "VHDX block 0"},
		{Name: "partial block", Edits: at(l.table, u64(7)), Kind: diskerr.ErrCorrupt, Says: "only a part"},
		{Name: "unknown state", Edits: at(l.table, u64(4)), Kind: diskerr.ErrCorrupt, Says: "state 4"},
		{Name: "unmapped block", Edits: at(l.table, u64(3))},
	})
}

// With sectors of 512 bytes and blocks of 256 MiB there is a bitmap's entry in
// the table behind 16 blocks.
func TestBitmapEntriesAreLeftOut(t *testing.T) {
	image := disktest.Formatted(t, content(3<<20), "vhdx -o block_size=256M")
	l := layoutOf(t, image)
	const gib = 1 << 30
	le := binary.LittleEndian
	le.PutUint64(image[l.size:], 5*gib)
	entries := image[l.table:]
	first := le.Uint64(entries)
	clear(entries[:8*24])
	le.PutUint64(entries[8*17:], first) // block 16, behind the bitmap's entry
	image = append(image, make([]byte, int(first&^(1<<20-1))+256<<20-len(image))...)
	got, err := vhdx.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	read := make([]byte, 16)
	for off, want := range map[int64]string{0: string(make([]byte, 16)), 4 * gib: "0123456789abcdef", 4*gib + 256<<20: string(make([]byte, 16))} {
		if _, err := got.ReadAt(read, off); err != nil || string(read) != want {
			t.Errorf("at %d: got %q, %v, want %q", off, read, err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	images := [][]byte{disktest.Formatted(f, content(300<<10), "vhdx -o block_size=1M")}
	disktest.Fuzz(f, images, mend, open)
}
