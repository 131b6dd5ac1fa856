package inspect

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ext"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// Partition types that are told apart here (partition.Partition.Type).
const (
	partitionBIOSBoot = "21686148-6449-6e6f-744e-656564454649"
	partitionESP      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	partitionESPMBR   = "0xef"
)

// layout is the disk with what is on each of its partitions.
type layout struct {
	size    int64
	table   *partition.Table
	volumes []*volume
	root    *volume
}

// volume is a partition, or the whole disk where it has no table.
type volume struct {
	part partition.Partition // Number 0: the whole disk
	// fs is what is mounted without options; nil where it is none that is read.
	fs *filesystem.FS
	// subvolumes is set where fs is one of them.
	subvolumes *subvolumes
	// kind names what is on the volume in blkid's words: ext4, vfat,
	// LVM2_member, …
	kind string
	err  error // why its file system can not be read
}

// openers opens in a volume the file systems that filesystem.Identify tells
// apart.
var openers = map[string]func(v *volume, r io.ReaderAt) error{
	"btrfs": openBtrfs,
	"ext":   plain(ext.Open),
	"xfs":   plain(xfs.Open),
}

// plain is for file systems that have one tree of files.
func plain(open func(r io.ReaderAt, size int64) (*filesystem.FS, error)) func(*volume, io.ReaderAt) error {
	return func(v *volume, r io.ReaderAt) error {
		fsys, err := open(r, v.part.Size)
		v.fs = fsys
		return err
	}
}

// readLayout reads the partition table and looks at what every partition holds.
func readLayout(r io.ReaderAt, size int64) (layout, error) {
	table, err := partition.Read(r, size)
	if err != nil {
		return layout{}, fmt.Errorf("reading the disk's partition table: %w", err)
	}
	l := layout{size: size, table: table}
	for _, p := range table.Partitions {
		if !p.Extended() && p.Size > 0 {
			l.volumes = append(l.volumes, newVolume(r, p))
		}
	}
	if len(l.volumes) == 0 {
		l.volumes = []*volume{newVolume(r, partition.Partition{Size: size})}
	}
	return l, nil
}

func newVolume(r io.ReaderAt, p partition.Partition) *volume {
	section := p.Section(r)
	v := &volume{part: p, kind: filesystem.Identify(section, p.Size)}
	open, ok := openers[v.kind]
	if !ok {
		return v
	}
	if v.err = open(v, section); v.err == nil {
		v.kind = v.fs.Geometry.Type
	}
	return v
}

// findRoot picks the volume that the guest mounts as /: one with
// os-release. Of several, the one that a boot entry names counts, and of
// several subvolumes else the one that the file system itself names.
func (l *layout) findRoot() error {
	var candidates []*volume
	for _, v := range l.volumes {
		candidates = append(candidates, v.roots()...)
	}
	for _, narrow := range []func([]*volume) []*volume{l.namedByBootEntry, mountedByDefault, namedByFstab} {
		if len(candidates) > 1 {
			candidates = narrow(candidates)
		}
	}
	switch len(candidates) {
	case 0:
		return l.noRoot()
	case 1:
		l.root = candidates[0]
		return nil
	}
	return fmt.Errorf("several root file systems, and no boot entry's root= names one of them: %s", describe(candidates))
}

// roots returns what on the volume looks like a root file system.
func (v *volume) roots() []*volume {
	return slices.DeleteFunc(v.trees(), func(v *volume) bool { return !looksLikeRoot(newTree(v.fs)) })
}

func looksLikeRoot(t *tree) bool {
	_, err := t.lstat("/etc/os-release")
	if err != nil {
		_, err = t.lstat("/usr/lib/os-release")
	}
	if err != nil {
		return false
	}
	_, initErr := t.lstat("/sbin/init")
	_, usrErr := t.lstat("/usr")
	return initErr == nil || usrErr == nil
}

