package disktest

import (
	"os"
	"path/filepath"
	"testing"
)

// Debian makes a raw disk with an MBR and one ext4 partition that holds just
// enough of a Debian to be taken for one, with a machine ID baked in and
// nothing that OpenStack needs. It returns the disk's path.
func Debian(t testing.TB) string {
	t.Helper()
	Need(t, "inspecting a disk with a root file system", "mke2fs", "sfdisk")
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/os-release": "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n",
		"sbin/init":      "#!/bin/sh\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "debian")
	Run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, "-E", "offset=1048576", path, "31M")
	RunWith(t, "label: dos\nstart=2048, type=83, bootable\n", "sfdisk", "-q", "--wipe-partitions", "never", path)
	return path
}
