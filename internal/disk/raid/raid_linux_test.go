package raid_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/raid"
)

const size = 1<<20 + 5000*512

// member makes a member of an array, with data that starts at the given byte.
func member(version string, level int32) []byte {
	disk := make([]byte, size)
	at := map[string]int{"1.0": (size - 8192) / 4096 * 4096, "1.1": 0, "1.2": 4096}
	if version == "0.90" {
		makeOld(disk[size/65536*65536-65536:], level)
		return disk
	}
	raw, le := disk[at[version]:], binary.LittleEndian
	copy(raw, "\xfc\x4e\x2b\xa9\x01")
	copy(raw[16:], "0123456789abcdef")
	copy(raw[32:], "host:boot")
	le.PutUint32(raw[72:], uint32(level))
	le.PutUint64(raw[80:], 4000)
	le.PutUint32(raw[92:], 2)
	if version != "1.0" {
		le.PutUint64(raw[128:], 2048)
	}
	le.PutUint64(raw[136:], 4000)
	le.PutUint64(raw[144:], uint64(at[version]/512))
	le.PutUint32(raw[220:], 3) // an odd number: its sum ends in half a word
	copy(raw[256:], "\x00\x00\x01\x00\xff\xff")
	total := uint64(0)
	for i := 0; i < 260; i += 4 {
		total += uint64(le.Uint32(raw[i:]))
	}
	total += uint64(le.Uint16(raw[260:]))
	le.PutUint32(raw[216:], uint32(total)+uint32(total>>32))
	return disk
}

func makeOld(raw []byte, level int32) {
	le := binary.LittleEndian
	for word, value := range map[int]uint32{0: 0xa92b4efc, 2: 90, 5: 0x33323130, 7: uint32(level), 8: 500, 10: 2, 11: 7, 13: 0x37363534, 14: 0x62613938, 15: 0x66656463} {
		le.PutUint32(raw[4*word:], value)
	}
	total := uint64(0)
	for i := 0; i < 4096; i += 4 {
		total += uint64(le.Uint32(raw[i:]))
	}
	le.PutUint32(raw[4*38:], uint32(total)+uint32(total>>32))
}

func TestMembersAreFoundAsBlkidFindsThem(t *testing.T) {
	disktest.Need(t, "the members of arrays", "blkid")
	for version, name := range map[string]string{"0.90": "7", "1.0": "boot", "1.1": "boot", "1.2": "boot"} {
		t.Run(version, func(t *testing.T) {
			disk := member(version, 1)
			path := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(path, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			out := disktest.Run(t, "blkid", "-p", "-o", "export", path)
			if !strings.Contains(out, "TYPE=linux_raid_member\n") || !strings.Contains(out, "VERSION="+version) {
				t.Fatalf("blkid says\n%s", out)
			}
			m, err := raid.Find(bytes.NewReader(disk), size)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.ReplaceAll(out, "-", ""), "UUID="+m.UUID) || m.Version != version || m.Level != 1 || m.Disks != 2 || m.Name != name {
				t.Errorf("got %+v, blkid says\n%s", m, out)
			}
		})
	}
}

func TestMirrorIsReadAndNoOtherArray(t *testing.T) {
	for version, offset := range map[string]int64{"0.90": 0, "1.0": 0, "1.1": 1 << 20, "1.2": 1 << 20} {
		disk := member(version, 1)
		copy(disk[offset+5000:], "content")
		m, err := raid.Find(bytes.NewReader(disk), size)
		if err != nil {
			t.Fatal(err)
		}
		section, err := m.Section(bytes.NewReader(disk))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 7)
		if _, err := section.ReadAt(got, 5000); err != nil || string(got) != "content" || section.Size() > size-offset-4096 {
			t.Errorf("%s: got %q of %d bytes, %v", version, got, section.Size(), err)
		}
		for level, want := range map[int32]string{0: "RAID 0 array", 5: "RAID 5 array", 10: "of 2 disks", -1: "linear"} {
			m, err := raid.Find(bytes.NewReader(member(version, level)), size)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Section(bytes.NewReader(nil)); !errors.Is(err, diskerr.ErrUnsupported) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want ErrUnsupported that says %q", version, err, want)
			}
		}
	}
}

func TestWhatIsNoMemberIsNotFound(t *testing.T) {
	for name, disk := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, size), "wrong sum": append([]byte{0xfc, 0x4e, 0x2b, 0xa9, 2}, member("1.1", 1)[5:]...),
		"moved": append(make([]byte, 512), member("1.2", 1)...),
	} {
		if m, err := raid.Find(bytes.NewReader(disk), int64(len(disk))); !errors.Is(err, diskerr.ErrNotFound) {
			t.Errorf("%s: got %+v, %v, want ErrNotFound", name, m, err)
		}
	}
}

// FuzzFind reads edited members, of which the sum is mostly wrong, and ones
// whose fields the fuzzer chooses.
func FuzzFind(f *testing.F) {
	f.Add(uint64(2048), uint64(4000), int32(1))
	f.Fuzz(func(_ *testing.T, offset, length uint64, level int32) {
		disk := member("1.2", level)[:256<<10]
		raw, le := disk[4096:], binary.LittleEndian
		le.PutUint64(raw[128:], offset)
		le.PutUint64(raw[136:], length)
		total := uint64(0)
		for i := 0; i < 260; i += 4 {
			if i != 216 {
				total += uint64(le.Uint32(raw[i:]))
			}
		}
		total += uint64(le.Uint16(raw[260:]))
		le.PutUint32(raw[216:], uint32(total)+uint32(total>>32))
		if m, err := raid.Find(bytes.NewReader(disk), int64(len(disk))); err == nil {
			if section, err := m.Section(bytes.NewReader(disk)); err == nil {
				_, _ = io.Copy(io.Discard, section)
			}
		}
	})
}
