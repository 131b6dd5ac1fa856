package lvm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/lvm"
)

func probe(t testing.TB, data []byte) *lvm.PV {
	t.Helper()
	pv, err := lvm.Probe(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return pv
}

func groups(t testing.TB, pvs ...[]byte) []*lvm.Group {
	t.Helper()
	all := make([]*lvm.PV, len(pvs))
	for i, data := range pvs {
		all[i] = probe(t, data)
	}
	found, err := lvm.Groups(all)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func volume(t testing.TB, groups []*lvm.Group, name string) *lvm.Volume {
	t.Helper()
	for _, g := range groups {
		for _, v := range g.Volumes {
			if g.Name+"/"+v.Name == name {
				return v
			}
		}
	}
	t.Fatalf("no volume %s", name)
	return nil
}

func content(t testing.TB, v *lvm.Volume) []byte {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size+1))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func filled(b byte, extents int) []byte { return bytes.Repeat([]byte{b}, extents*disktest.PVExtent) }

func TestLinearVolumesHoldTheirContent(t *testing.T) {
	found := groups(t, disktest.VolumeGroup("vg", 2, disktest.Volume{Name: "root", Content: filled('r', 2)}, disktest.Volume{Name: "swap_1", Content: filled('s', 1)}))
	if len(found) != 1 || found[0].ExtentSize != disktest.PVExtent || len(found[0].Volumes) != 2 || found[0].Missing != nil {
		t.Fatalf("got %+v", found)
	}
	for name, want := range map[string][]byte{"vg/root": filled('r', 2), "vg/swap_1": filled('s', 1)} {
		if v := volume(t, found, name); v.Err != nil || !bytes.Equal(content(t, v), want) {
			t.Errorf("%s: wrong content (%v)", name, v.Err)
		}
	}
}

// text is the metadata of a group with two physical volumes, and the given
// segments of one volume.
func text(sequence int, segments string) string {
	return fmt.Sprintf(`# a comment { [ "
vg-1 {
id = "group"
seqno = %d
extent_size = 2048
description = "a \"quoted\" \\ one"
physical_volumes {
pv0 {
id = "aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa"
pe_start = 2048
}
pv1 {
id = "bbbbbb-bbbb-bbbb-bbbb-bbbb-bbbb-bbbbbb"
pe_start = 2048
}
}
logical_volumes {
root {
status = ["READ", "WRITE", "VISIBLE"]
%s
}
}
}
version = 1
`, sequence, segments)
}

var uuidA, uuidB = strings.Repeat("a", 32), strings.Repeat("b", 32)

const (
	size    = 8 << 20
	striped = `segment_count = 2
segment1 {
start_extent = 0
extent_count = 2
type = "striped"
stripe_count = 2
stripe_size = 128
stripes = ["pv0", 1, "pv1", 3]
}
segment2 {
start_extent = 2
extent_count = 1
type = "linear"
stripe_count = 1
stripes = ["pv1", 0]
}`
)

func TestStripesOfTwoPhysicalVolumesAreJoined(t *testing.T) {
	a, b := disktest.PhysicalVolume(uuidA, size, text(4, striped), 0), disktest.PhysicalVolume(uuidB, size, "", 0)
	var want []byte
	for chunk := range 32 {
		piece := bytes.Repeat([]byte{byte('A' + chunk)}, 64<<10)
		pv, extent := a, 1
		if chunk%2 == 1 {
			pv, extent = b, 3
		}
		copy(pv[disktest.PVData+extent*disktest.PVExtent+chunk/2*64<<10:], piece)
		want = append(want, piece...)
	}
	copy(b[disktest.PVData:], filled('z', 1))
	want = append(want, filled('z', 1)...)
	v := volume(t, groups(t, b, a), "vg-1/root")
	if v.Err != nil || len(v.PVs) != 2 {
		t.Fatalf("got %+v", v)
	}
	if got := content(t, v); !bytes.Equal(got, want) {
		t.Errorf("wrong content of %d bytes, want %d", len(got), len(want))
	}
	some := make([]byte, 100<<10)
	if n, err := v.ReadAt(some, 2000001); n != len(some) || err != nil || !bytes.Equal(some, want[2000001:][:len(some)]) {
		t.Errorf("read in the middle: got %d, %v", n, err)
	}
}

func TestNewestMetadataCountsWhereverItsRingStarts(t *testing.T) {
	const ring = disktest.PVData - 4096 - 512
	newer := text(11, striped)
	for _, offset := range []int{0, 512, ring - 100, ring - len(newer), ring - 1} {
		old := disktest.PhysicalVolume(uuidA, size, text(9, "segment_count = 0"), 0)
		v := volume(t, groups(t, old, disktest.PhysicalVolume(uuidB, size, newer, offset)), "vg-1/root")
		if v.Err != nil || v.Size != 3<<20 {
			t.Errorf("offset %d: got %d bytes, %v", offset, v.Size, v.Err)
		}
	}
}

func TestVolumeThatCannotBeReadSaysWhy(t *testing.T) {
	one := func(kind string) string {
		return "segment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = 2\ntype = \"" + kind + "\"\nstripe_count = 1\nstripes = [\"pv0\", 0]\n}"
	}
	snapshot := one("striped") + "\n}\nsnapshot0 {\nsegment_count = 1\nsegment1 {\ntype = \"snapshot\"\norigin = \"other\"\ncow_store = \"root\"\n}"
	missing := strings.ReplaceAll(one("striped"), "pv0", "pv1")
	tests := []struct {
		name, segments string
		kind           error
		want           string
	}{
		{"snapshot", snapshot, diskerr.ErrUnsupported, "vg-1/root: it is part of a snapshot"},
		{"merging", strings.ReplaceAll(strings.ReplaceAll(snapshot, "other", "root"), "cow_store", "merging_store"), diskerr.ErrUnsupported, "part of a snapshot"},
		{"missing", missing, diskerr.ErrUnsupported, `"pv1", which is not on this disk`},
		{"no segments", "segment_count = 0", diskerr.ErrCorrupt, "0 segments"},
		{"hole", strings.Replace(one("striped"), "start_extent = 0", "start_extent = 1", 1), diskerr.ErrCorrupt, "from 1 on"},
		{"too long", strings.Replace(one("striped"), "extent_count = 2", "extent_count = 8", 1), diskerr.ErrCorrupt, "behind the end"},
		{"huge", strings.Replace(one("striped"), "extent_count = 2", "extent_count = 9223372036854775807", 1), diskerr.ErrCorrupt, "9223372036854775807 extents"},
		{"far", strings.Replace(one("striped"), `"pv0", 0`, `"pv0", 9223372036854775807`, 1), diskerr.ErrCorrupt, "stripe at"},
		{"odd stripes", strings.Replace(striped, "stripe_size = 128", "stripe_size = 100", 1), diskerr.ErrCorrupt, "stripes of 100 sectors"},
	}
	for _, kind := range []string{"thin", "thin-pool", "cache", "writecache", "raid1", "raid5_ls", "mirror", "vdo", "snapshot", "error", "zero"} {
		tests = append(tests, struct {
			name, segments string
			kind           error
			want           string
		}{kind, one(kind), diskerr.ErrUnsupported, fmt.Sprintf("vg-1/root: it has a segment of type %q", kind)})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := groups(t, disktest.PhysicalVolume(uuidA, size, text(1, test.segments), 0))
			v := volume(t, found, "vg-1/root")
			if !errors.Is(v.Err, test.kind) || !strings.Contains(v.Err.Error(), test.want) {
				t.Errorf("got %v, want %v that says %q", v.Err, test.kind, test.want)
			}
			if _, err := v.ReadAt(make([]byte, 1), 0); !errors.Is(err, test.kind) {
				t.Errorf("reading: got %v", err)
			}
			if len(found[0].Missing) != 1 || found[0].Missing[0] != uuidB {
				t.Errorf("missing: got %q, want %q", found[0].Missing, uuidB)
			}
		})
	}
}

