package partition_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
)

const mib = 1 << 20

// makeDisk makes an empty disk of size bytes, has sfdisk write a table, and
// returns its path.
func makeDisk(t testing.TB, size int64, script string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	disktest.RunWith(t, script, "sfdisk", append(args, "-q", path)...)
	return path
}

func read(t testing.TB, data []byte) *partition.Table {
	t.Helper()
	table, err := partition.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func load(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const gptScript = `label: gpt
label-id: 0FC63DAF-0000-4772-8E79-3D69D8477DE4
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=11111111-2222-4333-8444-5555555555AA
start=4096, size=4096, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=11111111-2222-4333-8444-5555555555AB, name="ESP é"
start=8192, size=8192, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=11111111-2222-4333-8444-5555555555AC, attrs="LegacyBIOSBootable"
`

func TestGPTIsReadAsSfdiskWroteIt(t *testing.T) {
	disktest.Need(t, "reading GPT", "sfdisk")
	got := read(t, load(t, makeDisk(t, 16*mib, gptScript)))
	want := []partition.Partition{
		{Number: 1, Start: mib, Size: mib, Type: "21686148-6449-6e6f-744e-656564454649", TypeName: "BIOS boot", UUID: "11111111-2222-4333-8444-5555555555aa"},
		{Number: 2, Start: 2 * mib, Size: 2 * mib, Type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", TypeName: "EFI system", UUID: "11111111-2222-4333-8444-5555555555ab", Name: "ESP é"},
		{Number: 3, Start: 4 * mib, Size: 4 * mib, Type: "0fc63daf-8483-4772-8e79-3d69d8477de4", TypeName: "Linux filesystem", UUID: "11111111-2222-4333-8444-5555555555ac", Bootable: true},
	}
	if !slices.Equal(got.Partitions, want) {
		t.Errorf("got  %+v\nwant %+v", got.Partitions, want)
	}
	if got.Kind != partition.GPT || got.DiskID != "0fc63daf-0000-4772-8e79-3d69d8477de4" || got.SectorSize != 512 || got.UsableEnd != 16*mib-33*512 || got.Problems != nil {
		t.Errorf("got %+v", got)
	}
}

func TestMBRIsReadAsSfdiskWroteIt(t *testing.T) {
	disktest.Need(t, "reading MBR", "sfdisk")
	got := read(t, load(t, makeDisk(t, 32*mib, `label: dos
label-id: 0xCAFE0001
start=2048, size=2048, type=83, bootable
start=4096, type=5
start=6144, size=2048, type=82
start=10240, size=2048, type=83
start=14336, size=2048, type=8e
`)))
	want := []partition.Partition{
		{Number: 1, Start: mib, Size: mib, Type: "0x83", TypeName: "Linux filesystem", UUID: "cafe0001-01", Bootable: true},
		{Number: 2, Start: 2 * mib, Size: 30 * mib, Type: "0x05", TypeName: "Extended", UUID: "cafe0001-02"},
		{Number: 5, Start: 3 * mib, Size: mib, Type: "0x82", TypeName: "Linux swap", UUID: "cafe0001-05"},
		{Number: 6, Start: 5 * mib, Size: mib, Type: "0x83", TypeName: "Linux filesystem", UUID: "cafe0001-06"},
		{Number: 7, Start: 7 * mib, Size: mib, Type: "0x8e", TypeName: "Linux LVM", UUID: "cafe0001-07"},
	}
	if !slices.Equal(got.Partitions, want) {
		t.Errorf("got  %+v\nwant %+v", got.Partitions, want)
	}
	if got.Kind != partition.MBR || got.DiskID != "cafe0001" || got.Problems != nil {
		t.Errorf("got %+v", got)
	}
}

// gpt builds a disk with one partition, sectors of the given size, and a
// primary and a backup table as the UEFI specification asks for.
func gpt(sector, sectors int) []byte {
	disk := make([]byte, sector*sectors)
	copy(disk[446:], "\x00\x00\x02\x00\xee\xff\xff\xff\x01\x00\x00\x00\xff\xff\xff\xff")
	copy(disk[510:], "\x55\xaa")
	entries := make([]byte, 128*128)
	le := binary.LittleEndian
	copy(entries, "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4")
	le.PutUint64(entries[32:], 64)
	le.PutUint64(entries[40:], 127)
	copy(disk[2*sector:], entries)
	copy(disk[(sectors-33)*sector:], entries)
	writeHeader(disk, sector, 1, sectors-1, 2)
	writeHeader(disk, sector, sectors-1, 1, sectors-33)
	return disk
}

func writeHeader(disk []byte, sector, my, other, entriesAt int) {
	h := disk[my*sector:][:92]
	le := binary.LittleEndian
	copy(h, "EFI PART\x00\x00\x01\x00\x5c")
	sectors := len(disk) / sector
	for off, value := range map[int]int{24: my, 32: other, 40: 34, 48: sectors - 34, 72: entriesAt} {
		le.PutUint64(h[off:], uint64(value))
	}
	le.PutUint32(h[80:], 128)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(disk[entriesAt*sector:][:128*128]))
	le.PutUint32(h[16:], 0)
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
}

func TestGPTOfLargeSectorsIsRead(t *testing.T) {
	got := read(t, gpt(4096, 512))
	if got.Kind != partition.GPT || got.SectorSize != 4096 || len(got.Partitions) != 1 || got.Partitions[0].Start != 64*4096 || got.Problems != nil {
		t.Errorf("got %+v", got)
	}
}

func TestProblemsOfTables(t *testing.T) {
	const sectors = 1000
	grown := func(d []byte) []byte { return append(d, make([]byte, mib)...) }
	tests := []struct {
		name   string
		change func(disk []byte) []byte
		kind   partition.Kind
		parts  int
		want   []string
	}{
		{"whole", func(d []byte) []byte { return d }, partition.GPT, 1, nil},
		{"primary header damaged", func(d []byte) []byte { d[512+60] ^= 1; return d }, partition.GPT, 1, []string{"primary GPT is damaged (its header's checksum is wrong) and its backup was read"}},
		{"primary header gone", func(d []byte) []byte { clear(d[512:1024]); return d }, partition.GPT, 1, []string{"primary GPT is damaged"}},
		{"primary entries damaged", func(d []byte) []byte { d[1024+33] ^= 1; return d }, partition.GPT, 1, []string{"its entries' checksum is wrong"}},
		{"backup damaged", func(d []byte) []byte { d[len(d)-512+60] ^= 1; return d }, partition.GPT, 1, []string{"backup GPT at sector 999 cannot be used"}},
		{"both damaged", func(d []byte) []byte { d[512+60] ^= 1; d[len(d)-512+60] ^= 1; return d }, partition.None, 0, []string{"and its backup too", "no GPT that could be read"}},
		{"disk grown", grown, partition.GPT, 1, []string{"backup GPT belongs at sector 999, but the disk ends with sector 3047"}},
		{"disk cut off", func(d []byte) []byte { return d[:100*512] }, partition.GPT, 1, []string{"cannot be used: it is outside the disk", "belongs at sector 999", "partition 1 ends at byte 65536, but the disk at 51200"}},
		{"no protective MBR", func(d []byte) []byte { clear(d[:512]); return d }, partition.None, 0, []string{"Linux ignores such a GPT"}},
		{"hybrid MBR", func(d []byte) []byte { d[446+16+4], d[446+16+12] = 0x83, 9; return d }, partition.GPT, 1, []string{"hybrid MBR"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := read(t, test.change(gpt(512, sectors)))
			if got.Kind != test.kind || len(got.Partitions) != test.parts {
				t.Errorf("got %s with %d partitions, want %s with %d", got.Kind, len(got.Partitions), test.kind, test.parts)
			}
			sameProblems(t, got.Problems, test.want)
		})
	}
}

func sameProblems(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want it to say %q", got[i], want[i])
		}
	}
}

