package inspect

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// debianOnXFS is a partition of 32 MiB with a Debian on XFS, changed by edit.
func debianOnXFS(t testing.TB, tree files, edit func(fs []byte)) part {
	t.Helper()
	disktest.Need(t, "inspecting a guest on xfs", "mkfs.xfs")
	tree = tree.with(files{
		"usr/sbin/resize2fs": gone, "usr/sbin/xfs_growfs": "x", "etc/fstab": "UUID=" + rootUUID + " / xfs defaults 0 0\n",
	})
	path := disktest.XFS(t, tree.onHost(t), 32, "-m", "uuid="+rootUUID)
	fs, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edit(fs)
	return part{mib: 32, kind: linux, magic: string(fs)}
}

func TestDebianOnXFSIsJudgedAsOnExt4(t *testing.T) {
	for name, changes := range map[string]files{
		"ready": {}, "not ready": {"usr/bin/cloud-init": gone, "usr/sbin/sshd": gone, "etc/machine-id": "0123456789abcdef0123456789abcdef\n"},
	} {
		tree := realFiles().with(changes)
		want := verdicts(mustInspect(t, makeDisk(t, "dos", rootPart(tree))).Findings)
		got := mustInspect(t, makeDisk(t, "dos", debianOnXFS(t, tree, func([]byte) {})))
		for id, verdict := range verdicts(got.Findings) {
			if verdict != want[id] {
				t.Errorf("%s: %s: got %s, want %s as on ext4", name, id, verdict, want[id])
			}
		}
		if r := got.Facts.Root; r.FileSystem != "xfs" || r.UUID != rootUUID || r.Label != "awkward" || r.Size != 32*mib || !r.Clean {
			t.Errorf("%s: root: %+v", name, r)
		}
	}
}

func TestXFSThatWasNotUnmountedIsUnknown(t *testing.T) {
	dirty := debianOnXFS(t, realFiles(), func(fs []byte) {
		// The record of the unmount: as if it had two operations.
		record := fs[bytes.Index(fs, []byte{0xfe, 0xed, 0xba, 0xbe}):]
		binary.BigEndian.PutUint32(record[40:], 2)
	})
	got := mustInspect(t, makeDisk(t, "dos", dirty))
	if r := got.Facts.Root; r.Clean || !strings.Contains(r.Unclean, "log must be recovered") {
		t.Errorf("root: %+v", r)
	}
	for _, f := range got.Findings {
		if f.ID != requirement.ImageFormat && (f.Verdict != requirement.Unknown || !strings.Contains(f.Evidence[0], "log must be recovered")) {
			t.Errorf("%s: got %s, %q", f.ID, f.Verdict, f.Evidence)
		}
	}
}

func TestXFSThatIsDamagedIsNamed(t *testing.T) {
	damaged := debianOnXFS(t, realFiles(), func(fs []byte) { fs[108] ^= 1 })
	_, err := inspectImage(t, makeDisk(t, "dos", damaged))
	if err == nil || !strings.Contains(err.Error(), "xfs that can not be read: superblock: its checksum is wrong") {
		t.Errorf("got %v", err)
	}
}