func TestPhysicalVolumeThatIsBrokenIsCorrupt(t *testing.T) {
	whole := disktest.PhysicalVolume(uuidA, size, text(1, striped), 0)
	for _, test := range []struct {
		name   string
		offset int
		value  string
		kind   error
		want   string
	}{
		{"no label", 512, "x", diskerr.ErrNotFound, "no label"},
		{"label", 512 + 60, "x", diskerr.ErrCorrupt, "LVM label"},
		{"area's magic", 4096 + 5, "x", diskerr.ErrCorrupt, "magic"},
		{"area's header", 4096 + 50, "x", diskerr.ErrCorrupt, "checksum of its header"},
		{"text", 4096 + 512 + 50, "x", diskerr.ErrCorrupt, "checksum of its text"},
	} {
		broken := bytes.Clone(whole)
		copy(broken[test.offset:], test.value)
		if _, err := lvm.Probe(bytes.NewReader(broken), size); !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %v that says %q", test.name, err, test.kind, test.want)
		}
	}
	if _, err := lvm.Probe(bytes.NewReader(whole[:100<<10]), 100<<10); !errors.Is(err, diskerr.ErrCorrupt) {
		t.Errorf("cut off: got %v", err)
	}
	for _, bad := range []string{"", "vg", "vg {", "vg { a = }", "vg { a = [1 2] }", "vg { a = [[1]] }", `vg { a = "b`, "a { } b { }", "vg { id = 1 } }", strings.Repeat("a {", 100), "vg { a b }"} {
		if _, err := lvm.Probe(bytes.NewReader(disktest.PhysicalVolume(uuidA, size, bad+" ", 0)), size); !errors.Is(err, diskerr.ErrCorrupt) {
			t.Errorf("text %q: got %v, want ErrCorrupt", bad, err)
		}
	}
	pv := probe(t, whole)
	if _, err := lvm.Groups([]*lvm.PV{pv, probe(t, whole)}); !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), "the UUID") {
		t.Errorf("two with one UUID: got %v", err)
	}
	twins, err := lvm.Groups([]*lvm.PV{probe(t, disktest.PhysicalVolume(uuidA, size, strings.Replace(text(1, striped), "2048", "0", 1), 0))})
	if !errors.Is(err, diskerr.ErrCorrupt) || len(twins) != 0 {
		t.Errorf("extents of 0 bytes: got %v, %v", twins, err)
	}
}

// FuzzOpen reads metadata that the fuzzer writes, with its checksum mended.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(text(1, striped)), uint16(0))
	f.Add([]byte(text(1, "segment_count = 1\nsegment1 {\ntype = \"thin\"\n}")), uint16(4000))
	f.Fuzz(func(_ *testing.T, metadata []byte, offset uint16) {
		if len(metadata) > 1<<19 {
			return
		}
		data := disktest.PhysicalVolume(uuidA, 2<<20, string(metadata), int(offset))
		pv, err := lvm.Probe(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		found, _ := lvm.Groups([]*lvm.PV{pv})
		for _, g := range found {
			for _, v := range g.Volumes {
				_, _ = io.Copy(io.Discard, io.NewSectionReader(v, 0, min(v.Size, 1<<20)))
				_, _ = v.ReadAt(make([]byte, 100), v.Size-50)
			}
		}
	})
}
