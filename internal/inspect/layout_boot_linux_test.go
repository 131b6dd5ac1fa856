package inspect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// TestBootPartitionThatNoFstabNames: systemd mounts it by its type, and its
// loader reads the entries from it.
func TestBootPartitionThatNoFstabNames(t *testing.T) {
	disktest.Need(t, "looking into EFI system partitions", "mkfs.vfat", "mmd", "mcopy")
	esp := espPart(t, "EFI/Boot/BOOTX64.EFI")
	image := filepath.Join(t.TempDir(), "esp")
	entry := filepath.Join(t.TempDir(), "arch.conf")
	for file, text := range map[string]string{image: esp.magic, entry: "title Arch\nlinux /vmlinuz-linux\noptions root=UUID=" + rootUUID + " console=tty0 console=ttyS0,115200n8\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	disktest.Run(t, "mmd", "-i", image, "::EFI/systemd", "::loader", "::loader/entries")
	disktest.Run(t, "mcopy", "-i", image, entry, "::loader/entries/arch.conf")
	content, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	esp.magic = string(content)
	for _, tt := range []struct {
		name, want string
		change     files
	}{
		{"at /efi", "/efi/loader/entries/arch.conf", files{"efi/": ""}},
		{"nowhere, as /boot is not empty", "", files{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := realFiles().with(files{"boot/grub/grub.cfg": gone}).with(tt.change)
			got := mustInspect(t, makeDisk(t, "gpt", gptTypes("gpt", []part{esp, rootPart(tree)})...))
			var names []string
			for _, e := range got.Facts.Boot.Entries {
				names = append(names, e.File)
			}
			if strings.Join(names, " ") != tt.want {
				t.Errorf("entries %q, want %q", names, tt.want)
			}
			if has := slices.Contains(got.Facts.Boot.Loaders, "systemd-boot"); has != (tt.want != "") || !got.Facts.Boot.UEFI {
				t.Errorf("got %+v", got.Facts.Boot)
			}
		})
	}
}
