package inspect

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/btrfs"
)

// subvolumes are those of a Btrfs volume, one of which the volume shows.
type subvolumes struct {
	all *btrfs.Volume
	// byDefault is the ID of the one that is mounted without options.
	byDefault uint64
	// id is that of the one shown, and path where it lies; "" if it is shown
	// by default.
	id   uint64
	path string
}

// openBtrfs opens the subvolume that is mounted without options.
func openBtrfs(v *volume, r io.ReaderAt) error {
	all, err := btrfs.Open(r, v.size())
	if err != nil {
		return err
	}
	id, err := all.Default()
	if err != nil {
		return err
	}
	if v.fs, err = all.Subvolume(id); err != nil {
		return err
	}
	v.subvolumes = &subvolumes{all: all, byDefault: id, id: id}
	return nil
}

// name is what the name of the volume ends in.
func (s *subvolumes) name() string {
	if s == nil || s.path == "" {
		return ""
	}
	return ", subvolume " + s.path
}

// maxTrees bounds the subvolumes of a volume that are looked at as the root.
const maxTrees = 128

// trees returns the trees of files that are on the volume: the volume itself,
// and another one for each of its subvolumes that can be opened. Snapshots
// come last.
func (v *volume) trees() []*volume {
	switch {
	case v.fs == nil:
		return nil
	case v.subvolumes == nil:
		return []*volume{v}
	}
	trees := []*volume{v}
	// The list has all that could be told, whatever the error.
	list, _ := v.subvolumes.all.Subvolumes()
	slices.SortStableFunc(list, func(a, b btrfs.Subvolume) int { return later(a) - later(b) })
	for _, s := range list {
		if s.ID == v.subvolumes.byDefault || len(trees) == maxTrees {
			continue
		}
		if shown, err := v.showing(s.ID, s.Path); err == nil {
			trees = append(trees, shown)
		}
	}
	return trees
}

// later is 1 for what is most likely not the root, else 0.
func later(s btrfs.Subvolume) int {
	if s.Snapshot {
		return 1
	}
	return 0
}

// showing returns the volume with another subvolume.
func (v *volume) showing(id uint64, path string) (*volume, error) {
	fsys, err := v.subvolumes.all.Subvolume(id)
	if err != nil {
		return nil, err
	}
	shown := *v
	shown.fs = fsys
	shown.subvolumes = &subvolumes{all: v.subvolumes.all, byDefault: v.subvolumes.byDefault, id: id, path: path}
	return &shown, nil
}

// mounted returns the volume as the options of mount(8) show it.
func (v *volume) mounted(options string) (*volume, error) {
	if v.subvolumes == nil {
		return v, nil
	}
	id, err := v.subvolumes.chosenBy(options)
	if err != nil || id == v.subvolumes.id {
		return v, err
	}
	return v.showing(id, fmt.Sprintf("with the ID %d", id))
}

// isMountedBy reports whether the options of mount(8) show the same subvolume.
func (v *volume) isMountedBy(options string) bool {
	if v.subvolumes == nil {
		return true
	}
	id, err := v.subvolumes.chosenBy(options)
	return err == nil && id == v.subvolumes.id
}

func (v *volume) isMountedByDefault() bool { return v.isMountedBy("") }

// chosenBy returns the ID of the subvolume that the options subvol= and
// subvolid= mean: btrfs(5). Linux refuses both if they mean different ones:
// fs/btrfs/super.c, mount_subvol.
func (s *subvolumes) chosenBy(options string) (uint64, error) {
	id, byID, byPath := s.byDefault, "", ""
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "subvolid":
			byID = value
		case "subvol":
			byPath = value
		}
	}
	if byID != "" {
		number, err := strconv.ParseUint(byID, 0, 64)
		if err != nil {
			return 0, fmt.Errorf("subvolid=%s is not a number", quote(byID))
		}
		if id = number; id == 0 {
			id = btrfs.TopLevel
		}
	}
	if byPath == "" {
		return id, nil
	}
	found, err := s.all.Lookup(byPath)
	if err == nil && byID != "" && found != id {
		err = fmt.Errorf("subvol=%s has the ID %d and not %d: Linux does not mount it", quote(byPath), found, id)
	}
	return found, err
}
