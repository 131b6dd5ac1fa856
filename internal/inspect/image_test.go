package inspect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

const (
	rootUUID = "11111111-2222-3333-4444-555555555555"
	bootUUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
	linux    = "83"
)

// part is one partition of a disk that a test makes: a tree that mke2fs puts
// into an ext4 file system, or bytes at an offset.
type part struct {
	mib   int64
	kind  string // as sfdisk's type
	tree  files
	uuid  string
	dirty bool
	magic string
	at    int64
}

// makeDisk makes a qcow2 image with the real tools: mke2fs, sfdisk, qemu-img.
// label is sfdisk's, dos or gpt; none makes a disk of the first part alone.
func makeDisk(t testing.TB, label string, parts ...part) string {
	t.Helper()
	disktest.Need(t, "inspecting a disk image", "mke2fs", "debugfs", "sfdisk", "qemu-img")
	dir := t.TempDir()
	raw, image := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	start := mib
	if label == "none" {
		start = 0
	}
	size, table := start, "label: "+label+"\nlabel-id: 0xaabbccdd\n"
	if label == "gpt" {
		table = "label: gpt\n"
	}
	for _, p := range parts {
		table += fmt.Sprintf("start=%dMiB, size=%dMiB, type=%s\n", size/mib, p.mib, p.kind)
		size += p.mib * mib
	}
	if label == "gpt" {
		size += mib
	}
	write(t, raw, 0, nil, size)
	if label != "none" {
		disktest.RunWith(t, table, "sfdisk", "--quiet", "--no-tell-kernel", raw)
	}
	for _, p := range parts {
		write(t, raw, start, p.content(t), size)
		start += p.mib * mib
	}
	disktest.Run(t, "qemu-img", "convert", "-O", "qcow2", raw, image)
	return image
}

