package inspect

import (
	"errors"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// bootModules are needed before / is mounted: Nova's disk is on virtio-blk, or
// on virtio-scsi where the image asks for it (nova, libvirt/blockinfo.py).
var bootModules = []string{"virtio_pci", "virtio_blk", "virtio_scsi"}

// driveModules read a config drive, an ISO 9660 CD-ROM; one of the controllers
// of each machine type must be there: IDE of pc, SATA of q35 (nova,
// libvirt/blockinfo.py, get_disk_bus_for_device_type), else virtio-scsi.
var (
	driveModules     = []string{"sr_mod", "isofs"}
	driveControllers = map[string][]string{"x86_64": {"ata_piix", "ahci"}, "i686": {"ata_piix", "ahci"}}
)

// virtio looks for the drivers of every kernel that the image can boot.
func virtio(g *guest) requirement.Finding {
	n := &notes{}
	if g.bootErr != nil {
		n.unknown("%v", g.bootErr)
	}
	if len(g.facts.Kernels) == 0 {
		n.unknown("%v", errNoKernel)
	}
	for _, k := range g.facts.Kernels {
		m, err := g.modulesOf(k)
		if err != nil {
			n.unknown("%s: %v", quote(k.Version), err)
			continue
		}
		diskDrivers(g, n, k, m)
		networkDriver(n, k, m)
		configDrive(g, n, k, m)
	}
	if info, err := g.stat(lvmDevices); err == nil && info.Size() > 0 {
		n.unmet("%s lists the disks of the build VM, and LVM takes no other", lvmDevices)
	}
	deviceNames(g, n)
	return n.finding(requirement.Virtio)
}

// lvmDevices is what lvmdevices(8) writes; LVM looks at every disk without it.
const lvmDevices = "/etc/lvm/devices/system.devices"

var errNoKernel = errors.New("no kernel was found in /boot, " + modulesDir + " and the EFI system partition")

// diskDrivers notes the drivers that must be in the kernel or its initramfs.
func diskDrivers(g *guest, n *notes, k Kernel, m modules) {
	missing := slices.DeleteFunc(slices.Clone(bootModules), func(name string) bool { return m.builtIn[name] })
	if len(missing) == 0 {
		n.met("%s: %s are built in (%s)", quote(k.Image), strings.Join(bootModules, ", "), quote(m.said))
		return
	}
	if k.Initramfs == "" {
		n.lacks("%s: %s not built in, and the kernel has no initramfs", quote(k.Image), strings.Join(missing, ", "))
		return
	}
	r := g.ramdisk(k)
	var found, left []string
	for _, name := range missing {
		if file := r.found[name]; file != "" {
			found = append(found, quote(file))
		} else {
			left = append(left, name)
		}
	}
	switch {
	case r.err != nil:
		n.unknown("%s: %v", quote(k.Initramfs), r.err)
	case len(left) > 0 && r.inside != "":
		n.unknown("%s: %s may be in %s, which is not read", quote(k.Initramfs), strings.Join(left, ", "), quote(r.inside))
	case len(left) > 0:
		n.unmet("%s: %s neither built in nor in the initramfs", quote(k.Initramfs), strings.Join(left, ", "))
	default:
		n.met("%s: %s", quote(k.Initramfs), strings.Join(found, ", "))
	}
}

// networkDriver notes virtio_net, which is loaded after / is mounted.
func networkDriver(n *notes, k Kernel, m modules) {
	if where, ok := m.find("virtio_net"); ok {
		n.met("%s: virtio_net: %s", quote(k.Version), where)
		return
	}
	n.lacks("%s: virtio_net is neither built in nor in %s", quote(k.Version), m.dir)
}

// configDrive notes what a config drive is read with.
func configDrive(g *guest, n *notes, k Kernel, m modules) {
	for _, name := range driveModules {
		if _, ok := m.find(name); !ok {
			n.lacks("%s: %s is neither built in nor in %s: a config drive is not seen", quote(k.Version), name, m.dir)
			return
		}
	}
	controllers := driveControllers[g.facts.Architecture]
	var found, lacking []string
	for _, name := range controllers {
		if _, ok := m.find(name); ok {
			found = append(found, name)
		} else {
			lacking = append(lacking, name)
		}
	}
	switch {
	case len(controllers) == 0 || len(lacking) == 0:
		n.met("%s: a config drive is read with %s", quote(k.Version), strings.Join(append(found, driveModules...), ", "))
	case len(found) == 0:
		n.lacks("%s: none of %s is there: a config drive is not seen", quote(k.Version), strings.Join(controllers, ", "))
	default:
		n.met("%s: a config drive is read with %s; without %s not on every machine type (pc: ata_piix, q35: ahci)",
			quote(k.Version), strings.Join(append(found, driveModules...), ", "), strings.Join(lacking, ", "))
	}
}
