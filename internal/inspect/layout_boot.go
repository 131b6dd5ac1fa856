package inspect

import (
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
)

// partitionXBOOTLDR is the type of the extended boot loader partition in a GPT
// (UAPI.2 Discoverable Partitions Specification).
const partitionXBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172"

// mountBootPartitions hangs the partitions of the boot loader into the tree that
// no fstab mentions, where systemd would (systemd-gpt-auto-generator(8)): the
// extended boot loader partition at /boot, the EFI system partition at /efi, or
// at /boot where there is no /efi.
func (l *layout) mountBootPartitions(t *tree, mounted []*volume) []string {
	var unclean []string
	if l.table.Kind != partition.GPT {
		return nil
	}
	hang := func(v *volume, dir string) {
		t.mount(dir, v.fs, "")
		if !v.onlyForFirmware(dir) {
			unclean = appendUnclean(unclean, dir, v)
		}
	}
	for _, v := range l.volumes {
		if strings.EqualFold(v.part.Type, partitionXBOOTLDR) && v.fs != nil && !slices.Contains(mounted, v) && t.isBare("/boot") {
			hang(v, "/boot")
			break
		}
	}
	for _, v := range l.volumes {
		if !v.isESP() || v.fs == nil || slices.Contains(mounted, v) {
			continue
		}
		for _, dir := range []string{"/efi", "/boot"} {
			if t.isBare(dir) {
				hang(v, dir)
				break
			}
		}
		break
	}
	return unclean
}

// isBare reports whether a directory is there and empty, so that something can
// be mounted on it.
func (t *tree) isBare(dir string) bool {
	names, err := t.list(dir)
	return err == nil && len(names) == 0
}
