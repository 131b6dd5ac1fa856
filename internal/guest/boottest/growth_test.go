//go:build linux

package boottest

import (
	_ "embed"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

//go:embed testdata/growth.sh
var growthScript string

const (
	// One partition, with all that a table can say of it.
	gptTable = "label: gpt\nlabel-id: 6D2231E4-0975-4F35-A94F-56738C1A8150\n" +
		"type=L, uuid=11111111-2222-3333-4444-555555555555, name=\"the root's\", attrs=\"LegacyBIOSBootable\"\n"
	dosTable = "label: dos\nlabel-id: 0x12345678\n,,L,*\n"

	imageSize  = 384 << 20
	flavorSize = 768 << 20
	// fullKiB is the least that a file system of the flavor's size has for files.
	fullKiB = 700 << 10
)

// growths are an image's disks, which a flavor made larger; how is what the boot
// program says of it, with DISK for the disk's name.
var growths = []struct {
	name, table string
	how         string
}{
	{"gpt-ext4-sfdisk", gptTable, "the partition /dev/DISK1 has grown"},
	{"gpt-ext4-sgdisk", gptTable, "the partition /dev/DISK1 has grown"},
	{"gpt-ext4-parted", gptTable, "the partition /dev/DISK1 has grown"},
	{"gpt-ext4-growpart", gptTable, "the partition /dev/DISK1 has grown"},
	{"dos-ext4-sfdisk", dosTable, "the partition /dev/DISK1 has grown"},
	{"dos-ext4-parted", dosTable, "the partition /dev/DISK1 has grown"},
	{"logical-ext4-sfdisk", "label: dos\n,,E\n,,L\n", "the partition /dev/DISK5 has grown"},
	{"dos-lvm.ext4-sfdisk", "label: dos\n,,8e\n", "the partition /dev/DISK1 has grown"},
	{"dos-lvm.ext4-old", "label: dos\n,,8e\n", "made the partition /dev/DISK2"},
	{"gpt-lvm.xfs-sfdisk", "label: gpt\n,,E6D6D379-F507-44C2-A23C-238F2A3DF928\n", "the partition /dev/DISK1 has grown"},
	{"gpt-btrfs-sfdisk", gptTable, "the partition /dev/DISK1 has grown"},
	{"disk-ext4-sfdisk", "", ""},
}

// drives are config drives as Nova makes them (nova, virt/configdrive.py).
var drives = []struct{ name, command string }{
	{"drive-iso9660", "genisoimage -quiet -J -r -ldots -allow-lowercase -allow-multidot -l -V config-2 -o drive-iso9660 content"},
	{"drive-vfat", "mkfs.vfat -n config-2 -C drive-vfat 65536 >made && mcopy -s -i drive-vfat content/openstack ::"},
}

const userData = "#!/bin/sh\necho user data was here\n"

// TestRealMachine boots one virtual machine for all disks, since the boot is
// most of its time.
func TestRealMachine(t *testing.T) {
	m := newMachine(t)
	needPrograms(t, "genisoimage", "genisoimage", "mkfs.vfat", "dosfstools", "mcopy", "mtools")
	dir := t.TempDir()
	for _, d := range drives {
		writeFile(t, filepath.Join(dir, "content/openstack/latest/meta_data.json"), metaData, 0o644)
		writeFile(t, filepath.Join(dir, "content/openstack/latest/user_data"), userData, 0o644)
		shell(t, dir, d.command)
		m.addDisk(d.name, filepath.Join(dir, d.name))
	}
	before := map[string]string{}
	for _, g := range growths {
		path := filepath.Join(dir, g.name)
		resize(t, path, imageSize)
		if g.table != "" {
			shell(t, dir, "sfdisk -q "+g.name+" <<'END'\n"+g.table+"END\n")
		}
		resize(t, path, flavorSize)
		m.addDisk(g.name, path)
		before[g.name] = table(t, path)
	}
	out := m.run(t, growthScript)
	for i, d := range drives {
		t.Run(d.name, func(t *testing.T) { expectInstance(t, out, d.name, "/dev/vd"+string(rune('a'+i))) })
	}
	for i, g := range growths {
		t.Run(g.name, func(t *testing.T) {
			expectGrowth(t, out, g.name, strings.ReplaceAll(g.how, "DISK", "vd"+string(rune('a'+len(drives)+i))))
			path := filepath.Join(dir, g.name)
			if got := table(t, path); !strings.HasPrefix(got, before[g.name]) {
				t.Errorf("the table changed in more than a size: got\n%s\nwant\n%s", got, before[g.name])
			}
			if strings.HasPrefix(g.name, "gpt-") {
				if got := shell(t, dir, "sgdisk -v "+g.name); !strings.Contains(got, "No problems found") {
					t.Errorf("sgdisk finds the table damaged: %s", got)
				}
			}
		})
	}
}

// expectGrowth looks at the machine's words on one disk.
func expectGrowth(t *testing.T, out, name, how string) {
	t.Helper()
	form := regexp.MustCompile(`(?s)=== ` + regexp.QuoteMeta(name) + ` before \d+\n(.*?)=== \S+ status 0 after (\d+)\n` +
		`=== \S+ again status 0 size (\d+)\n=== \S+ the files are still there\n=== \S+ sound\n`)
	said := form.FindStringSubmatch(out)
	if said == nil {
		t.Fatalf("the disk did not grow in silence at the second boot, with sound files:\n%s", out)
	}
	if !strings.Contains(said[1], how) || strings.Contains(said[1], "could not") {
		t.Errorf("got %q, want %q", said[1], how)
	}
	if size, err := strconv.Atoi(said[2]); err != nil || size < fullKiB {
		t.Errorf("the file system has %s KiB, want at least %d", said[2], fullKiB)
	}
	if said[2] != said[3] {
		t.Errorf("the second boot changed %s KiB to %s", said[2], said[3])
	}
}

// expectInstance looks at what the machine says of one config drive.
func expectInstance(t *testing.T, out, name, device string) {
	t.Helper()
	_, said, _ := strings.Cut(out, "openstack-ready: the metadata is from the config drive "+device+"\n")
	said, _, _ = strings.Cut(said, "=== "+name+" end")
	want := `openstack-ready: made new SSH host keys for this instance
openstack-ready: the host name is vm1
openstack-ready: 2 SSH keys are in root's authorized_keys
=== ` + name + ` status 0 keys
openstack-ready: running the user data
user data was here
openstack-ready: the user data has run
=== ` + name + ` status 0 user-data
openstack-ready: the metadata is from the config drive ` + device + `
=== ` + name + ` status 0 again
kernel: vm1, file: vm1, -----BEGIN OPENSSH PRIVATE KEY-----
` + firstKey + "\n" + secondKey + "\n"
	if said != want {
		t.Errorf("got\n%s\nwant\n%s", said, want)
	}
}

func resize(t *testing.T, path string, size int64) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		writeFile(t, path, "", 0o644)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

var sizes = regexp.MustCompile(`(?m)size= *\d+|^last-lba:.*\n`)

// table returns what a disk's partition table says, but for sizes.
func table(t *testing.T, path string) string {
	t.Helper()
	return sizes.ReplaceAllString(shell(t, filepath.Dir(path), "sfdisk -d "+path+" 2>/dev/null || [ $? -eq 1 ]"), "size")
}