// mbr builds a disk of 100 sectors; each entry is written at its offset.
func mbr(entries map[int][]uint32) []byte {
	disk := make([]byte, 100*512)
	for at, e := range entries {
		entry := disk[at:]
		entry[0], entry[4] = byte(e[0]), byte(e[1])
		binary.LittleEndian.PutUint32(entry[8:], e[2])
		binary.LittleEndian.PutUint32(entry[12:], e[3])
		copy(disk[at/512*512+510:], "\x55\xaa")
	}
	return disk
}

func TestOddMBRs(t *testing.T) {
	first, second, extended := 446, 462, 10*512+446
	tests := []struct {
		name string
		disk []byte
		kind partition.Kind
		want []string
		nums []int
	}{
		{"empty disk", make([]byte, 512), partition.None, nil, nil},
		{"tiny", make([]byte, 100), partition.None, nil, nil},
		{"no partition", mbr(map[int][]uint32{first: {0, 0, 0, 0}}), partition.MBR, []string{"has no partition"}, nil},
		{"boot flag", mbr(map[int][]uint32{first: {7, 0x83, 1, 1}}), partition.None, []string{"boot flag 0x07"}, nil},
		{"overlap", mbr(map[int][]uint32{first: {0, 0x83, 5, 10}, second: {0, 0x83, 14, 10}}), partition.MBR, []string{"partitions 1 and 2 overlap"}, []int{1, 2}},
		{"beyond the disk", mbr(map[int][]uint32{first: {0, 0x83, 5, 96}}), partition.MBR, []string{"ends at byte 51712"}, []int{1}},
		{"extended outside", mbr(map[int][]uint32{first: {0, 5, 200, 10}}), partition.MBR, []string{"sector 200 is outside the disk", "ends at byte"}, []int{1}},
		{"extended without signature", mbr(map[int][]uint32{first: {0, 5, 10, 50}}), partition.MBR, []string{"no signature"}, []int{1}},
		{"chain to itself", mbr(map[int][]uint32{first: {0, 5, 10, 50}, extended: {0, 0x83, 1, 2}, extended + 16: {0, 5, 0, 9}}), partition.MBR, []string{"points back to sector 10"}, []int{1, 5}},
		{"FAT", append([]byte("\xeb\x3c\x90mkfs.fat"), mbr(map[int][]uint32{first: {0, 0, 0, 0}})[11:]...), partition.MBR, []string{"has no partition"}, nil},
	}
	fat := bytes.Clone(tests[2].disk)
	copy(fat, "\xeb\x3c\x90mkfs.fat")
	copy(fat[54:], "FAT16   ")
	tests[len(tests)-1].disk, tests[len(tests)-1].kind, tests[len(tests)-1].want = fat, partition.None, nil
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := read(t, test.disk)
			var numbers []int
			for _, p := range got.Partitions {
				numbers = append(numbers, p.Number)
			}
			if got.Kind != test.kind || !slices.Equal(numbers, test.nums) {
				t.Errorf("got %s with partitions %v, want %s with %v", got.Kind, numbers, test.kind, test.nums)
			}
			sameProblems(t, got.Problems, test.want)
		})
	}
}

