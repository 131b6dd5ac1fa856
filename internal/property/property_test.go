package property

import (
	"slices"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
)

const rootID = "0b5d8f4e-6f0f-4c52-9d53-6a4e6f2b7c11"

// ready is what an inspection sees of a Debian image on one ext4 partition.
func ready() inspect.Facts {
	return inspect.Facts{
		Disk:         disk.Info{Format: disk.FormatQCOW2, VirtualSize: 2 << 30},
		Partitions:   &partition.Table{Kind: "mbr", Partitions: []partition.Partition{{Number: 1}}},
		Root:         inspect.Root{Partition: 1, FileSystem: "ext4", UUID: rootID},
		OS:           inspect.OS{ID: "debian", VersionID: "12"},
		Architecture: "x86_64",
		Boot:         inspect.Boot{BIOS: true},
		CloudInit:    inspect.CloudInit{Installed: true, Enabled: true, Version: "22.4.2-1", DefaultUser: "debian"},
		GuestAgent:   inspect.GuestAgent{Installed: true, Enabled: true},
	}
}

func TestDeriveFromAReadyImage(t *testing.T) {
	derived := Derive(ready())
	got := map[string]string{}
	for _, p := range derived {
		got[p.Name] = p.Value
		if p.Reason == "" {
			t.Errorf("property %s has no reason", p.Name)
		}
	}
	want := map[string]string{
		"architecture": "x86_64", "auto_disk_config": "True", "cloud_init_installed": "true",
		"hw_firmware_type": "bios", "hw_qemu_guest_agent": "yes", "min_disk": "2",
		"os_admin_user": "debian", "os_distro": "debian", "os_type": "linux", "os_version": "12",
		"img_type": "whole-disk", "rootfs_uuid": rootID,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("derived %v, want %v", got, want)
	}
	if !slices.IsSortedFunc(derived, byName) {
		t.Errorf("not sorted by name: %v", derived)
	}
}

func TestDeriveOnePropertyFromOneFact(t *testing.T) {
	const absent = "(absent)"
	cases := map[string]struct {
		change   func(*inspect.Facts)
		property string
		want     string
	}{
		"two partitions": {func(f *inspect.Facts) {
			f.Partitions.Partitions = append(f.Partitions.Partitions, partition.Partition{Number: 2})
		}, "auto_disk_config", "False"},
		"the only partition is number 2": {func(f *inspect.Facts) {
			f.Partitions.Partitions[0].Number, f.Root.Partition = 2, 2
		}, "auto_disk_config", "False"},
		"no partition table":        {func(f *inspect.Facts) { f.Partitions = nil }, "auto_disk_config", "False"},
		"ext2":                      {func(f *inspect.Facts) { f.Root.FileSystem = "ext2" }, "auto_disk_config", "False"},
		"ext3":                      {func(f *inspect.Facts) { f.Root.FileSystem = "ext3" }, "auto_disk_config", "True"},
		"root is not the partition": {func(f *inspect.Facts) { f.Root.Partition = 0 }, "auto_disk_config", "False"},
		"root is on LVM": {func(f *inspect.Facts) {
			f.Root.Partition, f.Root.Volume = 1, "vg/root"
		}, "auto_disk_config", "False"},
		"no partition table, no whole disk": {func(f *inspect.Facts) { f.Partitions = nil }, "img_type", absent},
		"root on LVM has no partition":      {func(f *inspect.Facts) { f.Root.Volume = "vg/root" }, "rootfs_uuid", absent},
		"a root without a UUID":             {func(f *inspect.Facts) { f.Root.UUID = "" }, "rootfs_uuid", absent},
		"a serial number of FAT":            {func(f *inspect.Facts) { f.Root.UUID = "1234-ABCD" }, "rootfs_uuid", absent},
		"a byte over two GiB":               {func(f *inspect.Facts) { f.Disk.VirtualSize = 2<<30 + 1 }, MinDisk, "3"},
		"a byte":                            {func(f *inspect.Facts) { f.Disk.VirtualSize = 1 }, MinDisk, "1"},
		"no program could be read":          {func(f *inspect.Facts) { f.Architecture = "" }, "architecture", absent},
		"rolling release":                   {func(f *inspect.Facts) { f.OS.VersionID = "" }, "os_version", absent},
		"openSUSE":                          {func(f *inspect.Facts) { f.OS.ID = "opensuse-leap" }, "os_distro", "opensuse"},
		"Arch on ARM":                       {func(f *inspect.Facts) { f.OS.ID = "archarm" }, "os_distro", "arch"},
		"no os-release":                     {func(f *inspect.Facts) { f.OS.ID = "" }, "os_distro", absent},
		"UEFI only":                         {func(f *inspect.Facts) { f.Boot = inspect.Boot{UEFI: true} }, "hw_firmware_type", "uefi"},
		"config drive by UEFI":              {func(f *inspect.Facts) { f.Boot = inspect.Boot{UEFI: true} }, "hw_cdrom_bus", "scsi"},
		"its controller":                    {func(f *inspect.Facts) { f.Boot = inspect.Boot{UEFI: true} }, "hw_scsi_model", "virtio-scsi"},
		"config drive by BIOS too":          {func(f *inspect.Facts) { f.Boot = inspect.Boot{BIOS: true, UEFI: true} }, "hw_cdrom_bus", absent},
		"config drive of arm64":             {func(f *inspect.Facts) { f.Boot, f.Architecture = inspect.Boot{UEFI: true}, "aarch64" }, "hw_cdrom_bus", absent},
		"BIOS and UEFI":                     {func(f *inspect.Facts) { f.Boot = inspect.Boot{BIOS: true, UEFI: true} }, "hw_firmware_type", absent},
		"an ESP that was not read":          {func(f *inspect.Facts) { f.Boot.UEFIUnknown = "vfat is not read" }, "hw_firmware_type", absent},
		"no boot loader found":              {func(f *inspect.Facts) { f.Boot = inspect.Boot{} }, "hw_firmware_type", absent},
		"cloud-init is switched off":        {func(f *inspect.Facts) { f.CloudInit.Enabled = false }, "cloud_init_installed", absent},
		"cloud-init is missing":             {func(f *inspect.Facts) { f.CloudInit = inspect.CloudInit{Enabled: true} }, "cloud_init_installed", absent},
		"cloud-init names no user":          {func(f *inspect.Facts) { f.CloudInit.DefaultUser = "" }, "os_admin_user", absent},
		"nobody makes the user":             {func(f *inspect.Facts) { f.CloudInit.Enabled = false }, "os_admin_user", absent},
		"guest agent is masked":             {func(f *inspect.Facts) { f.GuestAgent.Enabled = false }, "hw_qemu_guest_agent", absent},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			facts := ready()
			c.change(&facts)
			got, ok := Find(Derive(facts), c.property)
			if !ok {
				got = absent
			}
			if got != c.want {
				t.Errorf("%s = %q, want %q", c.property, got, c.want)
			}
		})
	}
}

func TestOverrideLetsTheUserWin(t *testing.T) {
	derived := []Property{{"architecture", "x86_64", "ELF"}, {"min_disk", "2", "size"}, {"os_type", "linux", "root"}}
	got := Override(derived, map[string]string{"min_disk": "10", "os_type": "", "hw_disk_bus": "scsi"}, "set in the template")
	want := []Property{
		{"architecture", "x86_64", "ELF"},
		{"hw_disk_bus", "scsi", "set in the template"},
		{"min_disk", "10", "set in the template"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("Override = %v, want %v", got, want)
	}
	if derived[1].Value != "2" {
		t.Error("Override changed its argument")
	}
}
