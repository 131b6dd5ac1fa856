package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const networkdService = "systemd-networkd"

// hasNetworkd: cloud-init, net/networkd.py, available.
func hasNetworkd(g *guest, n *notes) bool {
	return g.hasProgram(n, "ip") && g.services.installed(networkdService)
}

func networkdWorks(g *guest, n *notes) {
	via, ok := g.services.enabled(networkdService)
	if !ok {
		n.lacks("cloud-init writes for systemd-networkd, and %s", g.services.why(networkdService))
		return
	}
	n.met("cloud-init configures the network with systemd-networkd: %s is started by %s", g.services.label(networkdService), via)
}

// networkFiles returns the .network files in the order in which they count, a
// file of a stronger folder replacing one of the same name.
func (g *guest) networkFiles(n *notes) []string {
	files := map[string]string{}
	for _, dir := range []string{"/lib/systemd/network", "/usr/lib/systemd/network", "/usr/local/lib/systemd/network", "/etc/systemd/network"} {
		for _, file := range g.glob(n, dir, "*.network") {
			files[path.Base(file)] = file
		}
	}
	return sortedValues(files)
}

// networkdDHCP notes whether the first .network file that matches any card
// asks for DHCP (systemd.network(5)).
func networkdDHCP(g *guest, n *notes) {
	via, ok := g.services.enabled(networkdService)
	if !ok {
		return
	}
	for _, file := range g.networkFiles(n) {
		text, _ := g.text(n, file)
		f := parseINI(text)
		dhcp, _ := f.last("Network", "DHCP")
		match := matchSection(f)
		if !g.matchesAny(match) {
			if len(match["Name"]) > 0 && dhcp.text != "" && strings.HasPrefix(file, "/etc/") {
				n.lacks("%s: only for the card %s", quote(file), quote(strings.Join(match["Name"], " ")))
			}
			continue
		}
		if slices.Contains([]string{"yes", "true", "on", "1", "ipv4", "both"}, strings.ToLower(dhcp.text)) {
			n.lacking = nil
			n.met("%s: DHCP=%s for any card; %s is started by %s", quote(file), quote(dhcp.text), g.services.label(networkdService), via)
			return
		}
		n.lacks("%s is for any card, and has no DHCP=yes", quote(file))
		return
	}
}

// matchSection returns the words of each setting of [Match].
func matchSection(f iniFile) map[string][]string {
	match := map[string][]string{}
	for key, values := range f["Match"] {
		for _, v := range values {
			match[key] = append(match[key], strings.Fields(v.text)...)
		}
	}
	return match
}

// matchesAny reports whether a [Match] section is about any Ethernet card: by
// its name, or by its type alone.
func (g *guest) matchesAny(match map[string][]string) bool {
	for key := range match {
		if key != "Name" && key != "Type" && key != "Kind" && key != "Virtualization" {
			return false
		}
	}
	if kind, ok := match["Type"]; ok && !slices.Contains(kind, "ether") {
		return false
	}
	if kind, ok := match["Kind"]; ok && !slices.Contains(kind, "!*") {
		return false
	}
	if names, ok := match["Name"]; ok {
		return g.anyCard(names)
	}
	return len(match["Type"]) > 0
}

// networkdPins returns the cards that files of the guest's own name one by one.
func networkdPins(g *guest, n *notes) []pin {
	var pins []pin
	for _, file := range g.networkFiles(n) {
		if !strings.HasPrefix(file, "/etc/") {
			continue
		}
		text, _ := g.text(n, file)
		names := parseINI(text)["Match"]["Name"]
		for _, v := range names {
			if words := strings.Fields(v.text); len(names) == 1 && len(words) == 1 {
				pins = append(pins, pin{words[0], fmt.Sprintf("%s:%d", quote(file), v.line)})
			}
		}
	}
	return pins
}
