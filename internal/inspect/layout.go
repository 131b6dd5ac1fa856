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
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/lvm"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/raid"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vfat"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// partitionBIOSBoot is a type of partition (partition.Partition.Type).
const partitionBIOSBoot = "21686148-6449-6e6f-744e-656564454649"

// maxVolumes bounds the partitions and logical volumes that are looked at: Linux
// has no more partitions of a disk (include/linux/genhd.h, DISK_MAX_PARTS).
const maxVolumes = 256

// layout is the disk with what is on each of its partitions.
type layout struct {
	size    int64
	table   *partition.Table
	volumes []*volume
	root    *volume
	broken  int // file systems that were not unmounted, or are corrupt
}

// volume is a partition, the whole disk where it has no table, or a logical
// volume of LVM.
type volume struct {
	part partition.Partition // Number 0: the whole disk, or a logical volume
	// lv is set for a logical volume, pv for what holds pieces of some, and
	// mirror for a member of a RAID array, which shows the array.
	lv     *lvm.Volume
	pv     *lvm.PV
	mirror *raid.Member
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
	"vfat":  plain(vfat.Open),
	"xfs":   plain(xfs.Open),
}

// plain is for file systems that have one tree of files.
func plain(open func(r io.ReaderAt, size int64) (*filesystem.FS, error)) func(*volume, io.ReaderAt) error {
	return func(v *volume, r io.ReaderAt) error {
		fsys, err := open(r, v.size())
		v.fs = fsys
		return err
	}
}

// readLayout reads the partition table and looks at what every partition and
// every logical volume holds.
func readLayout(r io.ReaderAt, size int64) (layout, error) {
	table, err := partition.Read(r, size)
	if err != nil {
		return layout{}, fmt.Errorf("reading the disk's partition table: %w", err)
	}
	l := layout{size: size, table: table}
	for _, p := range table.Partitions {
		if !p.Extended() && p.Size > 0 && len(l.volumes) < maxVolumes {
			l.addPartition(r, p)
		}
	}
	if len(l.volumes) == 0 {
		l.addPartition(r, partition.Partition{Size: size})
	}
	l.addLogicalVolumes()
	return l, nil
}

// findRoot picks the volume that the guest mounts as /: one with os-release.
// Of several, the one counts that a boot entry names, else the default
// subvolume, else the one that says of itself that it is the root.
func (l *layout) findRoot() error {
	var candidates []*volume
	for _, v := range l.volumes {
		candidates = append(candidates, v.roots()...)
	}
	tests := []func(*volume) bool{l.isNamedByMenu(), (*volume).isMountedByDefault, (*volume).namesItself}
	for _, test := range tests {
		if len(candidates) > 1 {
			candidates = those(candidates, test)
		}
	}
	switch len(candidates) {
	case 0:
		return l.noRoot()
	case 1:
		l.root = candidates[0]
		return nil
	}
	return fmt.Errorf("several root file systems, and neither a boot entry's root= nor an fstab names one of them: %s", describe(candidates))
}

// those returns the candidates that pass the test, or all if none does.
func those(candidates []*volume, test func(*volume) bool) []*volume {
	var passed []*volume
	for _, c := range candidates {
		if test(c) {
			passed = append(passed, c)
		}
	}
	if passed == nil {
		return candidates
	}
	return passed
}

// roots returns what on the volume looks like a root file system.
func (v *volume) roots() []*volume {
	return slices.DeleteFunc(v.trees(), func(v *volume) bool { return !looksLikeRoot(newTree(v.fs)) })
}

func looksLikeRoot(t *tree) bool {
	tellsRelease := slices.ContainsFunc(slices.Concat(osReleaseFiles, olderReleases), func(file string) bool {
		_, err := t.lstat(file)
		return err == nil
	})
	if !tellsRelease {
		return false
	}
	_, initErr := t.lstat("/sbin/init")
	_, usrErr := t.lstat("/usr")
	return initErr == nil || usrErr == nil
}

// isNamedByMenu tells whether a normal boot entry of any volume means the
// candidate.
func (l *layout) isNamedByMenu() func(*volume) bool {
	var roots []rootArgs
	for _, v := range l.volumes {
		if v.fs != nil {
			roots = append(roots, v.menu()...)
		}
	}
	return func(v *volume) bool { return slices.ContainsFunc(roots, v.isRootOf) }
}

