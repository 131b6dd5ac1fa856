package lvm

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Group is a volume group. Sizes are in bytes.
type Group struct {
	Name string
	// ExtentSize is the unit in which its volumes grow.
	ExtentSize int64
	// PVs are those of its physical volumes that were given, Missing the UUIDs
	// of the others.
	PVs     []*PV
	Missing []string
	// Volumes are the logical volumes that a guest sees, sorted by name.
	Volumes []*Volume
}

// Volume is a logical volume. It is an io.ReaderAt unless Err is set.
type Volume struct {
	Name  string
	Group *Group
	Size  int64
	// PVs hold its pieces.
	PVs []*PV
	// Err is why it can not be read: diskerr.ErrUnsupported, which names the
	// type of its segments or a physical volume that is missing, or
	// diskerr.ErrCorrupt.
	Err error

	segments []segment
}

// Groups puts the groups together whose physical volumes are given. The error
// says which metadata could not be used; the groups are what the rest gives.
func Groups(pvs []*PV) ([]*Group, error) {
	newest, err := newestTexts(pvs)
	var groups []*Group
	failures := []error{err}
	for _, d := range newest {
		g, err := newGroup(d, pvs)
		if err != nil {
			failures = append(failures, fmt.Errorf("LVM group %q: %w", d.name, err))
			continue
		}
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *Group) int { return cmp.Compare(a.Name, b.Name) })
	return groups, errors.Join(failures...)
}

// description is what a text says of a group.
type description struct {
	name  string
	group section
}

// newestTexts returns the newest description of each group. Every physical
// volume has a copy, and an older one where lvm could not write it.
func newestTexts(pvs []*PV) (map[string]description, error) {
	newest := map[string]description{}
	var failures []error
	seen := map[string]bool{}
	for _, pv := range pvs {
		if seen[pv.UUID] {
			failures = append(failures, diskerr.Corrupt("two LVM physical volumes have the UUID %q: lvm uses neither of them by itself", pv.UUID))
		}
		seen[pv.UUID] = true
		if pv.text == nil {
			continue
		}
		name, group, err := parseGroup(pv.text)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		id := group.text("id")
		if last, ok := newest[id]; !ok || group.number("seqno") > last.group.number("seqno") {
			newest[id] = description{name, group}
		}
	}
	return newest, errors.Join(failures...)
}

// place is where the extents of a physical volume start.
type place struct {
	pv    *PV
	start int64
}

// maxExtent is more than lvm allows: 4 GiB is its largest extent.
const maxExtent = 1 << 40

func newGroup(d description, pvs []*PV) (*Group, error) {
	extent, ok := bytesOf(d.group.number("extent_size"))
	if !ok || extent == 0 || extent > maxExtent {
		return nil, diskerr.Corrupt("impossible extent size of %d sectors", d.group.number("extent_size"))
	}
	g := &Group{Name: d.name, ExtentSize: extent}
	places := g.findPVs(d.group.section("physical_volumes"), pvs)
	volumes := d.group.section("logical_volumes")
	stores := snapshotStores(volumes)
	for name := range volumes {
		s := volumes.section(name)
		if !s.has("status", "VISIBLE") {
			continue
		}
		v := &Volume{Name: name, Group: g}
		v.Err = v.read(s, places)
		if stores[name] {
			v.Err = diskerr.Unsupported("LVM volume %s/%s: it is part of a snapshot, which is not read", g.Name, name)
		}
		g.Volumes = append(g.Volumes, v)
	}
	slices.SortFunc(g.Volumes, func(a, b *Volume) int { return cmp.Compare(a.Name, b.Name) })
	return g, nil
}

// bytesOf turns sectors into bytes, if they can be such.
func bytesOf(sectors int64) (int64, bool) {
	return sectors * sectorSize, sectors >= 0 && sectors < math.MaxInt64/sectorSize
}

func (g *Group) findPVs(sections section, pvs []*PV) map[string]place {
	places := map[string]place{}
	for name := range sections {
		s := sections.section(name)
		uuid := strings.ReplaceAll(s.text("id"), "-", "")
		start, ok := bytesOf(s.number("pe_start"))
		i := slices.IndexFunc(pvs, func(pv *PV) bool { return pv.UUID == uuid })
		if !ok || i < 0 || s.has("flags", "MISSING") {
			g.Missing = append(g.Missing, uuid)
			continue
		}
		places[name] = place{pv: pvs[i], start: start}
		g.PVs = append(g.PVs, pvs[i])
	}
	slices.Sort(g.Missing)
	return places
}

// snapshotStores names the volumes that hold what a snapshot keeps, and those
// into which one is being merged: their own content is not what a guest sees.
func snapshotStores(volumes section) map[string]bool {
	stores := map[string]bool{}
	for name := range volumes {
		s := volumes.section(name).section("segment1")
		if s.text("type") != "snapshot" {
			continue
		}
		stores[s.text("cow_store")] = true
		if merging := s.text("merging_store"); merging != "" {
			stores[merging], stores[s.text("origin")] = true, true
		}
	}
	return stores
}

// ReadAt implements io.ReaderAt.
func (v *Volume) ReadAt(p []byte, off int64) (int, error) {
	if v.Err != nil {
		return 0, v.Err
	}
	if off < 0 || off >= v.Size {
		return 0, io.EOF
	}
	var end error
	if left := v.Size - off; int64(len(p)) > left {
		p, end = p[:left], io.EOF
	}
	for done := 0; done < len(p); {
		n, err := v.readSome(p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return len(p), end
}
