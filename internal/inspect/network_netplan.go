package inspect

import "strings"

// netplanFolders are where netplan reads files (netplan(5)); /run is empty in a
// disk image.
var netplanFolders = []string{"/lib/netplan", "/usr/lib/netplan", "/etc/netplan"}

func hasNetplan(g *guest, n *notes) bool { return g.hasProgram(n, "netplan") }

// netplanWorks notes whether netplan has a stack to write for; it enables
// systemd-networkd itself.
func netplanWorks(g *guest, n *notes) {
	const networkd = "systemd-networkd"
	if _, masked := g.services.masked(networkd); g.services.installed(networkd) && !masked {
		n.met("cloud-init configures the network with netplan, which starts %s", g.services.label(networkd))
		return
	}
	if via, ok := g.services.enabled("NetworkManager"); ok {
		n.met("cloud-init configures the network with netplan, and %s is started by %s", g.services.label("NetworkManager"), via)
		return
	}
	n.lacks("cloud-init writes for netplan, and there is neither systemd-networkd nor NetworkManager: %s", g.services.why(networkd))
}

// netplanCards calls each with the Ethernet cards that netplan's files define.
func (g *guest) netplanCards(n *notes, each func(id string, card *value)) {
	seen := map[string]bool{}
	for _, dir := range netplanFolders {
		target, err := g.real(dir)
		if err != nil || seen[target] {
			continue
		}
		seen[target] = true
		for _, file := range g.glob(n, dir, "*.yaml") {
			text, _ := g.text(n, file)
			root, err := parseYAML(file, text)
			if err != nil {
				n.unknown("%v", err)
				continue
			}
			cards := root.get("network", "ethernets")
			if cards == nil || !cards.isDict {
				continue
			}
			for _, id := range sortedKeys(cards.dict) {
				each(id, cards.dict[id])
			}
		}
	}
}

// netplanDHCP notes whether a netplan file asks for DHCP on any card.
func netplanDHCP(g *guest, n *notes) {
	if !g.hasProgram(n, "netplan") {
		return
	}
	found := false
	g.netplanCards(n, func(id string, card *value) {
		names := netplanNames(id, card)
		switch {
		case found || !card.get("dhcp4").isTrue():
		case g.anyCard(names):
			n.met("%s: dhcp4 for any card", card.where)
			found = true
		default:
			n.lacks("%s: only for the card %s", card.where, quote(strings.Join(names, " ")))
		}
	})
	if found {
		n.lacking = nil
	}
}

// netplanNames returns the name patterns of a netplan definition: its key, or
// what its match says. A match by anything but names matches none here.
func netplanNames(id string, card *value) []string {
	match := card.get("match")
	if match == nil {
		return []string{id}
	}
	if name := match.get("name"); name != nil && len(match.dict) == 1 {
		return []string{name.text}
	}
	if match.isDict && len(match.dict) == 0 {
		return []string{"*"}
	}
	return nil
}

func netplanPins(g *guest, n *notes) []pin {
	if !g.hasProgram(n, "netplan") {
		return nil
	}
	var pins []pin
	g.netplanCards(n, func(id string, card *value) {
		if names := netplanNames(id, card); len(names) == 1 {
			pins = append(pins, pin{names[0], card.where})
		}
	})
	return pins
}
