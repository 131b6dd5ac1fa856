package inspect

import (
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect/packages"
)

// Facts is what a disk image says of itself: plain data, read and not judged.
// Findings and image properties are derived from it.
type Facts struct {
	Disk       disk.Info        `json:"disk"`
	Partitions *partition.Table `json:"partition_table"`
	Root       Root             `json:"root"`
	OS         OS               `json:"os"`
	// Architecture is the machine that the image's programs are built for, by
	// Nova's names (nova/objects/fields.py, Architecture): x86_64, aarch64, …
	// Empty where no program of the image could be read.
	Architecture string `json:"architecture"`
	// Packages is what the package manager says is installed; nil where there
	// is no database, or none that could be read, and then PackagesUnknown says
	// why.
	Packages        *packages.Database `json:"packages"`
	PackagesUnknown string             `json:"packages_unknown,omitempty"`

	Kernels    []Kernel   `json:"kernels"`
	Boot       Boot       `json:"boot"`
	CloudInit  CloudInit  `json:"cloud_init"`
	GuestAgent GuestAgent `json:"guest_agent"`
}

// Root is the file system that the image mounts as /.
type Root struct {
	// Partition is its number in the partition table; 0 where the file system
	// fills the whole disk, or is on a logical volume.
	Partition int `json:"partition"`
	// Volume is the logical volume of LVM that it is on, as group/volume.
	Volume     string `json:"volume,omitempty"`
	FileSystem string `json:"file_system"`
	UUID       string `json:"uuid"`
	Label      string `json:"label,omitempty"`
	// Size is the file system's own size in bytes, as its superblock tells.
	Size int64 `json:"size"`
	// Clean is false where the file system was not unmounted, so that what is
	// read from it may be old; Unclean then says how that shows.
	Clean   bool   `json:"clean"`
	Unclean string `json:"unclean,omitempty"`
}

// OS is what /etc/os-release says.
type OS struct {
	ID         string `json:"id"`
	IDLike     string `json:"id_like,omitempty"`
	VersionID  string `json:"version_id,omitempty"`
	PrettyName string `json:"pretty_name"`
	// Init is what starts the system: systemd, openrc, upstart, sysvinit, or the
	// name of what /sbin/init is.
	Init string `json:"init"`
}

// Kernel is one kernel that the image can boot.
type Kernel struct {
	Version string `json:"version"`
	// Image and Initramfs are paths in the guest; empty where there is none. They
	// are the same where both are in a unified kernel image.
	Image     string `json:"image"`
	Initramfs string `json:"initramfs,omitempty"`
	// Config is the file with its build configuration; empty where there is
	// none.
	Config string `json:"config,omitempty"`
}

// Boot says how the image can be started.
type Boot struct {
	// BIOS: a boot loader was found in the master boot record.
	BIOS bool `json:"bios"`
	// UEFI: an EFI system partition holds a removable-media loader
	// (\EFI\BOOT\BOOTX64.EFI and its like).
	UEFI bool `json:"uefi"`
	// UEFIUnknown says why UEFI could not be decided; UEFI is false then.
	UEFIUnknown string `json:"uefi_unknown,omitempty"`
	// BIOSLoader names what the boot code in the master boot record is of, or
	// says what it lacks: grub, grub-legacy, extlinux; empty without boot code.
	BIOSLoader string `json:"bios_loader,omitempty"`
	// Loaders names the boot loaders whose entries were found: grub,
	// grub-legacy, extlinux, systemd-boot.
	Loaders []string    `json:"loaders"`
	Entries []BootEntry `json:"entries"`
}

// BootEntry is one entry of the boot loader's menu.
type BootEntry struct {
	// File and Line say where it stands in the guest; Line is 0 where File is a
	// unified kernel image.
	File  string `json:"file"`
	Line  int    `json:"line"`
	Title string `json:"title,omitempty"`
	// Kernel is the path that the loader has for it, on the file system that it
	// reads.
	Kernel string `json:"kernel"`
	// CommandLine is what the kernel gets, with variables in their places; one
	// whose value shows only at boot stays as $NAME.
	CommandLine string `json:"command_line"`
	// Recovery: the entry starts the system for repair only.
	Recovery bool `json:"recovery,omitempty"`
	// Default: the loader starts this one by itself.
	Default bool `json:"default,omitempty"`
}

// CloudInit is what is known of cloud-init in the image.
type CloudInit struct {
	Installed bool `json:"installed"`
	// Program is the path of cloud-init's program in the guest.
	Program string `json:"program,omitempty"`
	// Version is the package's, as the distribution writes it; empty where the
	// package database has none.
	Version string `json:"version,omitempty"`
	// Enabled: it is installed, its units are pulled in at boot, and nothing
	// switches it off.
	Enabled bool `json:"enabled"`
	// DisabledBy names each file, unit or kernel argument that switches it off.
	DisabledBy  []string `json:"disabled_by,omitempty"`
	Datasources []string `json:"datasources,omitempty"`
	// DefaultUser is the account that gets the instance's SSH key; empty where
	// the configuration has none.
	DefaultUser string `json:"default_user,omitempty"`
}

// GuestAgent is what is known of the QEMU guest agent in the image.
type GuestAgent struct {
	Installed bool `json:"installed"`
	// Enabled: systemd starts it, by itself or when the device appears.
	Enabled bool `json:"enabled"`
}
