package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// cutOff has Linux fill a file system, write what it holds to its place, and a
// last file through to the disk. It returns the disk as it was before what it
// holds was in its place, then, and after unmounting.
func cutOff(t *testing.T, kind string, size int64, tree files) (early, cut, whole part) {
	t.Helper()
	const what = "inspecting a disk whose machine was cut off"
	path := filepath.Join(t.TempDir(), "fs")
	switch kind {
	case "xfs":
		disktest.Need(t, what, "mkfs.xfs", "fsfreeze")
		path = disktest.XFS(t, "", size, "-m", "uuid="+rootUUID)
	case "btrfs":
		disktest.Need(t, what, "mkfs.btrfs", "fsfreeze")
		write(t, path, 0, nil, size*mib)
		disktest.Run(t, "mkfs.btrfs", "-q", "-U", rootUUID, path)
	}
	read := func() part {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return part{mib: size, kind: linux, magic: string(b)}
	}
	source := tree.onHost(t)
	disktest.Mount(t, what, path, kind, "rw", func(dir string) {
		disktest.Run(t, "cp", "-a", source+"/.", dir)
		disktest.Run(t, "sync", "-f", dir)
		early = read()
		disktest.Run(t, "fsfreeze", "--freeze", dir)
		disktest.Run(t, "fsfreeze", "--unfreeze", dir)
		late, err := os.Create(filepath.Join(dir, "late"))
		if err != nil {
			t.Fatal(err)
		}
		if err := late.Sync(); err != nil {
			t.Fatal(err)
		}
		cut = read()
		if err := late.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return early, cut, read()
}

// TestNothingOnADiskThatWasCutOffIsMet has the root, and the package list's
// /var beside a clean root, on file systems that were in use when the disk was
// copied. The same disk is ready after unmounting.
func TestNothingOnADiskThatWasCutOffIsMet(t *testing.T) {
	for _, test := range []struct {
		kind, grower, says string
		mib                int64
	}{
		{"xfs", "usr/sbin/xfs_growfs", "log must be recovered", 40},
		{"btrfs", "usr/bin/btrfs", "log tree must be replayed", 120},
	} {
		t.Run(test.kind+" root", func(t *testing.T) {
			_, cut, whole := cutOff(t, test.kind, test.mib, realFiles().with(files{
				test.grower: "x", "etc/fstab": "UUID=" + rootUUID + " / " + test.kind + " defaults 0 0\n",
			}))
			allUnknown(t, makeDisk(t, "dos", cut), test.says)
			allReady(t, makeDisk(t, "dos", whole))
		})
		t.Run(test.kind+" var", func(t *testing.T) {
			root, variable := realFiles().cut("var")
			root = root.with(files{"etc/fstab": "PARTUUID=aabbccdd-02 / ext4 defaults 0 1\nUUID=" + rootUUID + " /var " + test.kind + " defaults 0 0\n"})
			root["boot/grub/grub.cfg"] = strings.ReplaceAll(root["boot/grub/grub.cfg"], "UUID="+rootUUID, "PARTUUID=aabbccdd-02")
			clean := part{mib: 32, kind: linux, uuid: bootUUID, tree: root}
			_, cut, whole := cutOff(t, test.kind, test.mib, variable)
			allUnknown(t, makeDisk(t, "dos", cut, clean), test.says)
			allReady(t, makeDisk(t, "dos", whole, clean))
		})
	}
}

// XFS has what was synced in its log alone for a while.
func TestRootThatIsInALogIsToldOf(t *testing.T) {
	early, _, _ := cutOff(t, "xfs", 40, realFiles())
	_, err := inspectImage(t, makeDisk(t, "dos", early))
	if err == nil || !strings.Contains(err.Error(), "xfs, of which not all is seen: its log must be recovered") {
		t.Errorf("got %v, want it to tell of the log", err)
	}
}

func allUnknown(t *testing.T, image, says string) {
	t.Helper()
	for _, f := range mustInspect(t, image).Findings {
		if f.ID != requirement.ImageFormat && (f.Verdict != unknown || !strings.Contains(f.Evidence[0], says)) {
			t.Errorf("%s: got %s, want unknown that says %q:\n\t%s", f.ID, f.Verdict, says, strings.Join(f.Evidence, "\n\t"))
		}
	}
}

func allReady(t *testing.T, image string) {
	t.Helper()
	for _, f := range mustInspect(t, image).Findings {
		if !f.Verdict.OK() {
			t.Errorf("after unmounting: %s: %s:\n\t%s", f.ID, f.Verdict, strings.Join(f.Evidence, "\n\t"))
		}
	}
}
