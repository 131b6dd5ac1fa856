package lvm

import (
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// segment is a stretch of a logical volume, in bytes: linear with one stripe,
// else cut up into chunks that go round the stripes.
type segment struct {
	start, length int64
	stripes       []stripe
	chunk         int64
}

type stripe struct {
	r  io.ReaderAt
	at int64
}

// Limits of lvm itself are lower: lvcreate(8) allows 128 stripes.
const (
	maxSegments = 1 << 16
	maxStripes  = 1 << 10
	maxVolume   = 1 << 60
)

// read fills the volume with what its section says.
func (v *Volume) read(s section, places map[string]place) error {
	count := s.number("segment_count")
	if count <= 0 || count > maxSegments {
		return v.corrupt("%d segments", count)
	}
	for i := range count {
		one := s.section(fmt.Sprintf("segment%d", i+1))
		length, ok := v.extents(one.number("extent_count"))
		if !ok || length == 0 || one.number("start_extent") != v.Size/v.Group.ExtentSize {
			return v.corrupt("segment %d: %d extents from %d on", i+1, one.number("extent_count"), one.number("start_extent"))
		}
		seg := segment{start: v.Size, length: length}
		v.Size += length
		if err := v.readStripes(&seg, one, places); err != nil {
			return err
		}
		v.segments = append(v.segments, seg)
	}
	return nil
}

func (v *Volume) corrupt(format string, args ...any) error {
	return diskerr.Corrupt("LVM volume %s/%s: impossible %s", v.Group.Name, v.Name, fmt.Sprintf(format, args...))
}

func (v *Volume) unsupported(format string, args ...any) error {
	return diskerr.Unsupported("LVM volume %s/%s: %s", v.Group.Name, v.Name, fmt.Sprintf(format, args...))
}

// extents turns a number of extents into bytes, if they can be part of v.
func (v *Volume) extents(count int64) (int64, bool) {
	if count < 0 || count > (maxVolume-v.Size)/v.Group.ExtentSize {
		return 0, false
	}
	return count * v.Group.ExtentSize, true
}

func (v *Volume) readStripes(seg *segment, s section, places map[string]place) error {
	if kind := s.text("type"); kind != "striped" && kind != "linear" {
		return v.unsupported("it has a segment of type %q, which is not read", kind)
	}
	list, count := s.list("stripes"), s.number("stripe_count")
	if count <= 0 || count > maxStripes || int64(len(list)) != 2*count || seg.length/v.Group.ExtentSize%count != 0 {
		return v.corrupt("%d stripes for %d bytes", count, seg.length)
	}
	if count > 1 {
		chunk, ok := bytesOf(s.number("stripe_size"))
		if !ok || chunk == 0 || seg.length/count%chunk != 0 {
			return v.corrupt("stripes of %d sectors", s.number("stripe_size"))
		}
		seg.chunk = chunk
	}
	for pair := range slices.Chunk(list, 2) {
		one, err := v.findStripe(pair, seg.length/count, places)
		if err != nil {
			return err
		}
		seg.stripes = append(seg.stripes, one)
	}
	return nil
}

// findStripe finds where length bytes are that a pair of a physical volume's
// name and an extent of it stands for.
func (v *Volume) findStripe(pair []any, length int64, places map[string]place) (stripe, error) {
	name, isName := pair[0].(string)
	extent, isNumber := pair[1].(int64)
	first, ok := v.extents(extent)
	if !isName || !isNumber || !ok {
		return stripe{}, v.corrupt("stripe at %v", pair)
	}
	p, ok := places[name]
	if !ok {
		return stripe{}, v.unsupported("a piece of it is on the physical volume %q, which is not on this disk", name)
	}
	if p.start > p.pv.size || first > p.pv.size-p.start || length > p.pv.size-p.start-first {
		return stripe{}, v.corrupt("piece at extent %d, behind the end of its physical volume %q", extent, name)
	}
	if !slices.Contains(v.PVs, p.pv) {
		v.PVs = append(v.PVs, p.pv)
	}
	return stripe{r: p.pv.r, at: p.start + first}, nil
}

// readSome fills the start of p with what lies in one piece.
func (v *Volume) readSome(p []byte, off int64) (int, error) {
	i := sort.Search(len(v.segments), func(i int) bool { return v.segments[i].start+v.segments[i].length > off })
	seg := v.segments[i]
	in := off - seg.start
	left, which, at := seg.length-in, int64(0), in
	if count := int64(len(seg.stripes)); count > 1 {
		chunk := in / seg.chunk
		left, which = seg.chunk-in%seg.chunk, chunk%count
		at = chunk/count*seg.chunk + in%seg.chunk
	}
	p = p[:min(int64(len(p)), left)]
	from := seg.stripes[which]
	return len(p), readat.Full(from.r, p, from.at+at, fmt.Sprintf("LVM volume %s/%s", v.Group.Name, v.Name))
}
