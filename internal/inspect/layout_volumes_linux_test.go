package inspect

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// espPart makes an EFI system partition that holds the named files.
func espPart(t testing.TB, names ...string) part {
	t.Helper()
	disktest.Need(t, "inspecting EFI system partitions", "mkfs.vfat", "mmd", "mcopy")
	path := filepath.Join(t.TempDir(), "esp")
	disktest.Run(t, "mkfs.vfat", "-C", "-i", "cafe1234", path, "8192")
	for _, dir := range []string{"::EFI", "::EFI/Boot", "::EFI/debian"} {
		disktest.Run(t, "mmd", "-i", path, dir)
	}
	for _, name := range names {
		disktest.Run(t, "mcopy", "-i", path, "/etc/hostname", "::"+name)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return part{mib: 8, kind: "U", magic: string(content)}
}

// groupPart makes a partition with a group of logical volumes.
func groupPart(volumes ...disktest.Volume) part {
	content := disktest.VolumeGroup("vg-0", 1, volumes...)
	return part{mib: int64(len(content)) / mib, kind: "V", magic: string(content)}
}

func volumeOf(t testing.TB, name string, p part) disktest.Volume {
	t.Helper()
	return disktest.Volume{Name: name, Content: p.content(t)}
}

// onLVM is a guest with /boot and the ESP on partitions, and / and /var on
// logical volumes, as the installers lay them out.
func onLVM(t testing.TB, change files) []part {
	t.Helper()
	const varUUID = "99999999-8888-7777-6666-555555555555"
	root, boot := realFiles().cut("boot")
	root, variable := root.cut("var")
	for name, content := range boot {
		boot[name] = strings.NewReplacer("/boot/", "/", "root=UUID="+rootUUID, "root=/dev/mapper/vg--0-root").Replace(content)
	}
	root["etc/fstab"] = "/dev/mapper/vg--0-root / ext4 defaults 0 1\nUUID=" + bootUUID + " /boot ext4 defaults 0 2\n" +
		"UUID=CAFE-1234 /boot/efi vfat umask=0077 0 1\n/dev/vg-0/var /var ext4 defaults 0 2\n/dev/disk/by-id/dm-name-vg--0-swap none swap sw 0 0\n"
	return []part{
		espPart(t, "EFI/Boot/bootx64.efi", "EFI/debian/grubx64.efi"),
		{mib: 16, kind: "L", uuid: bootUUID, tree: boot},
		groupPart(volumeOf(t, "root", rootPart(root.with(change))), volumeOf(t, "var", part{mib: 8, kind: linux, uuid: varUUID, tree: variable}),
			disktest.Volume{Name: "swap", Content: make([]byte, mib)}),
	}
}

var growing = files{
	"usr/libexec/openstack-ready/boot": "#!/bin/sh\n", "usr/sbin/lvm": "x",
	"etc/systemd/system/" + growUnit:                                          "[Install]\nWantedBy=multi-user.target\n",
	"etc/systemd/system/multi-user.target.wants/openstack-ready-grow.service": "-> ../" + growUnit,
}

func TestImageOnLVMWithUEFI(t *testing.T) {
	got := mustInspect(t, makeDisk(t, "gpt", onLVM(t, growing)...))
	for _, f := range got.Findings {
		evidence := strings.Join(f.Evidence, "\n")
		if !f.Verdict.OK() {
			t.Errorf("%s: %s: %s", f.ID, f.Verdict, evidence)
		}
		if f.ID == requirement.PartitionLayout && !strings.Contains(evidence, "below the LVM volume vg-0/root (32 MiB), with the ext4 root file system, is on partition 3 (Linux LVM, 43 MiB), the last of 3 partitions") {
			t.Errorf("%s: %s", f.ID, evidence)
		}
	}
	facts := got.Facts
	if r := facts.Root; r.Partition != 0 || r.Volume != "vg-0/root" || r.UUID != rootUUID || r.Size != 32*mib {
		t.Errorf("root: %+v", r)
	}
	if b := facts.Boot; !b.UEFI || b.UEFIUnknown != "" || b.BIOS || len(b.Entries) != 2 {
		t.Errorf("boot: %+v", b)
	}
	if facts.CloudInit.Version != "22.4.2-1" || len(facts.Kernels) != 1 {
		t.Errorf("cloud-init %+v, kernels %+v, want those of /var and /boot", facts.CloudInit, facts.Kernels)
	}
}

func TestDirtyESPConcernsUEFIAlone(t *testing.T) {
	parts := onLVM(t, growing)
	esp := []byte(parts[0].magic)
	esp[37] = 1
	parts[0].magic = string(esp)
	got := mustInspect(t, makeDisk(t, "gpt", parts...))
	for _, f := range got.Findings {
		if !f.Verdict.OK() {
			t.Errorf("%s: %s: %q", f.ID, f.Verdict, f.Evidence)
		}
	}
	if b := got.Facts.Boot; b.UEFI || !strings.Contains(b.UEFIUnknown, "it was not unmounted") {
		t.Errorf("boot: %+v", b)
	}
}

func TestRootOnLVMGrowsByOurUnitAlone(t *testing.T) {
	for _, test := range []struct {
		name   string
		change files
		want   requirement.Verdict
		says   string
	}{
		{"unit", growing, met, "/usr/sbin/lvm is there"},
		{"cloud-init alone", nil, unmet, "the LVM volume vg-0/root (32 MiB), which cloud-init never grows"},
		{"unit without lvm", files{}.with(growing).with(files{"usr/sbin/lvm": gone}), unmet, "no program lvm"},
		{"unit without its program", files{}.with(growing).with(files{"usr/libexec/openstack-ready/boot": gone}), unmet, "there is no /usr/libexec/openstack-ready/boot"},
		{"unit without tools", files{}.with(growing).with(files{"usr/sbin/growpart": gone, "usr/sbin/sfdisk": gone}), unmet, "no program growpart, sfdisk, sgdisk, parted"},
	} {
		findings := mustInspect(t, makeDisk(t, "gpt", onLVM(t, test.change)...)).Findings
		for _, f := range findings {
			if f.ID == requirement.RootResize && (f.Verdict != test.want || !strings.Contains(strings.Join(f.Evidence, "\n"), test.says)) {
				t.Errorf("%s: got %s: %q, want %s that says %q", test.name, f.Verdict, f.Evidence, test.want, test.says)
			}
		}
	}
}

func TestGPTOfASmallerDiskIsToldOf(t *testing.T) {
	raw := filepath.Join(t.TempDir(), "raw")
	disktest.Run(t, "qemu-img", "convert", "-O", "raw", makeDisk(t, "gpt", part{mib: 32, kind: "L", uuid: rootUUID, tree: realFiles()}), raw)
	if err := os.Truncate(raw, 50*mib); err != nil {
		t.Fatal(err)
	}
	for _, f := range mustInspect(t, raw).Findings {
		evidence := strings.Join(f.Evidence, "\n")
		if f.ID == requirement.PartitionLayout && (f.Verdict != unmet ||
			!strings.Contains(evidence, "the backup GPT belongs at sector 69631, but the disk ends with sector 102399") ||
			!strings.Contains(evidence, "17 MiB of the disk are described by no partition")) {
			t.Errorf("got %s: %s", f.Verdict, evidence)
		}
	}
}

// TestRootOnPhysicalVolumesOfSeveralPartitions has the first half of the root
// on the second partition.
func TestRootOnPhysicalVolumesOfSeveralPartitions(t *testing.T) {
	const half = 16 * mib
	tree := realFiles().with(growing)
	tree["boot/grub/grub.cfg"] = strings.ReplaceAll(tree["boot/grub/grub.cfg"], "UUID="+rootUUID, "/dev/vg/root")
	root := rootPart(tree).content(t)
	metadata := `vg {
id = "x"
seqno = 5
extent_size = 2048
physical_volumes {
first {
id = "` + strings.Repeat("a", 32) + `"
pe_start = 2048
}
second {
id = "` + strings.Repeat("b", 32) + `"
pe_start = 2048
}
}
logical_volumes {
root {
status = ["VISIBLE"]
segment_count = 2
segment1 {
start_extent = 0
extent_count = 16
type = "striped"
stripe_count = 1
stripes = ["second", 0]
}
segment2 {
start_extent = 16
extent_count = 16
type = "striped"
stripe_count = 1
stripes = ["first", 1]
}
}
}
}`
	first := disktest.PhysicalVolume(strings.Repeat("a", 32), 18<<20, metadata, 0)
	second := disktest.PhysicalVolume(strings.Repeat("b", 32), 17<<20, metadata, 100)
	copy(second[disktest.PVData:], root[:half])
	copy(first[disktest.PVData+disktest.PVExtent:], root[half:])
	got := mustInspect(t, makeDisk(t, "dos", part{mib: 18, kind: "8e", magic: string(first)}, part{mib: 17, kind: "8e", magic: string(second)}))
	if r := got.Facts.Root; r.UUID != rootUUID || r.Volume != "vg/root" {
		t.Errorf("root: %+v", r)
	}
	for _, f := range got.Findings {
		if !f.Verdict.OK() || f.ID == requirement.PartitionLayout && !strings.Contains(fmt.Sprint(f.Evidence), "is on partition 2 (Linux LVM, 17 MiB), the last of 2") {
			t.Errorf("%s: %s: %q", f.ID, f.Verdict, f.Evidence)
		}
	}
}

func TestPhysicalVolumeWithoutPartitionTable(t *testing.T) {
	got := mustInspect(t, makeDisk(t, "none", groupPart(volumeOf(t, "root", rootPart(realFiles().with(growing))))))
	for _, f := range got.Findings {
		if f.ID == requirement.PartitionLayout && (f.Verdict != met || !strings.Contains(fmt.Sprint(f.Evidence), "fills the whole disk")) {
			t.Errorf("%s: %s: %q", f.ID, f.Verdict, f.Evidence)
		}
	}
}

// TestImageOfAMachineThatWasKilled has a file in its journal alone.
func TestImageOfAMachineThatWasKilled(t *testing.T) {
	p := rootPart(realFiles().with(files{"etc/machine-id": gone}))
	path := filepath.Join(t.TempDir(), "fs")
	before := p.content(t)
	write(t, path, 0, before, int64(len(before)))
	empty := filepath.Join(t.TempDir(), "empty")
	write(t, empty, 0, nil, 0)
	disktest.Run(t, "debugfs", "-w", "-R", "write "+empty+" etc/machine-id", path)
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	var data []byte
	const block = 1024 // of so small an ext4
	for at := 0; at < len(after); at += block {
		if string(after[at:at+block]) != string(before[at:at+block]) {
			numbers, data = append(numbers, fmt.Sprint(at/block)), append(data, after[at:at+block]...)
		}
	}
	blocks := filepath.Join(t.TempDir(), "blocks")
	write(t, blocks, 0, data, int64(len(data)))
	write(t, path, 0, before, int64(len(before)))
	disktest.RunWith(t, "jo -c -v 3\njw -b "+strings.Join(numbers, ",")+" "+blocks+"\njc\n", "debugfs", "-w", "-f", "-", path)
	dirty, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range mustInspect(t, makeDisk(t, "dos", part{mib: p.mib, kind: linux, magic: string(dirty)})).Findings {
		if !f.Verdict.OK() {
			t.Errorf("%s: %s: %q", f.ID, f.Verdict, f.Evidence)
		}
		if f.ID == requirement.IdentityReset && !strings.Contains(fmt.Sprint(f.Evidence), "/etc/machine-id") {
			t.Errorf("%s: got %q, want it to tell of the file in the journal", f.ID, f.Evidence)
		}
	}
}

func TestPartitionsBehindLVMAreToldOf(t *testing.T) {
	parts := append(onLVM(t, growing), part{mib: 8, kind: "S"})
	for _, f := range mustInspect(t, makeDisk(t, "gpt", parts...)).Findings {
		if f.ID == requirement.PartitionLayout && (f.Verdict != unmet || !strings.Contains(strings.Join(f.Evidence, "\n"), "behind it lies partition 4")) {
			t.Errorf("got %s: %q", f.Verdict, f.Evidence)
		}
	}
}

func TestEFISystemPartitionDecidesUEFI(t *testing.T) {
	dirty := espPart(t, "EFI/Boot/bootx64.efi")
	image := []byte(dirty.magic)
	image[37] = 1
	dirty.magic = string(image)
	for _, test := range []struct {
		name    string
		esp     part
		uefi    bool
		unknown string
	}{
		{"loader", espPart(t, "EFI/Boot/BOOTX64.EFI"), true, ""},
		{"loader of a distribution alone", espPart(t, "EFI/debian/shimx64.efi"), false, ""},
		{"loader of another architecture", espPart(t, "EFI/Boot/BOOTAA64.EFI"), false, ""},
		{"not unmounted", dirty, false, "is not clean: it was not unmounted"},
		{"not FAT", part{mib: 8, kind: "U"}, false, "can not be read"},
	} {
		boot := mustInspect(t, makeDisk(t, "gpt", test.esp, part{mib: 32, kind: "L", uuid: rootUUID, tree: realFiles()})).Facts.Boot
		if boot.UEFI != test.uefi || !strings.Contains(boot.UEFIUnknown, test.unknown) || (boot.UEFIUnknown == "") != (test.unknown == "") {
			t.Errorf("%s: got %v, %q, want %v, %q", test.name, boot.UEFI, boot.UEFIUnknown, test.uefi, test.unknown)
		}
	}
}

// mirrored makes the content of a partition a member of a mirror whose
// metadata, of version 1.0, is at its end.
func mirrored(t testing.TB, p part) part {
	t.Helper()
	content := append(p.content(t), make([]byte, mib)...)
	at := len(content) - 8192
	raw, le := content[at:], binary.LittleEndian
	copy(raw, "\xfc\x4e\x2b\xa9\x01")
	copy(raw[16:], "an array's UUID.host:0")
	raw[72], raw[92] = 1, 2
	le.PutUint64(raw[136:], uint64(at/512))
	le.PutUint64(raw[144:], uint64(at/512))
	total := uint64(0)
	for i := 0; i < 256; i += 4 {
		total += uint64(le.Uint32(raw[i:]))
	}
	le.PutUint32(raw[216:], uint32(total)+uint32(total>>32))
	return part{mib: p.mib + 1, kind: linux, magic: string(content)}
}

func TestRootOnAMirrorIsReadFromItsFirstMember(t *testing.T) {
	member := mirrored(t, rootPart(realFiles()))
	got := mustInspect(t, makeDisk(t, "dos", member, member))
	if got.Facts.Root.UUID != rootUUID || got.Facts.Root.Partition != 1 {
		t.Errorf("root: %+v", got.Facts.Root)
	}
	for _, f := range got.Findings {
		if f.ID == requirement.RootResize && (f.Verdict != unmet || !strings.Contains(f.Evidence[0], "a member of a RAID array: neither cloud-init nor")) {
			t.Errorf("%s: %s: %q", f.ID, f.Verdict, f.Evidence)
		}
	}
}

func TestWhatStaysClosedSaysWhy(t *testing.T) {
	thin := disktest.PhysicalVolume(strings.Repeat("a", 32), 8<<20, `rhel {
id = "x"
seqno = 1
extent_size = 2048
logical_volumes {
root {
status = ["READ", "VISIBLE"]
segment_count = 1
segment1 {
start_extent = 0
extent_count = 1
type = "thin"
}
}
}
}`, 0)
	striped := mirrored(t, rootPart(realFiles()))
	image := []byte(striped.magic)
	image[len(image)-8192+72], image[len(image)-8192+216] = 0, image[len(image)-8192+216]-1
	for _, test := range []struct{ name, content, want string }{
		{"thin", string(thin), `the LVM volume rhel/root (1 MiB): a volume that can not be read: LVM volume rhel/root: it has a segment of type "thin", which is not read`},
		{"LUKS1", "LUKS\xba\xbe\x00\x01", "crypto_LUKS that can not be read: LUKS1, encrypted"},
		{"LUKS2", "LUKS\xba\xbe\x00\x02", "LUKS2, encrypted"},
		{"BitLocker", "\xeb\x58\x90-FVE-FS-", "BitLocker that can not be read: it is encrypted"},
		{"bcache", strings.Repeat("\x00", 4120) + "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache that can not be read: its newest content"},
		{"RAID 0", string(image), "part of the RAID 0 array"},
	} {
		_, err := inspectImage(t, makeDisk(t, "dos", part{mib: max(8, int64(len(test.content))/mib), kind: linux, magic: test.content}))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q in it", test.name, err, test.want)
		}
	}
}

