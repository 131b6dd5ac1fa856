package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/lvm"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/raid"
)

// addPartition looks at what a partition holds. Of the members of a mirror,
// which show the same, only the first counts.
func (l *layout) addPartition(r io.ReaderAt, p partition.Partition) {
	v := l.newVolume(r, p)
	for _, other := range l.volumes {
		if v.mirror != nil && v.err == nil && other.mirror != nil && other.mirror.UUID == v.mirror.UUID {
			v = &volume{part: p, mirror: v.mirror, kind: kindRAID, err: fmt.Errorf("it mirrors %s", other.name())}
			break
		}
	}
	l.volumes = append(l.volumes, v)
}

const (
	kindPV   = "LVM2_member"
	kindRAID = "linux_raid_member"
	kindLUKS = "crypto_LUKS"
)

func (l *layout) newVolume(r io.ReaderAt, p partition.Partition) *volume {
	section := p.Section(r)
	v := &volume{part: p}
	mirror, err := raid.Find(section, p.Size)
	if errors.Is(err, diskerr.ErrNotFound) {
		l.open(v, section)
		return v
	}
	if err == nil {
		v.mirror = mirror
		section, err = mirror.Section(section)
	}
	if v.kind, v.err = kindRAID, err; err == nil {
		l.open(v, section)
	}
	return v
}

// maxBroken bounds the file systems that are read although they were not
// unmounted or are corrupt, and so what their journals cost in time and memory.
const maxBroken = 8

// open opens the file system in r, or what else is there.
func (l *layout) open(v *volume, r io.ReaderAt) {
	v.kind = filesystem.Identify(r, v.size())
	if v.kind == kindPV {
		v.pv, v.err = lvm.Probe(r, v.size())
		return
	}
	open, ok := openers[v.kind]
	switch {
	case !ok:
		v.err = whyClosed(v.kind, r)
		return
	case l.broken == maxBroken:
		v.err = fmt.Errorf("%d file systems of the disk were not unmounted or are corrupt, and no more are read", maxBroken)
		return
	}
	if v.err = open(v, r); v.err == nil {
		v.kind = v.fs.Geometry.Type
	}
	if v.err != nil || !v.fs.Geometry.Clean || v.fs.Geometry.Replayed > 0 {
		l.broken++
	}
}

// whyClosed says of what is known and never opened why that is so.
func whyClosed(kind string, r io.ReaderAt) error {
	switch kind {
	case kindLUKS:
		version := make([]byte, 2)
		if _, err := r.ReadAt(version, int64(len("LUKS\xba\xbe"))); err != nil {
			return err
		}
		return fmt.Errorf("LUKS%d, encrypted: nothing in it can be inspected without its key", binary.BigEndian.Uint16(version))
	case "BitLocker":
		return errors.New("it is encrypted: nothing in it can be inspected without its key")
	case "bcache":
		return errors.New("its newest content may be on another device, its cache")
	case "zfs_member":
		return errors.New("pools of ZFS are not read")
	case kindRAID:
		return errors.New("its metadata is not one that Linux would accept")
	}
	return nil
}

// addLogicalVolumes puts the volumes of LVM together from the partitions that
// hold their pieces.
func (l *layout) addLogicalVolumes() {
	var pvs []*lvm.PV
	for _, v := range l.volumes {
		if v.pv != nil && v.err == nil {
			pvs = append(pvs, v.pv)
		}
	}
	groups, err := lvm.Groups(pvs)
	for _, g := range groups {
		for _, lv := range g.Volumes {
			if len(l.volumes) == maxVolumes {
				return
			}
			v := &volume{lv: lv, kind: "a volume", err: lv.Err}
			if v.err == nil {
				l.open(v, lv)
			}
			l.volumes = append(l.volumes, v)
		}
	}
	for _, v := range l.volumes {
		if v.pv != nil && v.err == nil && len(groups) == 0 {
			v.err = err
		}
	}
}

// size is that of what is on the volume, in bytes.
func (v *volume) size() int64 {
	switch {
	case v.lv != nil:
		return v.lv.Size
	case v.mirror != nil:
		return v.mirror.Size
	}
	return v.part.Size
}

// String names a volume and what is on it.
func (v *volume) String() string {
	what := v.kind
	switch {
	case v.err != nil:
		what = fmt.Sprintf("%s that can not be read: %v", what, v.err)
	case what == "":
		what = "nothing known"
	case v.fs == nil && v.pv == nil && v.kind != "swap":
		what += ": not read yet"
	case v.fs != nil && !v.fs.Geometry.Clean:
		what += ", of which not all is seen: " + v.fs.Geometry.Unclean
	}
	return v.name() + ": " + what
}

// name says which volume it is.
func (v *volume) name() string {
	kind := v.part.TypeName
	if kind == "" {
		kind = "type " + v.part.Type
	}
	name := fmt.Sprintf("partition %d (%s, %s)", v.part.Number, kind, humanSize(v.part.Size))
	switch {
	case v.lv != nil:
		name = fmt.Sprintf("the LVM volume %s (%s)", v.lvName(), humanSize(v.lv.Size))
	case v.part.Number == 0:
		name = "the whole disk"
	}
	if v.mirror != nil {
		name += ", a member of a RAID array"
	}
	return name + v.subvolumes.name()
}

// lvName is how lvm names a logical volume; "" for others.
func (v *volume) lvName() string {
	if v.lv == nil {
		return ""
	}
	return v.lv.Group.Name + "/" + v.lv.Name
}

// mapperName is the name of a logical volume below /dev/mapper: LVM2,
// libdm/libdm-string.c, dm_build_dm_name.
func (v *volume) mapperName() string {
	double := func(name string) string { return strings.ReplaceAll(name, "-", "--") }
	return double(v.lv.Group.Name) + "-" + double(v.lv.Name)
}

// is reports whether a device of fstab or root= means this volume. A kernel
// name such as /dev/vda1 means it by its number alone, since the image has one
// disk.
func (v *volume) is(device string) bool {
	key, value, ok := strings.Cut(strings.ReplaceAll(device, `"`, ""), "=")
	if rest, found := strings.CutPrefix(device, "/dev/disk/by-"); found {
		key, value, ok = strings.Cut(rest, "/")
	}
	if ok {
		return v.hasTag(strings.ToUpper(key), value)
	}
	name, found := strings.CutPrefix(device, "/dev/")
	switch {
	case !found:
		return false
	case v.lv != nil:
		return name == v.lvName() || name == "mapper/"+v.mapperName()
	case v.mirror != nil:
		return name == "md"+v.mirror.Name || name == "md/"+v.mirror.Name
	case v.part.Number == 0 || strings.HasPrefix(name, "md"):
		return false
	}
	digits := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz")
	if strings.HasPrefix(name, "nvme") || strings.HasPrefix(name, "mmcblk") {
		_, digits, _ = strings.Cut(name, "p")
	}
	return digits == fmt.Sprint(v.part.Number)
}

func (v *volume) hasTag(key, value string) bool {
	if value == "" {
		return false
	}
	switch key {
	case "PARTUUID":
		return strings.EqualFold(value, v.part.UUID)
	case "PARTLABEL":
		return value == v.part.Name
	case "ID":
		return v.lv != nil && value == "dm-name-"+v.mapperName()
	}
	if v.fs == nil {
		return false
	}
	switch key {
	case "UUID":
		return strings.EqualFold(value, v.fs.Geometry.UUID)
	case "LABEL":
		return value == v.fs.Geometry.Label
	}
	return false
}
