package inspect

import (
	"path"
	"regexp"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// firewallUnits are the units that load packet filter rules at boot.
var firewallUnits = []string{
	"firewalld.service", "nftables.service", "iptables.service", "ip6tables.service",
	"netfilter-persistent.service", "iptables-persistent.service", "ufw.service",
	"shorewall.service", "shorewall6.service", "shorewall-lite.service", "shorewall6-lite.service",
	"ferm.service", "firehol.service", "arno-iptables-firewall.service",
	"apf.service", "apf-firewall.service", "csf.service", "uif.service", "vuurmuur.service", "awall.service",
	"SuSEfirewall2.service", "SuSEfirewall2_init.service",
}

// noFirewall looks whether one of the known firewalls starts at boot, or comes
// back at the first boot, and whether a script loads rules.
func noFirewall(g *guest) requirement.Finding {
	n := &notes{}
	if g.units.err != nil {
		n.unknown("%v", g.units.err)
	}
	installed := 0
	for _, unit := range firewallUnits {
		if g.units.installed(unit) {
			installed++
			firewallUnit(g, n, unit)
		}
	}
	ruleScripts(g, n)
	if installed == 0 {
		n.met("none of %d known firewalls has a unit in %s", len(firewallUnits), strings.Join(unitDirs, ", "))
	}
	return n.finding(requirement.NoFirewall)
}

// firewallUnit notes whether one firewall starts.
func firewallUnit(g *guest, n *notes, unit string) {
	if unit == "ufw.service" && !ufwOn(g, n) {
		return
	}
	if via, ok := g.units.enabled(unit); ok {
		n.unmet("%s is started by %s", unit, via)
		return
	}
	if state, ok := firstBoot(g, n); ok && comesBack(g, unit) {
		_, by := g.units.presetEnables(unit)
		n.unmet("%s is off, and comes back: %s makes the first boot of an instance enable the units again (machine-id(5)), and %s", unit, state, by)
		return
	}
	n.met("%s", g.units.why(unit))
}

// comesBack reports whether systemd enables a unit at the first boot: presets
// act on what is installed, installable and not masked.
func comesBack(g *guest, unit string) bool {
	_, masked := g.units.masked(unit)
	enable, _ := g.units.presetEnables(unit)
	return !masked && enable && g.units.installable(unit)
}

// ufwOn reads the switch that ufw's unit obeys, and notes where it is off.
func ufwOn(g *guest, n *notes) bool {
	const file = "/etc/ufw/ufw.conf"
	text, _ := g.text(n, file)
	for line, setting := range settings(text) {
		key, value, _ := strings.Cut(setting, "=")
		if key != "ENABLED" {
			continue
		}
		if strings.EqualFold(unquoteShell(value), "yes") {
			return true
		}
		n.met("%s", at(file, line, setting))
		return false
	}
	n.met("%s has no line ENABLED=yes", file)
	return false
}

// rulePattern finds a command that loads packet filter rules.
var rulePattern = regexp.MustCompile(`(^|[\s/;&|])(ip6?tables(-restore)?|nft)\s+[-<a-z/]`)

// ruleScripts notes the rules that ifupdown's hooks and rc.local load.
func ruleScripts(g *guest, n *notes) {
	files := []string{"/etc/rc.local", "/etc/network/interfaces"}
	for _, dir := range []string{"interfaces.d", "if-pre-up.d", "if-up.d"} {
		files = append(files, g.glob(n, path.Join("/etc/network", dir), "*")...)
	}
	for _, file := range files {
		if info, err := g.stat(file); err != nil || !info.Mode().IsRegular() {
			continue
		}
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if rulePattern.MatchString(setting) {
				n.unmet("%s", at(file, line, setting))
			}
		}
	}
}

const machineID = "/etc/machine-id"

// firstBoot reports whether systemd takes the next boot for the first one,
// after which presets are applied again (machine-id(5), First boot semantics),
// and what /etc/machine-id is then.
func firstBoot(g *guest, n *notes) (string, bool) {
	b, err := g.read(machineID, maxText)
	switch {
	case absent(err):
		return "a missing " + machineID, true
	case err != nil:
		n.unknown("%s: %v", machineID, err)
		return "", false
	}
	return at(machineID, 1, string(b)), strings.TrimSpace(string(b)) == "uninitialized"
}
