package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// btrfsPart makes a partition with a Btrfs that Linux fills.
func btrfsPart(t testing.TB, fill func(dir string)) part {
	t.Helper()
	const what, size = "inspecting a guest on btrfs", 120
	disktest.Need(t, what, "mkfs.btrfs", "btrfs", "cp")
	path := filepath.Join(t.TempDir(), "btrfs")
	write(t, path, 0, nil, size*mib)
	disktest.Run(t, "mkfs.btrfs", "-q", "-U", rootUUID, path)
	disktest.Mount(t, what, path, "btrfs", "compress=zstd", fill)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return part{mib: size, kind: linux, magic: string(image)}
}

func subvolume(t testing.TB, dir string, tree files) {
	t.Helper()
	disktest.Run(t, "btrfs", "subvolume", "create", dir)
	disktest.Run(t, "cp", "-a", tree.onHost(t)+"/.", dir)
}

// cut splits a tree at a directory: what is below becomes a tree of its own.
func (f files) cut(dir string) (rest, below files) {
	rest, below = files{}, files{}
	for name, content := range f {
		if inside, ok := strings.CutPrefix(name, dir+"/"); ok {
			below[inside] = content
		} else {
			rest[name] = content
		}
	}
	return rest, below
}

func btrfsLine(dir, options string) string {
	return "UUID=" + rootUUID + " " + dir + " btrfs " + options + " 0 0\n"
}

// debianOnBtrfs has its root in @rootfs, as the installer makes it, and a copy
// of it that a backup made.
func debianOnBtrfs(t testing.TB, options string) part {
	return btrfsPart(t, func(dir string) {
		root, home := realFiles().with(files{
			"usr/bin/btrfs":      "x",
			"etc/fstab":          btrfsLine("/", "defaults,subvol=@rootfs") + btrfsLine("/home", "subvolid=257,subvol=/@home"),
			"boot/grub/grub.cfg": strings.ReplaceAll(grubConfig("console=tty0 console=ttyS0,115200n8"), "1111 ro", rootUUID+" ro "+options),
		}).cut("home")
		subvolume(t, filepath.Join(dir, "@rootfs"), root)
		subvolume(t, filepath.Join(dir, "@home"), home.with(files{"debian/.ssh/authorized_keys": "ssh-ed25519 AAAA builder\n"}))
		disktest.Run(t, "btrfs", "subvolume", "snapshot", filepath.Join(dir, "@rootfs"), filepath.Join(dir, "backup"))
		disktest.Run(t, "sh", "-c", `echo ID=old >"$1"`, "sh", filepath.Join(dir, "backup/usr/lib/os-release"))
	})
}

func TestDebianOnBtrfsIsFoundByWhatNamesItsSubvolume(t *testing.T) {
	for name, options := range map[string]string{
		"rootflags": "rootflags=subvol=@rootfs", "rootflags by ID": "rootflags=compress=zstd,subvolid=256", "fstab alone": "",
	} {
		t.Run(name, func(t *testing.T) {
			got := mustInspect(t, makeDisk(t, "dos", debianOnBtrfs(t, options)))
			if r := got.Facts.Root; r.FileSystem != "btrfs" || r.UUID != rootUUID || r.Size != 120*mib || !r.Clean {
				t.Errorf("root: got %+v", r)
			}
			if got.Facts.OS.ID != "debian" || len(got.Facts.Kernels) != 1 {
				t.Errorf("got %+v and kernels %v, want Debian and one kernel", got.Facts.OS, got.Facts.Kernels)
			}
			for _, f := range got.Findings {
				evidence := strings.Join(f.Evidence, "\n")
				if f.ID == requirement.NoSecrets {
					if f.Verdict != requirement.Unmet || !strings.Contains(evidence, "/home/debian/.ssh/authorized_keys") {
						t.Errorf("%s: %s, want unmet for the key on @home: %s", f.ID, f.Verdict, evidence)
					}
				} else if !f.Verdict.OK() {
					t.Errorf("%s: %s: %s", f.ID, f.Verdict, evidence)
				}
			}
		})
	}
}

// TestSUSEOnBtrfsIsFoundByItsDefaultSubvolume has the root in a snapshot, and
// the package list in a subvolume that only fstab mounts.
func TestSUSEOnBtrfsIsFoundByItsDefaultSubvolume(t *testing.T) {
	root, variable := realFiles().with(files{
		"usr/lib/os-release": "ID=\"opensuse-leap\"\nVERSION_ID=\"15.6\"\nPRETTY_NAME=\"openSUSE Leap 15.6\"\n",
		"etc/fstab":          btrfsLine("/", "defaults") + btrfsLine("/var", "subvol=/@/var") + btrfsLine("/.snapshots", "subvol=/@/.snapshots"),
	}).cut("var")
	root = root.with(files{"boot/grub/grub.cfg": gone, "boot/grub2/grub.cfg": root["boot/grub/grub.cfg"]})
	image := makeDisk(t, "dos", btrfsPart(t, func(dir string) {
		at := func(name string) string { return filepath.Join(dir, name) }
		subvolume(t, at("@"), nil)
		subvolume(t, at("@/var"), variable)
		subvolume(t, at("@/.snapshots"), files{"1/info.xml": "first", "2/info.xml": "second"})
		subvolume(t, at("@/.snapshots/1/snapshot"), root)
		disktest.Run(t, "btrfs", "subvolume", "snapshot", "-r", at("@/.snapshots/1/snapshot"), at("@/.snapshots/2/snapshot"))
		disktest.Run(t, "btrfs", "subvolume", "set-default", at("@/.snapshots/1/snapshot"))
	}))
	got := mustInspect(t, image)
	if got.Facts.OS.ID != "opensuse-leap" || got.Facts.Root.FileSystem != "btrfs" {
		t.Errorf("got %+v on %+v", got.Facts.OS, got.Facts.Root)
	}
	if c := got.Facts.CloudInit; c.Version != "22.4.2-1" {
		t.Errorf("cloud-init: got version %q, want that of the package list on @/var", c.Version)
	}
	if len(got.Facts.Boot.Entries) != 2 {
		t.Errorf("boot entries: got %+v, want those of /boot/grub2", got.Facts.Boot.Entries)
	}
}

func TestSubvolumeThatCanNotBeMountedIsToldOf(t *testing.T) {
	img, err := disk.Open(makeDisk(t, "dos", debianOnBtrfs(t, "")))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close() //nolint:errcheck // nothing was written
	l, err := readLayout(img, img.Size())
	if err != nil {
		t.Fatal(err)
	}
	for options, want := range map[string]string{
		"subvol=@missing":         "file does not exist",
		"subvol=@rootfs/etc":      "it is no subvolume",
		"subvolid=nine":           "is not a number",
		"subvolid=9,subvol=@home": "Linux does not mount it",
		"subvolid=999":            "subvolume 999: file does not exist",
	} {
		if m, err := l.volumes[0].mounted(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want %q", options, m, err, want)
		}
	}
}
