package inspect

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// onDisk is a file system of the conformance disk: how it is made, what it
// lies on, and what the kernel reads from it.
type onDisk struct {
	name string
	// make makes it in a file, with the files of a folder of the host in it
	// where loaded is set; else it is empty, and the kernel fills it.
	make   func(t *testing.T, path, tree string)
	loaded bool
	mib    int64
	// kind and options are those of mount.
	kind, options string
	below         below
	// path is the file of the partition, offset where the file system starts.
	path   string
	offset int64
	want   disktest.Listing
}

// below is what lies between a file system and its partition.
type below int

const (
	nothing below = iota
	logicalVolume
	mirror
)

func tool(args ...string) func(*testing.T, string, string) {
	return func(t *testing.T, path, _ string) {
		t.Helper()
		disktest.Need(t, "the conformance of "+strings.Join(args, " "), args[0])
		disktest.Run(t, args[0], append(args[1:], path)...)
	}
}

// withXFS makes a file system of 40 MiB, which mkfs.xfs does for tests alone.
func withXFS(args ...string) func(*testing.T, string, string) {
	return func(t *testing.T, path, tree string) {
		t.Helper()
		disktest.Need(t, "the conformance of xfs", "mkfs.xfs")
		if err := os.Rename(disktest.XFS(t, tree, 40, args...), path); err != nil {
			t.Fatal(err)
		}
	}
}

func withFAT(bits string) func(*testing.T, string, string) {
	return func(t *testing.T, path, tree string) {
		t.Helper()
		disktest.Need(t, "the conformance of vfat", "mkfs.vfat", "mcopy")
		disktest.Run(t, "mkfs.vfat", "-F", bits, "-s", "1", path)
		names, err := filepath.Glob(filepath.Join(tree, "*"))
		if err != nil {
			t.Fatal(err)
		}
		disktest.Run(t, "mcopy", append(append([]string{"-s", "-Q", "-i", path}, names...), "::")...)
	}
}

// conformant are all file systems that can be made here, and what can be
// below. Distributions' kernels mount xfs v4 and vfat no longer, or with a
// module that is not everywhere: tools load them.
func conformant() []*onDisk {
	btrfs := tool("mkfs.btrfs", "-q")
	return []*onDisk{
		{name: "ext2", make: tool("mke2fs", "-q", "-t", "ext2"), mib: 24, kind: "ext2"},
		{name: "ext3", make: tool("mke2fs", "-q", "-t", "ext3"), mib: 24, kind: "ext3"},
		{name: "ext4", make: tool("mke2fs", "-q", "-t", "ext4"), mib: 24, kind: "ext4"},
		{name: "xfs v4", make: withXFS("-m", "crc=0"), loaded: true, mib: 40, kind: "xfs"},
		{name: "xfs v5", make: withXFS("-m", "crc=1,reflink=1,bigtime=1"), mib: 40, kind: "xfs"},
		{name: "btrfs", make: btrfs, mib: 120, kind: "btrfs"},
		{name: "btrfs zlib", make: btrfs, mib: 120, kind: "btrfs", options: "compress-force=zlib"},
		{name: "btrfs lzo", make: btrfs, mib: 120, kind: "btrfs", options: "compress-force=lzo"},
		{name: "btrfs zstd", make: btrfs, mib: 120, kind: "btrfs", options: "compress-force=zstd"},
		{name: "vfat 16", make: withFAT("16"), loaded: true, mib: 16, kind: "vfat"},
		{name: "vfat 32", make: withFAT("32"), loaded: true, mib: 40, kind: "vfat"},
		{name: "ext4 on LVM", make: tool("mke2fs", "-q", "-t", "ext4"), mib: 24, kind: "ext4", below: logicalVolume},
		{name: "xfs on RAID1", make: withXFS(), mib: 40, kind: "xfs", below: mirror},
	}
}