func TestOnlySomeBrokenFileSystemsAreRead(t *testing.T) {
	dirty := part{mib: 1, kind: linux, uuid: bootUUID, tree: files{"usr/": ""}, dirty: true}
	parts := []part{rootPart(realFiles())}
	for range maxBroken + 2 {
		parts = append(parts, dirty)
	}
	for i := range parts {
		parts[i].kind = "L"
	}
	img, err := disk.Open(makeDisk(t, "gpt", parts...))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close() //nolint:errcheck // nothing was written
	l, err := readLayout(img, img.Size())
	if err != nil {
		t.Fatal(err)
	}
	var closed []string
	for _, v := range l.volumes {
		if v.fs == nil {
			closed = append(closed, v.String())
		}
	}
	if len(closed) != 2 || !strings.Contains(closed[0], "partition 10") || !strings.Contains(closed[0], "8 file systems of the disk were not unmounted") {
		t.Errorf("got %q, want the last two closed", closed)
	}
}

func TestHomeOnLUKSIsUnknown(t *testing.T) {
	tree := realFiles().with(files{"etc/fstab": "/dev/mapper/luks-home /home ext4 defaults 0 2\n"})
	image := makeDisk(t, "dos", part{mib: 8, kind: linux, magic: "LUKS\xba\xbe\x00\x02"}, rootPart(tree))
	for _, f := range mustInspect(t, image).Findings {
		if f.ID != requirement.NoSecrets {
			continue
		}
		if evidence := fmt.Sprint(f.Evidence); f.Verdict != unknown || !strings.Contains(evidence, "/dev/mapper/luks-home") || !strings.Contains(evidence, "LUKS2, encrypted") {
			t.Errorf("%s: %s: %s", f.ID, f.Verdict, evidence)
		}
	}
}
