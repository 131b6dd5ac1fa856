// Package disktest makes, with the real tools, the disks and file systems
// that the readers of package disk are tested with.
package disktest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// packages tells which Debian package a tool is in.
var packages = map[string]string{
	"qemu-img": "qemu-utils", "qemu-io": "qemu-utils",
	"mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "e2fsck": "e2fsprogs", "tune2fs": "e2fsprogs",
	"mkfs.btrfs": "btrfs-progs", "btrfs": "btrfs-progs", "btrfstune": "btrfs-progs",
	"sfdisk": "fdisk", "sgdisk": "gdisk", "blkid": "util-linux", "fsfreeze": "util-linux",
	"mkfs.vfat": "dosfstools", "mcopy": "mtools", "mmd": "mtools", "mdel": "mtools", "mlabel": "mtools",
	"lvm": "lvm2", "cryptsetup": "cryptsetup-bin", "mkswap": "util-linux",
	"mount": "mount", "umount": "mount", "losetup": "mount",
	"gzip": "gzip", "xz": "xz-utils", "zstd": "zstd", "tar": "tar", "python3": "python3",
	"guestfish": "libguestfs-tools", "mkfs.xfs": "xfsprogs", "xfs_db": "xfsprogs", "xfs_logprint": "xfsprogs", "xfs_io": "xfsprogs",
}

// Need skips the test where one of the tools is missing; what says what is
// then left out.
func Need(t testing.TB, what string, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (Debian package %s): %s is not tested", tool, packages[tool], what)
		}
	}
}

// Run runs a tool, returns its output, and fails the test if it fails.
func Run(t testing.TB, tool string, args ...string) string {
	t.Helper()
	return RunWith(t, "", tool, args...)
}

// RunWith runs a tool that reads input.
func RunWith(t testing.TB, input, tool string, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}
