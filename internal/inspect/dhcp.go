package inspect

import (
	"path"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// dhcp looks for what configures the first network card of an instance:
// cloud-init with a network stack that it can write for, or a stack that uses
// DHCP on any card.
func dhcp(g *guest) requirement.Finding {
	n := &notes{}
	if g.units.err != nil {
		n.unknown("%v", g.units.err)
	}
	ways := []func(*guest, *notes) bool{
		cloudNetwork, networkdDHCP, netplanDHCP, ifupdownDHCP, networkManagerDHCP, dhcpcdDHCP,
	}
	failed := &notes{}
	for _, way := range ways {
		seen := &notes{}
		if way(g, seen) && seen.verdict() == requirement.Met {
			n.add(seen)
			return n.finding(requirement.DHCP)
		}
		failed.add(seen)
	}
	failed.good = nil
	n.add(failed)
	return n.finding(requirement.DHCP)
}

// cloudNetwork notes whether cloud-init configures the network, and by which
// stack.
func cloudNetwork(g *guest, n *notes) bool {
	if !cloudReady(g, n) {
		return false
	}
	if v := g.config.root.get("network", "config"); v != nil && v.text == "disabled" {
		n.lacks("%s: network: config: disabled: cloud-init leaves the network alone", v.where)
		return false
	}
	for _, e := range g.facts.Boot.normal() {
		if value, ok := e.arg("network-config"); ok && value == "disabled" {
			n.lacks("%s: cloud-init leaves the network alone", e.at())
			return false
		}
	}
	return cloudRenderer(g, n)
}

// cloudRenderer notes the first network stack of cloud-init's list that it
// takes for available (cloudinit/net/renderers.py), and whether that one works.
func cloudRenderer(g *guest, n *notes) bool {
	order := []string{"eni", "netplan", "network-manager", "networkd"}
	if v := g.config.root.get("system_info", "network", "renderers"); v != nil && v.isList {
		order = nil
		for _, item := range v.items {
			order = append(order, item.text)
		}
	}
	for _, name := range order {
		switch {
		case name == "eni" && g.hasIfupdown(n):
			return eniWorks(g, n)
		case name == "netplan" && g.hasProgram(n, "netplan"):
			return netplanWorks(g, n)
		case name == "network-manager" && g.hasProgram(n, "nmcli") && g.starts("NetworkManager.service"):
			n.met("cloud-init configures the network with NetworkManager")
			return true
		case name == "networkd" && g.hasProgram(n, "ip") && g.starts("systemd-networkd.service"):
			n.met("cloud-init configures the network with systemd-networkd")
			return true
		}
	}
	n.lacks("cloud-init finds no network stack that it can write for: ifupdown, netplan, NetworkManager or systemd-networkd")
	return false
}

func (g *guest) hasProgram(n *notes, name string) bool {
	_, ok := g.program(n, name)
	return ok
}

func (g *guest) hasIfupdown(n *notes) bool {
	return g.hasProgram(n, "ifquery") && g.hasProgram(n, "ifup") && g.has(n, interfacesFile)
}

func (g *guest) starts(unit string) bool {
	_, ok := g.units.enabled(unit)
	return ok
}

const interfacesFile = "/etc/network/interfaces"

// eniWorks notes whether ifupdown takes what cloud-init writes to
// interfaces.d, at boot and with a DHCP client.
func eniWorks(g *guest, n *notes) bool {
	via, started := g.units.enabled("networking.service")
	if !started {
		n.lacks("cloud-init writes for ifupdown, and %s", g.units.why("networking.service"))
		return false
	}
	client, ok := g.dhcpClient(n)
	if !ok {
		n.lacks("cloud-init writes for ifupdown, and there is no DHCP client: neither dhclient, dhcpcd nor udhcpc")
		return false
	}
	text, _ := g.text(n, interfacesFile)
	for line, setting := range settings(text) {
		words := strings.Fields(setting)
		if len(words) == 2 && (words[0] == "source" || words[0] == "source-directory") && strings.HasPrefix(words[1], "/etc/network/interfaces.d") {
			n.met("cloud-init configures the network with ifupdown: %s; networking.service is started by %s; %s is there",
				at(interfacesFile, line, setting), via, client)
			return true
		}
	}
	n.lacks("%s does not read /etc/network/interfaces.d, where cloud-init writes", interfacesFile)
	return false
}

func (g *guest) dhcpClient(n *notes) (string, bool) {
	for _, name := range []string{"dhclient", "dhcpcd", "udhcpc"} {
		if program, ok := g.program(n, name); ok {
			return program, true
		}
	}
	return "", false
}

// netplanWorks notes whether netplan has a stack to write for; it enables
// systemd-networkd itself.
func netplanWorks(g *guest, n *notes) bool {
	const networkd = "systemd-networkd.service"
	if _, masked := g.units.masked(networkd); g.units.installed(networkd) && !masked {
		n.met("cloud-init configures the network with netplan, which starts %s", g.units.file(networkd))
		return true
	}
	if via, ok := g.units.enabled("NetworkManager.service"); ok {
		n.met("cloud-init configures the network with netplan, and NetworkManager.service is started by %s", via)
		return true
	}
	n.lacks("cloud-init writes for netplan, and there is neither systemd-networkd nor NetworkManager: %s", g.units.why(networkd))
	return false
}

// firstNames are names that the first card can have in an instance: the one
// that net.ifnames=0 gives, else those of udev for Nova's machine types pc and
// q35 (systemd.net-naming-scheme(7)).
func (g *guest) firstNames() []string {
	for _, e := range g.facts.Boot.normal() {
		if value, ok := e.arg("net.ifnames"); ok && value == "0" {
			return []string{"eth0"}
		}
	}
	return []string{"ens3", "enp1s0"}
}

// anyCard reports whether the patterns match whatever the first card is called.
func (g *guest) anyCard(patterns []string) bool {
	for _, name := range g.firstNames() {
		if !slices.ContainsFunc(patterns, func(p string) bool { ok, err := path.Match(p, name); return ok && err == nil }) {
			return false
		}
	}
	return true
}

// networkdDHCP notes whether the first .network file that matches any card
// asks for DHCP (systemd.network(5)).
func networkdDHCP(g *guest, n *notes) bool {
	via, ok := g.units.enabled("systemd-networkd.service")
	if !ok {
		return false
	}
	files := map[string]string{}
	for _, dir := range []string{"/lib/systemd/network", "/usr/lib/systemd/network", "/usr/local/lib/systemd/network", "/etc/systemd/network"} {
		for _, file := range g.glob(n, dir, "*.network") {
			files[path.Base(file)] = file
		}
	}
	for _, file := range sortedValues(files) {
		text, _ := g.text(n, file)
		match, dhcp := networkFile(text)
		if !g.matchesAny(match) {
			if len(match["Name"]) > 0 && dhcp != "" && strings.HasPrefix(file, "/etc/") {
				n.lacks("%s: only for the card %s", quote(file), quote(strings.Join(match["Name"], " ")))
			}
			continue
		}
		if slices.Contains([]string{"yes", "true", "on", "1", "ipv4", "both"}, strings.ToLower(dhcp)) {
			n.met("%s: DHCP=%s for any card; systemd-networkd.service is started by %s", quote(file), quote(dhcp), via)
			return true
		}
		n.lacks("%s is for any card, and has no DHCP=yes", quote(file))
		return false
	}
	return false
}

// networkFile returns the settings of [Match] and the last DHCP= of [Network].
func networkFile(text string) (match map[string][]string, dhcp string) {
	match = map[string][]string{}
	section := ""
	for _, setting := range settings(text) {
		if strings.HasPrefix(setting, "[") {
			section = strings.Trim(setting, "[]")
			continue
		}
		key, value, _ := strings.Cut(setting, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case section == "Match":
			match[key] = append(match[key], strings.Fields(value)...)
		case section == "Network" && key == "DHCP":
			dhcp = value
		}
	}
	return match, dhcp
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

// netplanDHCP notes whether a netplan file asks for DHCP on any card.
func netplanDHCP(g *guest, n *notes) bool {
	if !g.hasProgram(n, "netplan") {
		return false
	}
	for _, file := range g.glob(n, "/etc/netplan", "*.yaml") {
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
			card := cards.dict[id]
			if !g.anyCard(netplanNames(id, card)) {
				n.lacks("%s: only for the card %s", card.where, quote(strings.Join(netplanNames(id, card), " ")))
				continue
			}
			if card.get("dhcp4").isTrue() {
				n.met("%s: dhcp4 for any card", card.where)
				return true
			}
		}
	}
	return false
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

// ifupdownDHCP notes whether ifupdown itself brings up the first card: by its
// fixed name where net.ifnames=0 makes that eth0, or by the helper of Debian's
// cloud images, which is called for every card (75-cloud-ifupdown.rules).
func ifupdownDHCP(g *guest, n *notes) bool {
	if !g.hasProgram(n, "ifup") || !g.starts("networking.service") {
		return false
	}
	for _, rules := range g.udevRules(n) {
		if path.Base(rules) == "75-cloud-ifupdown.rules" && g.has(n, "/etc/network/cloud-ifupdown-helper") {
			n.met("%s and /etc/network/cloud-ifupdown-helper bring every card up by DHCP", rules)
			return true
		}
	}
	for _, file := range append([]string{interfacesFile}, g.glob(n, "/etc/network/interfaces.d", "*")...) {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			words := strings.Fields(setting)
			if len(words) != 4 || words[0] != "iface" || words[1] == "lo" || words[2] != "inet" || words[3] != "dhcp" {
				continue
			}
			if g.anyCard([]string{words[1]}) {
				n.met("%s", at(file, line, setting))
				return true
			}
			n.lacks("%s: the name is that of the build VM's card; an instance's first card is called %s",
				at(file, line, setting), strings.Join(g.firstNames(), " or "))
		}
	}
	return false
}

// networkManagerDHCP notes whether NetworkManager is left to its default, DHCP
// on any Ethernet card without a connection (NetworkManager.conf(5),
// no-auto-default).
func networkManagerDHCP(g *guest, n *notes) bool {
	via, ok := g.units.enabled("NetworkManager.service")
	if !ok {
		return false
	}
	files := append(g.glob(n, "/usr/lib/NetworkManager/conf.d", "*.conf"), "/etc/NetworkManager/NetworkManager.conf")
	for _, file := range append(files, g.glob(n, "/etc/NetworkManager/conf.d", "*.conf")...) {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if key, value, _ := strings.Cut(setting, "="); strings.TrimSpace(key) == "no-auto-default" && strings.TrimSpace(value) == "*" {
				n.lacks("%s", at(file, line, setting))
				return false
			}
		}
	}
	n.met("NetworkManager.service is started by %s, and uses DHCP on any card", via)
	return true
}

// dhcpcdDHCP notes dhcpcd, which by itself serves every card.
func dhcpcdDHCP(g *guest, n *notes) bool {
	via, ok := g.units.enabled("dhcpcd.service")
	if !ok {
		return false
	}
	text, _ := g.text(n, "/etc/dhcpcd.conf")
	for line, setting := range settings(text) {
		if words := strings.Fields(setting); words[0] == "allowinterfaces" && !g.anyCard(words[1:]) {
			n.lacks("%s", at("/etc/dhcpcd.conf", line, setting))
			return false
		}
	}
	n.met("dhcpcd.service is started by %s, and uses DHCP on any card", via)
	return true
}

func sortedKeys(m map[string]*value) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
