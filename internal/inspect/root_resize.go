package inspect

import (
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// rootResize looks for what grows the root partition and its file system at
// boot: our own unit, an initramfs with growroot, or cloud-init's growpart and
// resizefs.
func rootResize(g *guest) requirement.Finding {
	n := &notes{}
	if unitGrows(g, n) || neverGrows(g.layout, n) || growInInitramfs(g, n) || !cloudReady(g, n) {
		return n.finding(requirement.RootResize)
	}
	growModules(g, n)
	growTools(g, n)
	growsInTime(g, n)
	if g.has(n, "/etc/growroot-disabled") && !g.config.root.get("growpart", "ignore_growroot_disabled").isTrue() {
		n.unmet("/etc/growroot-disabled is there: growpart does nothing")
	}
	return n.finding(requirement.RootResize)
}

// What this project's provisioner puts into guests that cloud-init can not
// grow.
const growUnit = "openstack-ready-grow.service"

// unitGrows notes our unit, which grows partition, logical volume and file
// system, and the programs that it calls.
func unitGrows(g *guest, n *notes) bool {
	via, ok := g.services.enabled(growUnit)
	if !ok || g.layout.holder().mirror != nil {
		return false
	}
	n.met("%s is started at boot by %s", g.services.label(growUnit), via)
	if !g.has(n, bootProgram) {
		n.lacks("there is no %s, which %s runs", bootProgram, growUnit)
	}
	needs(g, n, "the partition can not be grown", "growpart", "sfdisk", "sgdisk", "parted")
	if g.layout.root.lv != nil {
		needs(g, n, "the logical volume can not be grown", "lvm")
	}
	fileSystemTool(g, n)
	return true
}

// needs notes which of the programs is there; one is enough.
func needs(g *guest, n *notes, otherwise string, programs ...string) {
	for _, name := range programs {
		if program, ok := g.program(n, name); ok {
			n.met("%s is there", program)
			return
		}
	}
	n.lacks("there is no program %s: %s", strings.Join(programs, ", "), otherwise)
}

// neverGrows notes a root on what cloud-init leaves alone: cloud-init,
// config/cc_growpart.py, get_size and device_part_info.
func neverGrows(l layout, n *notes) bool {
	holder := l.holder()
	switch {
	case holder.mirror != nil:
		n.unmet("the root file system is on %s: neither cloud-init nor %s grows an array", holder.name(), growUnit)
	case l.root.lv != nil:
		n.unmet("the root file system is on %s, which cloud-init never grows, and %s is not started at boot", l.root.name(), growUnit)
	default:
		return false
	}
	return true
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

// growsInTime notes kernels that take no new size of a partition in use, and so
// need growroot in the initramfs: those before 3.8 (cloud-utils, growpart).
func growsInTime(g *guest, n *notes) {
	for _, k := range g.facts.Kernels {
		if older, ok := k.before3(8); !ok || !older {
			continue
		}
		r := g.ramdisk(k)
		switch file := r.found[growroot]; {
		case r.err != nil:
			n.unknown("%s: %v", quote(k.Initramfs), r.err)
		case file == "":
			n.lacks("%s: a kernel before 3.8 takes no new size of a partition in use, and nothing grows it in the initramfs (package %s)",
				quote(k.Image), g.installed.packageOf(growroot))
		default:
			n.met("%s: %s grows the partition", quote(k.Initramfs), quote(file))
		}
	}
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
		n.lacks("there is no program growpart (package %s): cloud-init can not grow the partition", g.installed.packageOf("growpart"))
	}
	fileSystemTool(g, n)
	if program, ok := g.program(n, "sfdisk"); ok {
		n.met("%s is there", program)
		return
	}
	if program, ok := g.program(n, "sgdisk"); ok && g.layout.isGPT() {
		n.met("%s is there", program)
		return
	}
	n.lacks("there is no program sfdisk (package %s), with which growpart changes the partition table", g.installed.packageOf("sfdisk"))
}

// fileSystemTool notes the program that grows the root file system.
func fileSystemTool(g *guest, n *notes) {
	kind := g.facts.Root.FileSystem
	name, from := "resize2fs", "ext-tools"
	switch kind {
	case "xfs":
		name, from = "xfs_growfs", "xfs-tools"
	case "btrfs":
		name, from = "btrfs", "btrfs-tools"
	}
	if program, ok := g.program(n, name); ok {
		n.met("%s is there", program)
		return
	}
	n.lacks("there is no program %s (package %s): the %s file system can not be grown", name, g.installed.packageOf(from), kind)
}