// content returns what goes into the partition.
func (p part) content(t testing.TB) []byte {
	t.Helper()
	if p.tree == nil {
		return append(make([]byte, p.at), p.magic...)
	}
	file := filepath.Join(t.TempDir(), "ext4")
	disktest.Run(t, "mke2fs", "-q", "-t", "ext4", "-U", p.uuid, "-d", p.tree.onHost(t), file, fmt.Sprintf("%dM", p.mib))
	if p.dirty {
		disktest.Run(t, "debugfs", "-w", "-R", "set_super_value state 0", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// onHost writes the files to a folder of the host.
func (f files) onHost(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range f {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		target, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case err != nil, content == gone:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t testing.TB, file string, at int64, b []byte, size int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.WriteAt(b, at)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func inspectImage(t testing.TB, path string) (*Result, error) {
	t.Helper()
	img, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}()
	return Image(context.Background(), img)
}

func mustInspect(t testing.TB, path string) *Result {
	t.Helper()
	result, err := inspectImage(t, path)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// realFiles is the ready guest without what mke2fs takes from a folder with
// links: the host must not follow them.
func realFiles() files {
	f := files{}
	for name, content := range readyFiles() {
		f[name] = strings.ReplaceAll(content, "1111", rootUUID)
	}
	return f
}

func rootPart(tree files) part { return part{mib: 32, kind: linux, uuid: rootUUID, tree: tree} }

func verdicts(findings []requirement.Finding) map[requirement.ID]requirement.Verdict {
	m := map[requirement.ID]requirement.Verdict{}
	for _, f := range findings {
		m[f.ID] = f.Verdict
	}
	return m
}

func TestImageThatIsReady(t *testing.T) {
	got := mustInspect(t, makeDisk(t, "dos", rootPart(realFiles())))
	var ids, want []requirement.ID
	for _, r := range requirement.SeenFrom(requirement.Disk) {
		want = append(want, r.ID)
	}
	for _, f := range got.Findings {
		ids = append(ids, f.ID)
		if !f.Verdict.OK() {
			t.Errorf("%s: %s: %s", f.ID, f.Verdict, strings.Join(f.Evidence, "\n\t"))
		}
	}
	if !slices.Equal(ids, want) {
		t.Errorf("findings for %v, want %v", ids, want)
	}

	facts := got.Facts
	if facts.Root.Partition != 1 || facts.Root.FileSystem != "ext4" || facts.Root.UUID != rootUUID || facts.Root.Size != 32*mib || !facts.Root.Clean {
		t.Errorf("root: %+v", facts.Root)
	}
	if facts.OS != (OS{ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)", Init: "systemd"}) {
		t.Errorf("OS: %+v", facts.OS)
	}
	if facts.Architecture != "x86_64" || len(facts.Boot.Entries) != 2 || !facts.Boot.Entries[1].Recovery {
		t.Errorf("architecture %q, entries %+v", facts.Architecture, facts.Boot.Entries)
	}
	if want := (Kernel{version, "/boot/vmlinuz-" + version, "/boot/initrd.img-" + version, ""}); !slices.Equal(facts.Kernels, []Kernel{want}) {
		t.Errorf("kernels: %+v", facts.Kernels)
	}
	c := facts.CloudInit
	if !c.Installed || !c.Enabled || c.Version != "22.4.2-1" || c.DefaultUser != "debian" || len(c.DisabledBy) > 0 ||
		!slices.Equal(c.Datasources, []string{"ConfigDrive", "OpenStack", "None"}) {
		t.Errorf("cloud-init: %+v", c)
	}
	if facts.GuestAgent != (GuestAgent{Installed: true, Enabled: true}) {
		t.Errorf("guest agent: %+v", facts.GuestAgent)
	}
	if facts.Disk.Format != disk.FormatQCOW2 || len(facts.Partitions.Partitions) != 1 {
		t.Errorf("disk: %+v, %+v", facts.Disk, facts.Partitions)
	}
}

func TestImageThatIsNotReady(t *testing.T) {
	tree := realFiles().with(files{
		"usr/bin/cloud-init": gone, "boot/grub/grub.cfg": grubConfig("quiet"),
		"etc/udev/rules.d/70-persistent-net.rules":                 `ATTR{address}=="` + readyMAC + `", NAME="eth0"` + "\n",
		"usr/lib/systemd/system/nftables.service":                  "[Install]\nWantedBy=sysinit.target\n",
		"etc/systemd/system/sysinit.target.wants/nftables.service": "-> /lib/systemd/system/nftables.service",
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "etc/ssh/ssh_host_rsa_key": "x",
		"root/.ssh/authorized_keys": "ssh-ed25519 AAAA builder\n", "etc/network/interfaces": "auto eth0\niface eth0 inet dhcp\n",
		"etc/systemd/system/multi-user.target.wants/ssh.service": gone, "usr/sbin/qemu-ga": gone,
		"boot/initrd.img-" + version: cpioOf("init"), "etc/systemd/system/systemd-logind.service": "-> /dev/null",
	})
	got := verdicts(mustInspect(t, makeDisk(t, "dos", rootPart(tree), part{mib: 8, kind: "82"})).Findings)
	for _, r := range requirement.SeenFrom(requirement.Disk) {
		want := requirement.Unmet
		switch r.ID {
		case requirement.XenPVKernel:
			want = requirement.NotApplicable
		case requirement.ImageFormat:
			want = requirement.Met
		}
		if got[r.ID] != want {
			t.Errorf("%s: got %s, want %s", r.ID, got[r.ID], want)
		}
	}
}

func TestImageThatWasNotUnmounted(t *testing.T) {
	p := rootPart(realFiles().with(files{"usr/sbin/sshd": gone}))
	p.dirty = true
	got := mustInspect(t, makeDisk(t, "dos", p))
	if got.Facts.Root.Clean || got.Facts.Root.Unclean == "" {
		t.Errorf("root: %+v", got.Facts.Root)
	}
	for _, f := range got.Findings {
		want := requirement.Unknown
		if f.ID == requirement.ImageFormat {
			want = requirement.Met
		}
		if f.Verdict != want {
			t.Errorf("%s: got %s, want %s: nothing read without the journal is proof", f.ID, f.Verdict, want)
		}
		if f.ID == requirement.SSHServer && !strings.Contains(strings.Join(f.Evidence, "\n"), "no program sshd") {
			t.Errorf("%s: the evidence does not say what was seen: %q", f.ID, f.Evidence)
		}
	}
}

func TestImageWithBootOnItsOwnPartition(t *testing.T) {
	root, boot := realFiles(), files{}
	for name, content := range root {
		if rest, ok := strings.CutPrefix(name, "boot/"); ok {
			boot[rest] = strings.ReplaceAll(content, "/boot/", "/")
			root[name] = gone
		}
	}
	root["etc/fstab"] = "UUID=" + rootUUID + " / ext4 defaults 0 1\nUUID=" + bootUUID + " /boot ext4 defaults 0 2\n"
	image := makeDisk(t, "gpt", part{mib: 16, kind: "L", uuid: bootUUID, tree: boot}, part{mib: 32, kind: "L", uuid: rootUUID, tree: root})
	got := mustInspect(t, image)
	for _, f := range got.Findings {
		if !f.Verdict.OK() {
			t.Errorf("%s: %s: %s", f.ID, f.Verdict, strings.Join(f.Evidence, "\n\t"))
		}
	}
	if got.Facts.Root.Partition != 2 || len(got.Facts.Kernels) != 1 {
		t.Errorf("root on %d, kernels %+v", got.Facts.Root.Partition, got.Facts.Kernels)
	}
}

func TestImageWithBootThatCanNotBeRead(t *testing.T) {
	tree := realFiles().with(files{"etc/fstab": "LABEL=boot /boot xfs defaults 0 2\n"})
	got := verdicts(mustInspect(t, makeDisk(t, "dos", part{mib: 8, kind: linux, magic: "XFSB"}, rootPart(tree))).Findings)
	for _, id := range []requirement.ID{requirement.ConsoleLog, requirement.Virtio, requirement.XenPVKernel, requirement.NoHardcodedMAC} {
		if got[id] != requirement.Unknown {
			t.Errorf("%s: got %s, want unknown", id, got[id])
		}
	}
	if got[requirement.SSHServer] != requirement.Met {
		t.Errorf("ssh-server: got %s, want met: it has nothing to do with /boot", got[requirement.SSHServer])
	}
}

func TestImageWithSeveralRoots(t *testing.T) {
	other := part{mib: 16, kind: linux, uuid: bootUUID, tree: files{"etc/os-release": "ID=other\n", "usr/": ""}}
	got := mustInspect(t, makeDisk(t, "dos", other, rootPart(realFiles())))
	if got.Facts.Root.Partition != 2 || got.Facts.OS.ID != "debian" {
		t.Errorf("root on partition %d (%s), want 2, which the boot entries name", got.Facts.Root.Partition, got.Facts.OS.ID)
	}
	_, err := inspectImage(t, makeDisk(t, "dos", other, rootPart(files{"etc/os-release": "ID=b\n", "usr/": ""})))
	if err == nil || !strings.Contains(err.Error(), "several root file systems") || !strings.Contains(err.Error(), "partition 1") {
		t.Errorf("two roots without boot entries: %v", err)
	}
}

func TestImageWithoutPartitionTable(t *testing.T) {
	got := mustInspect(t, makeDisk(t, "none", rootPart(realFiles())))
	f := verdicts(got.Findings)
	if got.Facts.Root.Partition != 0 || f[requirement.PartitionLayout] != requirement.Met || f[requirement.SSHServer] != requirement.Met {
		t.Errorf("root on partition %d, findings %v", got.Facts.Root.Partition, f)
	}
}

func TestImageThatCanNotBeInspected(t *testing.T) {
	esp := part{mib: 8, kind: "U", magic: "FAT32   ", at: 0x52}
	lvm := part{mib: 8, kind: "V", magic: "LVM2 001", at: 536}
	tests := []struct {
		name  string
		label string
		parts []part
		want  []string
	}{
		{"LVM", "gpt", []part{esp, lvm}, []string{
			"no root file system", "partition 1 (EFI system, 8 MiB): vfat", "partition 2 (Linux LVM, 8 MiB): LVM2_member that can not be read: no LVM physical volume",
		}},
		{"nothing on the disk", "none", []part{{mib: 8}}, []string{"no partition table and no file system"}},
		{"an empty partition", "dos", []part{{mib: 8, kind: linux}}, []string{"partition 1 (Linux filesystem, 8 MiB): nothing known"}},
		{"Windows", "dos", []part{{mib: 8, kind: "7", magic: "NTFS    ", at: 3}}, []string{"ntfs: not read yet"}},
		{"data only", "dos", []part{{mib: 8, kind: linux, uuid: rootUUID, tree: files{"file": "x"}}}, []string{"no root file system", "ext4"}},
		{"damaged ext", "dos", []part{{mib: 8, kind: linux, magic: "\x53\xef", at: 1080}}, []string{"ext that can not be read"}},
		{"FreeBSD", "dos", []part{rootPart(files{"etc/os-release": "ID=freebsd\nPRETTY_NAME=FreeBSD\n", "usr/": ""})}, []string{"only Linux guests"}},
		{"/usr elsewhere", "dos", []part{rootPart(files{
			"etc/os-release": "-> ../usr/lib/os-release", "usr/": "", "etc/fstab": "/dev/mapper/vg-usr /usr xfs defaults 0 0\n",
		})}, []string{"os-release", "/dev/mapper/vg-usr"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := inspectImage(t, makeDisk(t, tt.label, tt.parts...))
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestBootLoader(t *testing.T) {
	bootCode := func(image []byte, core int64) []byte {
		copy(image[0x180:], "GRUB \x00Geom\x00")
		copy(image[core+0x190:], "loading\x00")
		return image
	}
	// What stands in other boot code, whose own core is elsewhere.
	others := []struct {
		name, code, core, loader string
		active                   bool
		at                       int64
		bios                     bool
	}{
		{"GRUB 1", "GRUB \x00Geom", "Loading stage1.5", "grub-legacy", false, 512, true},
		{"syslinux", "Missing operating system.\r\n", "EXTLINUX", "extlinux", true, mib, true},
		{"syslinux's boot code, and no active partition", "Missing operating system.\r\n", "EXTLINUX", "boot code, and no partition that it would start", false, mib, false},
		{"syslinux's boot code alone", "Missing operating system.\r\n", "", "boot code that starts partition 1, which has no boot loader that is known", true, mib, false},
	}
	for _, tt := range others {
		t.Run(tt.name, func(t *testing.T) {
			sectors := make([]byte, mib+512)
			copy(sectors[0x100:], tt.code)
			copy(sectors[tt.at+3:], tt.core)
			table := &partition.Table{Partitions: []partition.Partition{{Number: 1, Start: mib, Bootable: tt.active}}}
			bios, loader := findLoader(bytes.NewReader(sectors), table)
			if bios != tt.bios || loader != tt.loader {
				t.Errorf("got %v, %q; want %v, %q", bios, loader, tt.bios, tt.loader)
			}
		})
	}
	esp := part{mib: 8, kind: "U", magic: "FAT32   ", at: 0x52}
	tests := []struct {
		name    string
		label   string
		parts   []part
		core    int64
		bios    bool
		unknown bool
	}{
		{"none", "dos", []part{rootPart(realFiles())}, -1, false, false},
		{"GRUB behind the MBR", "dos", []part{rootPart(realFiles())}, 512, true, false},
		{"GRUB without its core", "dos", []part{rootPart(realFiles())}, 5120, false, false},
		{"GRUB in a BIOS boot partition, and an ESP", "gpt", []part{{mib: 1, kind: "21686148-6449-6E6F-744E-656564454649"}, esp, rootPart(realFiles())}, mib, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			image := makeDisk(t, tt.label, gptTypes(tt.label, tt.parts)...)
			raw := filepath.Join(t.TempDir(), "raw")
			disktest.Run(t, "qemu-img", "convert", "-O", "raw", image, raw)
			if tt.core >= 0 {
				b, err := os.ReadFile(raw)
				if err != nil {
					t.Fatal(err)
				}
				write(t, raw, 0, bootCode(b, tt.core), int64(len(b)))
			}
			boot := mustInspect(t, raw).Facts.Boot
			if boot.BIOS != tt.bios || boot.UEFI || (boot.UEFIUnknown != "") != tt.unknown {
				t.Errorf("got %+v, want BIOS %v, UEFI unknown %v", boot, tt.bios, tt.unknown)
			}
		})
	}
}

// gptTypes gives Linux partitions sfdisk's name of their type in a GPT.
func gptTypes(label string, parts []part) []part {
	for i := range parts {
		if label == "gpt" && parts[i].kind == linux {
			parts[i].kind = "L"
		}
	}
	return parts
}

func TestImageStopsWhenCancelled(t *testing.T) {
	img, err := disk.Open(makeDisk(t, "dos", rootPart(realFiles())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if result, err := Image(ctx, img); result != nil || err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("got %v, %v", result, err)
	}
}

func BenchmarkImage(b *testing.B) {
	path := makeDisk(b, "dos", rootPart(realFiles()))
	for b.Loop() {
		mustInspect(b, path)
	}
}
