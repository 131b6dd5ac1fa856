package filesystem_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

func TestIdentifyAgreesWithBlkid(t *testing.T) {
	const size, sizeOfZFS = 16 << 20, 64 << 20
	luks := []string{"cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "/bin/true"}
	tests := []struct {
		name string
		tool []string
		// patches are written where no tool makes the real thing.
		patches map[int]string
	}{
		{name: "swap", tool: []string{"mkswap"}},
		{name: "swap", tool: []string{"mkswap", "-p", "65536"}},
		{name: "ext", tool: []string{"mke2fs", "-q", "-t", "ext4"}},
		{name: "vfat", tool: []string{"mkfs.vfat"}},
		{name: "vfat", tool: []string{"mkfs.vfat", "-F", "32"}},
		{name: "crypto_LUKS", tool: append(luks, "--type", "luks1")},
		{name: "crypto_LUKS", tool: append(luks, "--type", "luks2")},
		{name: "BitLocker", patches: map[int]string{0: "\xeb\x58\x90-FVE-FS-\x00\x02\x08", 512: ""}},
		{name: "zfs_member", patches: uberblocks(sizeOfZFS)},
		{name: "swsuspend", patches: map[int]string{4096 - 10: "S1SUSPEND\x00"}},
		{name: "", patches: nil},
	}
	for _, test := range tests {
		t.Run(strings.Join(append(test.tool, test.name), " "), func(t *testing.T) {
			disktest.Need(t, "recognising what a partition holds", "blkid")
			path := filepath.Join(t.TempDir(), "disk")
			disk := make([]byte, size)
			if test.name == "zfs_member" {
				disk = make([]byte, sizeOfZFS)
			}
			for at, patch := range test.patches {
				copy(disk[at:], patch)
			}
			if err := os.WriteFile(path, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			if test.tool != nil {
				disktest.Need(t, "recognising what a partition holds", test.tool[0])
				disktest.Run(t, test.tool[0], append(test.tool[1:], path)...)
			}
			disk, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := filesystem.Identify(bytes.NewReader(disk), int64(len(disk))); got != test.name {
				t.Errorf("got %q, want %q", got, test.name)
			}
			out := disktest.Run(t, "sh", "-c", `blkid -p -o export "$1" || test $? -eq 2`, "sh", path)
			if test.name != "BitLocker" && !strings.Contains(out, "TYPE="+test.name) && test.name != "" {
				t.Errorf("blkid says\n%s", out)
			}
		})
	}
}

// uberblocks are those of the first and the last label of a ZFS.
func uberblocks(size int) map[int]string {
	patches := map[int]string{}
	for i := range 8 {
		for _, label := range []int{0, 256 << 10, size - 512<<10, size - 256<<10} {
			patches[label+128<<10+i<<10] = "\x0c\xb1\xba\x00\x00\x00\x00\x00\x88\x13"
		}
	}
	return patches
}
