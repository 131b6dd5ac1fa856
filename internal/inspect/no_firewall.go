package inspect

import (
	"regexp"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// firewalls are the services that load packet filter rules at boot.
var firewalls = []string{
	"firewalld", "nftables", "nftables-load", "iptables", "ip6tables", "netfilter-persistent", "iptables-persistent", "ufw",
	"shorewall", "shorewall6", "shorewall-lite", "shorewall6-lite", "shorewall-init",
	"ferm", "firehol", "arno-iptables-firewall", "apf", "apf-firewall", "csf", "uif", "vuurmuur", "awall",
	"SuSEfirewall2", "SuSEfirewall2_init", "SuSEfirewall2_setup",
}

// noFirewall looks whether one of the known firewalls starts at boot, or comes
// back at the first boot, and whether a script loads rules.
func noFirewall(g *guest) requirement.Finding {
	n := &notes{}
	if g.services.err != nil {
		n.unknown("%v", g.services.err)
	}
	installed := 0
	for _, name := range firewalls {
		if g.services.installed(name) {
			installed++
			firewall(g, n, name)
		}
	}
	ruleScripts(g, n)
	if installed == 0 {
		n.met("none of %d known firewalls is in %s", len(firewalls), strings.Join(g.services.places(), ", "))
	}
	return n.finding(requirement.NoFirewall)
}

// firewall notes whether one firewall starts.
func firewall(g *guest, n *notes, name string) {
	if name == "ufw" && !ufwOn(g, n) {
		return
	}
	label := g.services.label(name)
	if via, ok := g.services.enabled(name); ok {
		n.unmet("%s is started by %s", label, via)
		return
	}
	if state, ok := firstBoot(g, n); ok && g.units != nil && g.units.comesBack(label) {
		_, by := g.units.presetEnables(label)
		n.unmet("%s is off, and comes back: %s makes the first boot of an instance enable the units again (machine-id(5)), and %s", label, state, by)
		return
	}
	n.met("%s", g.services.why(name))
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

// ruleScripts notes the rules that ifupdown's hooks and local scripts load.
func ruleScripts(g *guest, n *notes) {
	files := []string{"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/boot.local", "/etc/network/interfaces"}
	for _, dir := range []string{"/etc/network/interfaces.d", "/etc/network/if-pre-up.d", "/etc/network/if-up.d", "/etc/local.d"} {
		files = append(files, g.glob(n, dir, "*")...)
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
