package vmdk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vmdk"
)

func open(r io.ReaderAt, size int64) (disktest.Disk, error) { return vmdk.Open(r, size, nil) }

func content(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16) }

func u32(n uint32) string { return string(binary.LittleEndian.AppendUint32(nil, n)) }

func u64(n uint64) string { return string(binary.LittleEndian.AppendUint64(nil, n)) }

func at(offset int, value string) map[int]string { return map[int]string{offset: value} }

// tables are the offsets of the grain directory and of its first table.
func tables(image []byte) (directory, table int) {
	le := binary.LittleEndian
	directory = int(le.Uint64(image[56:])) * 512
	return directory, int(le.Uint32(image[directory:])) * 512
}

func TestHostileSparseImagesAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(40<<20), "vmdk")
	directory, table := tables(image)
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "version 0", Edits: at(4, u32(0)), Kind: diskerr.ErrUnsupported, Says: "version 0"},
		{Name: "version 4", Edits: at(4, u32(4)), Kind: diskerr.ErrUnsupported, Says: "version 4"},
		{Name: "no capacity", Edits: at(12, u64(0)), Kind: diskerr.ErrUnsafe, Says: "whose header has no disk"},
		{Name: "huge capacity", Edits: at(12, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "impossible capacity"},
		{Name: "capacity above the directory", Edits: at(12, u64(1<<41)), Kind: diskerr.ErrUnsupported, Says: "and at most 8388608 are read"},
		{Name: "grain of nothing", Edits: at(20, u64(0)), Kind: diskerr.ErrCorrupt, Says: "grains of 0 sectors"},
		{Name: "odd grain", Edits: at(20, u64(129)), Kind: diskerr.ErrCorrupt, Says: "grains of 129 sectors"},
		{Name: "huge grain", Edits: at(20, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "grains of"},
		{Name: "table of nothing", Edits: at(44, u32(0)), Kind: diskerr.ErrCorrupt, Says: "tables of 0 entries"},
		{Name: "huge table", Edits: at(44, u32(0xffffffff)), Kind: diskerr.ErrCorrupt, Says: "tables of 4294967295 entries"},
		{Name: "directory behind the end", Edits: at(56, u64(1<<30)), Kind: diskerr.ErrCorrupt, Says: "grain directory"},
		{Name: "directory before the start", Edits: at(56, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "grain directory"},
		{Name: "footer that is not there", Edits: at(56, u64(1<<64-1)), Kind: diskerr.ErrCorrupt, Says: "VMDK footer"},
		{Name: "compressed without markers", Edits: map[int]string{8: u32(3 | 1<<16), 77: "\x01\x00"}, Kind: diskerr.ErrUnsupported, Says: "unknown kind"},
		{Name: "compressed in another way", Edits: map[int]string{8: u32(3 | 3<<16), 77: "\x02\x00"}, Kind: diskerr.ErrUnsupported, Says: "unknown kind"},
		{Name: "table behind the end", Edits: at(directory, u32(0xfffffff0)), Kind: diskerr.ErrCorrupt, Says: "VMDK grain table"},
		{Name: "table named twice", Edits: at(directory+4, u32(uint32(table/512))), Kind: diskerr.ErrCorrupt, Says: "named by two entries"},
		{Name: "grain behind the end", Edits: at(table, u32(0xfffffff0)), Kind: diskerr.ErrCorrupt, Says: "cut off"},
		{Name: "table of zeros", Edits: at(directory, u32(0))},
		{Name: "descriptor behind the end", Edits: map[int]string{28: u64(1 << 30)}, Kind: diskerr.ErrCorrupt, Says: "VMDK descriptor"},
	})
}

func TestHostileGrainsAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vmdk -o subformat=streamOptimized")
	_, table := tables(image)
	grain := int(binary.LittleEndian.Uint32(image[table:])) * 512
	last := int(binary.LittleEndian.Uint32(image[table+15*4:])) * 512
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "of another sector", Edits: at(grain, u64(128)), Kind: diskerr.ErrCorrupt, Says: "it is that of disk sector 128, want 0"},
		{Name: "huge", Edits: at(grain+8, u32(0xffffffff)), Kind: diskerr.ErrCorrupt, Says: "4294967295 bytes"},
		{Name: "of nothing", Edits: at(grain+8, u32(0)), Kind: diskerr.ErrCorrupt, Says: "compressed grain"},
		{Name: "not packed", Edits: at(grain+12, "garbage"), Kind: diskerr.ErrCorrupt, Says: "compressed grain"},
		{Name: "cut off", Edits: at(last+8, u32(100<<10)), Kind: diskerr.ErrCorrupt, Says: "may be cut off"},
	})
}