// diskFormats are those that can be made of the conformance disk: what
// qemu-img convert -O takes, and what packs its image.
var diskFormats = []struct{ name, options, packed string }{
	{"raw", "raw", ""},
	{"qcow2 v2", "qcow2 -o compat=0.10", ""},
	{"qcow2 v3", "qcow2 -o compat=1.1", ""},
	{"qcow2 zlib", "qcow2 -c -o compression_type=zlib", ""},
	{"qcow2 zstd", "qcow2 -c -o compression_type=zstd", ""},
	{"qcow2 subclusters", "qcow2 -o extended_l2=on", ""},
	{"qcow2 2M clusters", "qcow2 -o cluster_size=2M", ""},
	{"VMDK monolithicSparse", "vmdk -o subformat=monolithicSparse", ""},
	{"VMDK streamOptimized", "vmdk -o subformat=streamOptimized", ""},
	{"VMDK flat", "vmdk -o subformat=monolithicFlat", ""},
	{"VHD dynamic", "vpc -o subformat=dynamic", ""},
	{"VHD fixed", "vpc -o subformat=fixed,force_size=on", ""},
	{"VHDX", "vhdx", ""},
	{"VDI", "vdi", ""},
	{"OVA", "vmdk -o subformat=streamOptimized", "ova"},
	{"qcow2 in gzip", "qcow2 -c", "gzip -1"},
	{"VMDK in xz", "vmdk -o subformat=streamOptimized", "xz -0"},
	{"raw in zstd", "raw", "zstd -q --rm -1"},
}

// TestEveryFormatHoldsEveryFileSystem makes one disk of all file systems, has
// the kernel fill and read each, converts the disk to every format, and
// compares what we read in each pair.
func TestEveryFormatHoldsEveryFileSystem(t *testing.T) {
	disktest.Need(t, "the pairs of formats and file systems", "qemu-img", "sfdisk", "mount", "umount", "cp", "tar", "gzip", "xz", "zstd")
	dir := t.TempDir()
	tree, plain := awkwardTrees(t)
	var all []*onDisk
	for i, f := range conformant() {
		f.path = filepath.Join(dir, fmt.Sprint("fs", i))
		source, fill := tree, f.fill
		if f.loaded {
			source, fill = plain, f.load
		}
		if t.Run("make/"+f.name, func(t *testing.T) { fill(t, source) }) && f.want != nil {
			all = append(all, f)
		}
	}
	raw := assembled(t, dir, all)
	ran := map[string][]string{}
	for _, format := range diskFormats {
		t.Run(format.name, func(t *testing.T) {
			image := inFormat(t, raw, format.options, format.packed)
			ran[format.name] = conforms(t, image, all)
		})
	}
	for _, format := range slices.Sorted(maps.Keys(ran)) {
		t.Logf("%-22s × %s", format, strings.Join(ran[format], ", "))
		if len(ran[format]) != len(all) {
			t.Errorf("%s: %d pairs ran, want %d", format, len(ran[format]), len(all))
		}
	}
}

// awkwardTrees are one for the kernel to copy, and one of what every tool can
// load. A file of 64 MiB, nearly all holes, is left out of the first, which is
// read often.
func awkwardTrees(t *testing.T) (tree, plain string) {
	t.Helper()
	tree = disktest.Tree(t, 1024)
	if err := os.Remove(filepath.Join(tree, "holes/triple")); err != nil {
		t.Fatal(err)
	}
	content := files{"EFI/BOOT/BOOTX64.EFI": strings.Repeat("loader", 50_000), "empty": "", "A-rather-longer-name.of.a.file": "x", "folder/": ""}
	for i := range 300 {
		content[fmt.Sprintf("many/a-longer-name-%d", i)] = strings.Repeat("y", i*100)
	}
	return tree, content.onHost(t)
}

// fill makes the file system, has the kernel copy the tree into it, puts what
// is below around it, and has the kernel read it there.
func (f *onDisk) fill(t *testing.T, tree string) {
	t.Helper()
	what := "the conformance of " + f.name
	write(t, f.path, 0, nil, f.mib*mib)
	f.make(t, f.path, "")
	disktest.Mount(t, what, f.path, f.kind, f.options, func(dir string) {
		disktest.Run(t, "cp", "-a", tree+"/.", dir)
	})
	f.wrap(t)
	options := fmt.Sprintf("ro,offset=%d,sizelimit=%d", f.offset, f.mib*mib)
	disktest.Mount(t, what, f.path, f.kind, options, func(dir string) {
		f.want = disktest.ListFolder(t, dir, true)
	})
	if len(f.want) < 300 {
		t.Fatalf("the kernel lists %d names only", len(f.want))
	}
}

// load makes the file system with the files of the tree in it.
func (f *onDisk) load(t *testing.T, tree string) {
	t.Helper()
	write(t, f.path, 0, nil, f.mib*mib)
	f.make(t, f.path, tree)
	f.want = disktest.ListFolder(t, tree, false)
}

