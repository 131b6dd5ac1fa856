package property

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
)

const gib = 1 << 30

// Derive returns every property that the facts settle, sorted by name. What
// they leave open is left out: a wrong property keeps an instance from
// starting, a missing one leaves Nova its default.
func Derive(f inspect.Facts) []Property {
	derived := []Property{autoDiskConfig(f), osType()}
	derived = append(derived, minDisk(f.Disk.VirtualSize))
	for _, rule := range []func(inspect.Facts) (Property, bool){
		architecture, osDistro, osVersion, firmwareType, cdromBus, scsiModel, cloudInitInstalled, adminUser, guestAgent,
		imageType, rootUUID,
	} {
		if p, ok := rule(f); ok {
			derived = append(derived, p)
		}
	}
	slices.SortFunc(derived, byName)
	return derived
}

// autoDiskConfig follows the rule by which Nova's XenAPI driver resized a disk
// (nova 21.0.0, virt/xenapi/vm_utils.py, _auto_configure_disk): exactly one
// partition, number 1, with ext3 or ext4 on it. Today only Nova's API reads it.
func autoDiskConfig(f inspect.Facts) Property {
	p := Property{Name: "auto_disk_config", Value: "False"}
	if f.Partitions == nil {
		p.Reason = "the disk has no partition table, and Xen's resizing needs one partition"
		return p
	}
	switch parts := f.Partitions.Partitions; {
	case len(parts) != 1:
		p.Reason = fmt.Sprintf("the disk has %d partitions, and Xen's resizing needs exactly one", len(parts))
	case f.Root.Volume != "":
		p.Reason = fmt.Sprintf("the root file system is on the LVM volume %s, and Xen's resizing needs a plain partition", f.Root.Volume)
	case parts[0].Number != 1 || f.Root.Partition != 1:
		p.Reason = fmt.Sprintf("the only partition has number %d, and Xen's resizing needs number 1", parts[0].Number)
	case f.Root.FileSystem != "ext3" && f.Root.FileSystem != "ext4":
		p.Reason = fmt.Sprintf("the root file system is %s, and Xen's resizing needs ext3 or ext4", f.Root.FileSystem)
	default:
		p.Value = "True"
		p.Reason = fmt.Sprintf("the disk has one partition, number 1, with %s on it and no LVM", f.Root.FileSystem)
	}
	return p
}

func osType() Property {
	return Property{Name: "os_type", Value: "linux", Reason: "the root file system is that of a Linux system"}
}

// minDisk guards against a flavor that is too small, which Nova would notice
// only on the compute host (nova/virt/libvirt/imagebackend.py).
func minDisk(virtualSize int64) Property {
	n := virtualSize / gib
	if virtualSize%gib != 0 {
		n++
	}
	return Property{
		Name: MinDisk, Value: strconv.FormatInt(n, 10),
		Reason: fmt.Sprintf("the disk's virtual size is %d bytes; Nova refuses a flavor with a smaller disk", virtualSize),
	}
}

func architecture(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "architecture", Value: f.Architecture,
		Reason: "the image's own programs are built for it (ELF header)",
	}, f.Architecture != ""
}

func osDistro(f inspect.Facts) (Property, bool) {
	distro := distroName(f.OS.ID)
	return Property{
		Name: "os_distro", Value: distro,
		Reason: fmt.Sprintf("os-release says ID=%s", f.OS.ID),
	}, distro != ""
}

// distroName maps an os-release ID to the name that Glance documents (useful
// image properties, os_distro).
func distroName(id string) string {
	switch id {
	case "opensuse-leap", "opensuse-tumbleweed":
		return "opensuse"
	case "archarm":
		return "arch"
	}
	return id
}

func osVersion(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "os_version", Value: f.OS.VersionID,
		Reason: fmt.Sprintf("os-release says VERSION_ID=%s", f.OS.VersionID),
	}, f.OS.VersionID != ""
}

// firmwareType is left out where the image starts either way: then Nova's own
// default is right.
func firmwareType(f inspect.Facts) (Property, bool) {
	p := Property{Name: "hw_firmware_type"}
	switch {
	case f.Boot.UEFIUnknown != "":
		// Nobody has seen which it is.
	case f.Boot.BIOS && !f.Boot.UEFI:
		p.Value, p.Reason = "bios", "the disk has a boot loader for BIOS and none for UEFI"
	case f.Boot.UEFI && !f.Boot.BIOS:
		p.Value, p.Reason = "uefi", "the disk has a boot loader for UEFI and none for BIOS"
	}
	return p, p.Value != ""
}

// cdromBus keeps the config drive in sight. Nova has it on IDE with the machine
// type pc, and on SATA with q35 (nova/virt/libvirt/blockinfo.py). OVMF switches on
// only what may be booted from, so that Linux finds IDE switched off; and not
// every kernel has a driver for SATA.
func cdromBus(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "hw_cdrom_bus", Value: "scsi",
		Reason: "the image starts by UEFI alone, and with that firmware a config drive on IDE is not seen",
	}, onlyUEFI(f)
}

// scsiModel is the controller for which every ready image has a driver.
func scsiModel(f inspect.Facts) (Property, bool) {
	return Property{Name: "hw_scsi_model", Value: "virtio-scsi", Reason: "the config drive is on SCSI by hw_cdrom_bus"}, onlyUEFI(f)
}

// onlyUEFI: other architectures have no IDE.
func onlyUEFI(f inspect.Facts) bool {
	return f.Architecture == "x86_64" && f.Boot.UEFI && !f.Boot.BIOS && f.Boot.UEFIUnknown == ""
}

// cloudInitInstalled is a flag by its presence, so it is never set to false.
func cloudInitInstalled(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "cloud_init_installed", Value: "true",
		Reason: fmt.Sprintf("cloud-init %s is installed and enabled", f.CloudInit.Version),
	}, f.CloudInit.Installed && f.CloudInit.Enabled
}

// adminUser is whose password Nova sets through the guest agent
// (nova/virt/libvirt/driver.py, set_admin_password).
func adminUser(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "os_admin_user", Value: f.CloudInit.DefaultUser,
		Reason: "cloud-init's default user",
	}, f.CloudInit.Enabled && f.CloudInit.DefaultUser != ""
}

func guestAgent(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "hw_qemu_guest_agent", Value: "yes",
		Reason: "qemu-guest-agent is installed and starts when Nova offers its device",
	}, f.GuestAgent.Installed && f.GuestAgent.Enabled
}

// imageType tells Ironic to write the image over the whole disk and to look for
// no kernel beside it (ironic/common/images.py, is_whole_disk_image).
func imageType(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "img_type", Value: "whole-disk",
		Reason: "the disk has a partition table; Ironic reads it",
	}, f.Partitions != nil
}

// rootUUID is where Ironic installs the boot loader for software RAID. On LVM
// it would find no partition with it.
func rootUUID(f inspect.Facts) (Property, bool) {
	return Property{
		Name: "rootfs_uuid", Value: f.Root.UUID,
		Reason: "the UUID of the root file system; Ironic reads it for software RAID",
	}, f.Root.Volume == "" && uuid().holds(f.Root.UUID)
}