func TestParentsAreNotLookedFor(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vmdk")
	text, _, _ := bytes.Cut(image[512:], []byte{0})
	cid := 512 + bytes.Index(text, []byte("parentCID=")) + len("parentCID=")
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "parent", Edits: at(512+len(text), "\nparentFileNameHint = \"/etc/passwd\"\n"), Kind: diskerr.ErrUnsafe, Says: `difference to "/etc/passwd"`},
		{Name: "ID of a parent", Edits: at(cid, "12345678"), Kind: diskerr.ErrUnsafe, Says: `content ID "12345678"`},
	})
}

// opened is an opener that notes what it was asked for.
func opened(asked *[]string, file []byte) vmdk.Opener {
	return func(name string) (io.ReaderAt, int64, error) {
		*asked = append(*asked, name)
		return bytes.NewReader(file), int64(len(file)), nil
	}
}

func TestExtentsOfADescriptor(t *testing.T) {
	const head = "# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"custom\"\n"
	file := content(4 << 10)
	tests := []struct {
		name    string
		extents string
		want    string // the first byte of each sector
		kind    error
		says    string
	}{
		{"flat", `RW 2 FLAT "a" 0`, "00", nil, ""},
		{"flat with an offset", "RW 1 FLAT \"a\" 1\nRW 1 VMFS \"b\" 0", "00", nil, ""},
		{"zeros between", "RW 1 FLAT \"a\" 0\nRW 1 ZERO\nRW 1 FLAT \"a\" 0", "0\x000", nil, ""},
		{"no extent", "", "", diskerr.ErrCorrupt, "0 extents"},
		{"too many", strings.Repeat("RW 1 ZERO\n", 513), "", diskerr.ErrCorrupt, "513 extents"},
		{"of nothing", "RW 0 ZERO", "", diskerr.ErrCorrupt, "impossible disk size 0"},
		{"huge", "RW 4398046511104 ZERO\nRW 1 ZERO", "", diskerr.ErrCorrupt, "impossible disk size"},
		{"beyond any number", "RW 99999999999999999999 ZERO", "", diskerr.ErrUnsupported, `kind ""`},
		{"below zero", "RW -1 ZERO", "", diskerr.ErrUnsupported, `kind ""`},
		{"without a kind", "RW 1", "", diskerr.ErrUnsupported, `kind ""`},
		{"of another kind", `RW 1 SESPARSE "a"`, "", diskerr.ErrUnsupported, `kind "SESPARSE"`},
		{"cut off", `RW 9 FLAT "a" 0`, "", diskerr.ErrCorrupt, "4608 bytes at offset 0"},
		{"behind the end", `RW 1 FLAT "a" 8`, "", diskerr.ErrCorrupt, "512 bytes at offset 4096"},
		{"sparse that is none", `RW 1 SPARSE "a"`, "", diskerr.ErrCorrupt, "no magic number"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked []string
			text := head + test.extents
			image, err := vmdk.Open(strings.NewReader(text), int64(len(text)), opened(&asked, file))
			if test.kind != nil {
				if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want %v that says %q", err, test.kind, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, image.Size())
			if _, err := image.ReadAt(got, 0); err != nil {
				t.Fatal(err)
			}
			var firsts string
			for at := 0; at < len(got); at += 512 {
				firsts += string(got[at])
			}
			if firsts != test.want {
				t.Errorf("got %q, want %q; asked for %q", firsts, test.want, asked)
			}
		})
	}
}

func TestManyFaultsAreCutShort(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "vmdk")
	copy(image[512:], strings.Repeat("what?\n", 1000))
	got, err := vmdk.Open(bytes.NewReader(image), int64(len(image)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if faults := got.Violations(); len(faults) != 8 || !strings.Contains(fmt.Sprint(faults), `"what?"`) {
		t.Errorf("got %q, want 8 faults", faults)
	}
}

func FuzzOpen(f *testing.F) {
	var images [][]byte
	for _, options := range []string{"vmdk", "vmdk -o subformat=streamOptimized"} {
		images = append(images, disktest.Formatted(f, content(300<<10), options))
	}
	text := "# Disk DescriptorFile\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2 FLAT \"a\" 0\nRW 4 SPARSE \"b\"\n" + strings.Repeat("#\n", 500)
	images = append(images, []byte(text))
	extent := content(8 << 10)
	disktest.Fuzz(f, images, nil, func(r io.ReaderAt, size int64) (disktest.Disk, error) {
		return vmdk.Open(r, size, opened(&[]string{}, extent))
	})
}