func (f *onDisk) wrap(t *testing.T) {
	t.Helper()
	if f.below == nothing {
		return
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if f.below == mirror {
		content = []byte(mirrored(t, part{magic: string(content)}).magic)
	} else {
		content = disktest.VolumeGroup("conformance", 1, disktest.Volume{Name: "root", Content: content})
		f.offset = disktest.PVData
	}
	write(t, f.path, 0, content, int64(len(content)))
}

// assembled makes a raw disk with a partition for each file system.
func assembled(t *testing.T, dir string, all []*onDisk) string {
	t.Helper()
	raw, table, start := filepath.Join(dir, "disk.raw"), "label: gpt\n", mib
	var starts []int64
	for _, f := range all {
		info, err := os.Stat(f.path)
		if err != nil {
			t.Fatal(err)
		}
		table += fmt.Sprintf("start=%dMiB, size=%dMiB, type=L\n", start/mib, info.Size()/mib)
		starts = append(starts, start)
		start += info.Size()
	}
	write(t, raw, 0, nil, start+mib)
	disktest.RunWith(t, table, "sfdisk", "--quiet", "--no-tell-kernel", raw)
	for i, f := range all {
		disktest.Run(t, "dd", "if="+f.path, "of="+raw, "bs=1M", fmt.Sprint("seek=", starts[i]/mib), "conv=notrunc,sparse", "status=none")
	}
	return raw
}

// inFormat converts the raw disk with qemu-img, and packs the image.
func inFormat(t *testing.T, raw, options, packed string) string {
	t.Helper()
	dir := t.TempDir()
	image := filepath.Join(dir, "image.vmdk")
	args := append([]string{"convert", "-f", "raw", "-O"}, strings.Fields(options)...)
	disktest.Run(t, "qemu-img", append(args, raw, image)...)
	if packed == "" {
		return image
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if packed == "ova" {
		write(t, filepath.Join(dir, "vm.ovf"), 0, []byte(oneDisk), int64(len(oneDisk)))
		disktest.Run(t, "tar", "--format=ustar", "-cf", filepath.Join(dir, "vm.ova"), "-C", dir, "vm.ovf", "image.vmdk")
		return filepath.Join(dir, "vm.ova")
	}
	command := strings.Fields(packed)
	disktest.Run(t, command[0], append(command[1:], image)...)
	after, err := os.ReadDir(dir)
	if err != nil || len(after) != len(before) || after[0].Name() == before[0].Name() {
		t.Fatalf("%s made %v of %v: %v", packed, after, before, err)
	}
	return filepath.Join(dir, after[0].Name())
}

const oneDisk = `<?xml version="1.0"?>
<Envelope ovf:version="1.0" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="file1" ovf:href="image.vmdk"/></References>
<DiskSection><Info>Disks</Info><Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/></DiskSection>
<VirtualSystem ovf:id="vm"><Info>A virtual machine</Info></VirtualSystem>
</Envelope>
`

// conforms compares every file system of an image with what the kernel read,
// and returns the names of those that were the same.
func conforms(t *testing.T, path string, all []*onDisk) []string {
	t.Helper()
	image, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close() //nolint:errcheck // nothing was written
	l, err := readLayout(image, image.Size())
	if err != nil {
		t.Fatal(err)
	}
	var same []string
	for i, f := range all {
		ok := t.Run(f.name, func(t *testing.T) {
			v := l.conformanceVolume(i + 1)
			if f.below == logicalVolume {
				v = l.find("/dev/conformance/root")
			}
			if v == nil || v.fs == nil {
				t.Fatalf("it was not found among %s", describe(l.volumes))
			}
			if (f.below == mirror) != (v.mirror != nil) || v.fs.Geometry.Type != f.kind || !v.fs.Geometry.Clean {
				t.Errorf("got %s: %+v, want a clean %s", v, v.fs.Geometry, f.kind)
			}
			disktest.List(t, v.fs, !f.loaded).Compare(t, f.want)
		})
		if ok {
			same = append(same, f.name)
		}
	}
	return same
}

func (l *layout) conformanceVolume(number int) *volume {
	for _, v := range l.volumes {
		if v.part.Number == number {
			return v
		}
	}
	return nil
}
