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
		n.unknown("no kernel was found in /boot")
	}
	for _, k := range g.facts.Kernels {
		switch older, ok := k.olderThan(3); {
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
	file := "/boot/config-" + k.Version
	text, ok := g.text(n, file)
	if !ok {
		n.unknown("%s: there is no %s to tell whether it supports Xen", quote(k.Image), quote(file))
		return
	}
	options := map[string]string{}
	for _, setting := range settings(text) {
		key, value, _ := strings.Cut(setting, "=")
		options[key] = value
	}
	if options["CONFIG_X86_XEN"] == "y" || options["CONFIG_X86_64_XEN"] == "y" {
		n.met("%s: CONFIG_X86_XEN or CONFIG_X86_64_XEN is y", quote(file))
		return
	}
	for _, want := range []string{"CONFIG_XEN", "CONFIG_PARAVIRT", "CONFIG_XEN_BLKDEV_FRONTEND", "CONFIG_XEN_NETDEV_FRONTEND"} {
		front := strings.HasSuffix(want, "FRONTEND")
		if v := options[want]; v == "y" || (front && v == "m") {
			n.met("%s: %s=%s", quote(file), want, v)
		} else {
			n.unmet("%s: %s is not set", quote(file), want)
		}
	}
}
