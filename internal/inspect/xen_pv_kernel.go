package inspect

import (
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// xenPVKernel asks only kernels below 3.0, which may lack what paravirtualized
// Xen needs.
func xenPVKernel(g *guest) requirement.Finding {
	n := &notes{}
	if g.bootErr != nil {
		n.unknown("%v", g.bootErr)
	}
	if len(g.facts.Kernels) == 0 {
		n.unknown("%v", errNoKernel)
	}
	for _, k := range g.facts.Kernels {
		switch older, ok := k.before3(0); {
		case !ok:
			n.unknown("%s: the version can not be told from the name", quote(k.Image))
		case older:
			xenConfig(g, n, k)
		default:
			n.notApplicable("%s: %s is 3.0 or newer", quote(k.Image), quote(k.Version))
		}
	}
	return n.finding(requirement.XenPVKernel)
}

// xenConfig notes what the build configuration of an old kernel says: either
// the paravirt_ops guest with its front ends, or a classic Xen kernel.
func xenConfig(g *guest, n *notes, k Kernel) {
	if strings.HasSuffix(k.Version, "xen") {
		n.met("%s is a kernel built for Xen", quote(k.Image))
		return
	}
	if k.Config == "" {
		n.unknown("%s: there is no /boot/config-%s to tell whether it supports Xen", quote(k.Image), quote(k.Version))
		return
	}
	options, err := g.readConfig(k)
	if err != nil {
		n.unknown("%v", err)
		return
	}
	if options["CONFIG_X86_XEN"] == "y" || options["CONFIG_X86_64_XEN"] == "y" {
		n.met("%s: CONFIG_X86_XEN or CONFIG_X86_64_XEN is y", quote(k.Config))
		return
	}
	for _, want := range []string{"CONFIG_XEN", "CONFIG_PARAVIRT", "CONFIG_XEN_BLKDEV_FRONTEND", "CONFIG_XEN_NETDEV_FRONTEND"} {
		front := strings.HasSuffix(want, "FRONTEND")
		if v := options[want]; v == "y" || (front && v == "m") {
			n.met("%s: %s=%s", quote(k.Config), want, v)
		} else {
			n.unmet("%s: %s is not set", quote(k.Config), want)
		}
	}
	if options["CONFIG_XEN_BLKDEV_FRONTEND"] == "m" {
		xenDisk(g, n, k)
	}
}

// xenDisk notes the driver of the disk, which must then be in the initramfs.
func xenDisk(g *guest, n *notes, k Kernel) {
	r := g.ramdisk(k)
	switch file := r.found["xen_blkfront"]; {
	case k.Initramfs == "":
		n.lacks("%s: xen_blkfront is a module, and the kernel has no initramfs", quote(k.Image))
	case r.err != nil:
		n.unknown("%s: %v", quote(k.Initramfs), r.err)
	case file == "":
		n.unmet("%s: xen_blkfront is not in the initramfs", quote(k.Initramfs))
	default:
		n.met("%s: %s", quote(k.Initramfs), quote(file))
	}
}
