package inspect

import (
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// rootResize looks for what grows the root partition and its file system at
// boot: cloud-init's growpart and resizefs, or an initramfs with growroot.
func rootResize(g *guest) requirement.Finding {
	n := &notes{}
	if growInInitramfs(g, n) {
		return n.finding(requirement.RootResize)
	}
	if !cloudReady(g, n) {
		return n.finding(requirement.RootResize)
	}
	growModules(g, n)
	growTools(g, n)
	if g.has(n, "/etc/growroot-disabled") && !g.config.root.get("growpart", "ignore_growroot_disabled").isTrue() {
		n.unmet("/etc/growroot-disabled is there: growpart does nothing")
	}
	return n.finding(requirement.RootResize)
}

// growInInitramfs notes cloud-initramfs-growroot, which grows the partition
// before / is mounted; cloud-init's resizefs then grows the file system.
func growInInitramfs(g *guest, n *notes) bool {
	const script = "/usr/share/initramfs-tools/scripts/local-bottom/growroot"
	if !g.has(n, script) || g.has(n, "/etc/growroot-disabled") {
		return false
	}
	seen := &notes{}
	if !cloudReady(g, seen) || !moduleOn(g, seen, "cloud_init_modules", "resizefs") || resizeOff(g, seen) {
		return false
	}
	*n = *seen
	n.met("%s grows the partition in the initramfs", script)
	return true
}

// growModules notes whether growpart runs, and resizefs after it.
func growModules(g *guest, n *notes) {
	const stage = "cloud_init_modules"
	growOn, resizeOn := moduleOn(g, n, stage, "growpart"), moduleOn(g, n, stage, "resizefs")
	grow, resize := g.config.modules(stage)["growpart"], g.config.modules(stage)["resizefs"]
	if growOn && resizeOn && grow.position > resize.position {
		n.unmet("%s: resizefs comes before growpart (%s), so the file system is grown before its partition", resize.where, grow.where)
	}
	if mode := g.config.root.get("growpart", "mode"); mode.isFalse() {
		n.unmet("%s: growpart: mode: %s", mode.where, mode)
	}
	if devices := g.config.root.get("growpart", "devices"); devices != nil && !devices.contains("/") {
		n.unknown("%s: growpart: devices: %s does not name /, and whether it names the root partition shows only at boot", devices.where, devices)
	}
	resizeOff(g, n)
}

func resizeOff(g *guest, n *notes) bool {
	v := g.config.root.get("resize_rootfs")
	if v.isFalse() {
		n.unmet("%s: resize_rootfs: %s", v.where, v)
	}
	return v.isFalse()
}

// growTools notes the programs that growpart and resizefs call.
func growTools(g *guest, n *notes) {
	if program, ok := g.program(n, "growpart"); ok {
		n.met("%s is there", program)
	} else {
		n.lacks("there is no program growpart (package cloud-guest-utils): cloud-init can not grow the partition")
	}
	if program, ok := g.program(n, "resize2fs"); ok {
		n.met("%s is there", program)
	} else {
		n.lacks("there is no program resize2fs (package e2fsprogs): the %s file system can not be grown", g.facts.Root.FileSystem)
	}
	if program, ok := g.program(n, "sfdisk"); ok {
		n.met("%s is there", program)
		return
	}
	if program, ok := g.program(n, "sgdisk"); ok && g.layout.isGPT() {
		n.met("%s is there", program)
		return
	}
	n.lacks("there is no program sfdisk (package fdisk), with which growpart changes the partition table")
}
