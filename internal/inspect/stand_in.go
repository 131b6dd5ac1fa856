package inspect

import (
	"strings"
)

// This project's boot program, its services and its settings, which stand in
// for cloud-init in guests without it.
const (
	bootProgram  = "/usr/libexec/openstack-ready/boot"
	bootService  = "openstack-ready-boot"
	userService  = "openstack-ready-user-data"
	bootSettings = "/etc/openstack-ready/boot.conf"
)

// standsIn reports whether the boot program does cloud-init's work, and notes
// how, and what it lacks. Every requirement that leans on cloud-init asks it
// first.
func (g *guest) standsIn(n *notes) bool {
	via, ok := g.services.enabled(bootService)
	if !ok {
		return false
	}
	n.met("%s is started by %s", g.services.label(bootService), via)
	if g.services.err != nil {
		n.unknown("%v", g.services.err)
	}
	if !g.has(n, bootProgram) {
		n.lacks("there is no %s, which %s runs", bootProgram, bootService)
	}
	if g.facts.CloudInit.Enabled {
		n.unmet("cloud-init %s would do the same work", g.facts.CloudInit.Version)
	}
	needs(g, n, "nothing can ask the metadata service", "curl", "wget", "busybox", "python3")
	return true
}

// standInSetting returns a setting of the boot program, and where it stands;
// without one, what the program itself takes.
func (g *guest) standInSetting(n *notes, name, otherwise string) (value, where string) {
	text, _ := g.text(n, bootSettings)
	value, where = otherwise, bootSettings+" does not set "+name
	for line, setting := range settings(text) {
		if v, ok := strings.CutPrefix(setting, name+"="); ok {
			value, where = v, at(bootSettings, line, setting)
		}
	}
	return value, where
}