// rootArgs are the arguments of a boot entry that say what is mounted as /.
type rootArgs struct{ root, flags string }

func (v *volume) isRootOf(a rootArgs) bool { return v.is(a.root) && v.isMountedBy(a.flags) }

// maxMenus bounds the menus of one of many volumes, in bytes.
const maxMenus = 2 << 20

// menu reads what the normal boot entries on the volume have as their root.
func (v *volume) menu() []rootArgs {
	var roots []rootArgs
	t := newTree(v.fs)
	t.textLeft = maxMenus
	entries, _ := bootEntries(t, &notes{}, volumeFolders)
	for _, e := range (Boot{Entries: entries}).normal() {
		var a rootArgs
		a.root, _ = e.arg("root")
		a.flags, _ = e.arg("rootflags")
		if !slices.Contains(roots, a) {
			roots = append(roots, a)
		}
	}
	return roots
}

// namesItself reports whether the volume's own boot entries or fstab have it
// as the root: the copies of a root in snapshots name the original.
func (v *volume) namesItself() bool {
	if slices.ContainsFunc(v.menu(), v.isRootOf) {
		return true
	}
	b, err := newTree(v.fs).read("/etc/fstab", maxText)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(parseFstab(string(b)), func(e fstabEntry) bool {
		return e.dir == "/" && v.isRootOf(rootArgs{e.device, e.options})
	})
}

// noRoot is the error of a disk without a root file system that can be read.
func (l *layout) noRoot() error {
	if l.table.Kind == partition.None && l.volumes[0].kind == "" {
		return errors.New("no partition table and no file system was found on the disk")
	}
	for _, v := range l.volumes {
		if v.fs == nil || v.err != nil {
			continue
		}
		if _, err := newTree(v.fs).stat("/etc"); err != nil && !absent(err) {
			v.err = err
		}
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

// humanSize writes bytes in the largest binary unit that divides well.
func humanSize(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + " " + units[i]
}

// guestTree puts the root file system and what its fstab mounts together. The
// mounts that can not be read are in the tree as such.
func (l *layout) guestTree() (*tree, []string, error) {
	t := newTree(l.root.fs)
	var unclean []string
	unclean = appendUnclean(unclean, "/", l.root)
	b, err := t.read("/etc/fstab", maxText)
	if err != nil && !absent(err) {
		return nil, nil, fmt.Errorf("reading the guest's /etc/fstab: %w", err)
	}
	var mounted []*volume
	for _, e := range parseFstab(string(b)) {
		if e.dir == "/" || !e.onDisk() {
			continue
		}
		v := l.find(e.device)
		mounted = append(mounted, v)
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
		if (m.part != l.root.part || m.lv != l.root.lv) && !m.onlyForFirmware(e.dir) {
			unclean = appendUnclean(unclean, e.dir, m)
		}
	}
	return t, append(unclean, l.mountBootPartitions(t, mounted)...), nil
}

// onlyForFirmware reports whether a mount has loaders on it, and neither kernels
// nor anything else that findings are about: whether it is clean concerns
// Boot.UEFI alone, which tells of it.
func (v *volume) onlyForFirmware(dir string) bool { return v.isESP() && dir != "/boot" }

func (l *layout) find(device string) *volume {
	for _, v := range l.volumes {
		if v.is(device) {
			return v
		}
	}
	return nil
}

func (l *layout) whyNot(e fstabEntry, v *volume) string {
	if v != nil {
		return v.String()
	}
	reason := fmt.Sprintf("%s, %s in fstab line %d", quote(e.device), quote(e.fsKind), e.line)
	closed := those(l.volumes, func(v *volume) bool { return v.err != nil })
	if closed[0].err != nil {
		reason += "; it may be in " + describe(closed)
	}
	return reason
}

func appendUnclean(unclean []string, dir string, v *volume) []string {
	if v.fs.Geometry.Clean {
		return unclean
	}
	return append(unclean, fmt.Sprintf("the file system at %s (%s) was not unmounted: %s", dir, v.name(), v.fs.Geometry.Unclean))
}