func TestHybridOfSgdiskViolatesTheSafetyCheck(t *testing.T) {
	disktest.Need(t, "the hybrid MBR that sgdisk writes", "sgdisk", "sfdisk")
	path := makeDisk(t, 16*mib, gptScript)
	for _, test := range []struct {
		args string
		want []string
	}{
		{"", nil},
		{"-h 3", []string{"hybrid MBR"}},
	} {
		if test.args != "" {
			disktest.Run(t, "sgdisk", append(strings.Fields(test.args), path)...)
		}
		data := load(t, path)
		got, err := partition.Violations(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(len(got)) == "0" && len(test.want) > 0 || len(test.want) == 0 && len(got) > 0 {
			t.Errorf("sgdisk %s: got %q, want %q", test.args, got, test.want)
		}
		if table := read(t, data); len(table.Problems) != len(test.want) || len(table.Partitions) != 3 {
			t.Errorf("sgdisk %s: got %+v", test.args, table)
		}
	}
}

// FuzzPartition reads edited tables; of two checksums, the header's is mended.
func FuzzPartition(f *testing.F) {
	disks := [][]byte{
		gpt(512, 100),
		gpt(4096, 100),
		mbr(map[int][]uint32{446: {0, 5, 10, 50}, 10*512 + 446: {0, 0x83, 1, 2}, 10*512 + 462: {0, 5, 20, 9}}),
	}
	for which := range disks {
		f.Add(uint8(which), []byte{})
		f.Add(uint8(which), []byte("\x01\xc2\x05\x02\x30\x01"))
	}
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		disk := disktest.Edit(disks[int(which)%len(disks)], edits)
		for _, at := range []int{512, 4096} {
			h := disk[at:][:92]
			binary.LittleEndian.PutUint32(h[16:], 0)
			binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h))
		}
		table, err := partition.Read(bytes.NewReader(disk), int64(len(disk)))
		if err != nil {
			t.Fatalf("reading memory cannot fail: %v", err)
		}
		for _, p := range table.Partitions {
			if p.Number < 1 || p.Start < 0 || p.Size <= 0 || p.End() < p.Start {
				t.Errorf("impossible partition %+v", p)
			}
		}
		if _, err := partition.Violations(bytes.NewReader(disk), int64(len(disk))); err != nil {
			t.Fatalf("reading memory cannot fail: %v", err)
		}
	})
}