// namedByBootEntry returns those volumes that the root= and rootflags= of a
// normal boot entry mean, or all if there is no such entry. The menu is looked
// for on every volume, as /boot/grub and as /grub.
func (l *layout) namedByBootEntry(candidates []*volume) []*volume {
	var named []*volume
	for _, v := range append(slices.Clone(l.volumes), candidates...) {
		if v.fs == nil {
			continue
		}
		for _, e := range v.menu() {
			root, _ := e.arg("root")
			flags, _ := e.arg("rootflags")
			for _, c := range candidates {
				if c.is(root) && c.isMountedBy(flags) && !slices.Contains(named, c) {
					named = append(named, c)
				}
			}
		}
	}
	if len(named) == 0 {
		return candidates
	}
	return named
}

// menu reads the normal boot entries of the menus that are on the volume.
func (v *volume) menu() []BootEntry {
	var entries []BootEntry
	for _, file := range []string{"/boot/grub/grub.cfg", "/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub2/grub.cfg"} {
		if b, err := newTree(v.fs).read(file, maxText); err == nil {
			entries = append(entries, Boot{Entries: parseGrub(&notes{}, file, string(b))}.normal()...)
		}
	}
	return entries
}

// noRoot is the error of a disk without a root file system that can be read.
func (l *layout) noRoot() error {
	if l.table.Kind == partition.None && l.volumes[0].kind == "" {
		return errors.New("no partition table and no file system was found on the disk")
	}
	read := strings.Join(slices.Sorted(maps.Keys(openers)), ", ")
	return fmt.Errorf("no root file system was found: one with /etc/os-release that is read (%s); seen were: %s", read, describe(l.volumes))
}

func describe(volumes []*volume) string {
	all := make([]string, len(volumes))
	for i, v := range volumes {
		all[i] = v.String()
	}
	return strings.Join(cut(all), "; ")
}

// String names a volume and what is on it.
func (v *volume) String() string {
	what := v.kind
	switch {
	case v.err != nil:
		what = fmt.Sprintf("%s that can not be read: %v", what, v.err)
	case what == "":
		what = "nothing known"
	case v.fs == nil && v.kind != "vfat" && v.kind != "swap":
		what += ": not read yet"
	}
	return v.name() + ": " + what
}

// name says which volume it is.
func (v *volume) name() string {
	if v.part.Number == 0 {
		return "the whole disk" + v.subvolumes.name()
	}
	kind := v.part.TypeName
	if kind == "" {
		kind = "type " + v.part.Type
	}
	return fmt.Sprintf("partition %d (%s, %s)%s", v.part.Number, kind, humanSize(v.part.Size), v.subvolumes.name())
}

// humanSize writes bytes in the largest binary unit that divides well.
func humanSize(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[i]
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
	if !found || v.part.Number == 0 {
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

// guestTree puts the root file system and what its fstab mounts together. The
// mounts that can not be read are in the tree as such.
func (l *layout) guestTree() (*tree, []string, error) {
	t := newTree(l.root.fs)
	var unclean []string
	unclean = appendUnclean(unclean, "/", l.root)
	b, err := t.read("/etc/fstab", maxText)
	if absent(err) {
		return t, unclean, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the guest's /etc/fstab: %w", err)
	}
	for _, e := range parseFstab(string(b)) {
		if e.dir == "/" || !e.onDisk() {
			continue
		}
		v := l.find(e.device)
		if v == nil || v.fs == nil {
			t.mount(e.dir, nil, l.whyNot(e, v))
			continue
		}
		m, err := v.mounted(e.options)
		if err != nil {
			t.mount(e.dir, nil, fmt.Sprintf("%s, in fstab line %d: %v", v.name(), e.line, err))
			continue
		}
		t.mount(e.dir, m.fs, "")
		if m.part != l.root.part {
			unclean = appendUnclean(unclean, e.dir, m)
		}
	}
	return t, unclean, nil
}

func (l *layout) find(device string) *volume {
	for _, v := range l.volumes {
		if v.is(device) {
			return v
		}
	}
	return nil
}

func (l *layout) whyNot(e fstabEntry, v *volume) string {
	if v == nil {
		return fmt.Sprintf("%s, %s in fstab line %d", quote(e.device), quote(e.fsKind), e.line)
	}
	return v.String()
}

func appendUnclean(unclean []string, dir string, v *volume) []string {
	if v.fs.Geometry.Clean {
		return unclean
	}
	return append(unclean, fmt.Sprintf("the file system at %s (%s) was not unmounted: %s", dir, v.name(), v.fs.Geometry.Unclean))
}
