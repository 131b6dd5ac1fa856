package inspect

import (
	"maps"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// dhcp looks for what configures the first network card of an instance:
// cloud-init with a network stack that it can write for, or a stack that uses
// DHCP on any card; and for what is fixed to other cards.
func dhcp(g *guest) requirement.Finding {
	n := &notes{}
	if g.services.err != nil {
		n.unknown("%v", g.services.err)
	}
	fixedNames(g, n)
	ways := []func(*guest, *notes){cloudNetwork}
	for _, stack := range networkStacks {
		ways = append(ways, stack.own)
	}
	failed := &notes{}
	for _, way := range ways {
		seen := &notes{}
		way(g, seen)
		if seen.verdict() == requirement.Met {
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
func cloudNetwork(g *guest, n *notes) {
	if !cloudReady(g, n) {
		return
	}
	if v := g.config.root.get("network", "config"); v != nil && v.text == "disabled" {
		n.lacks("%s: network: config: disabled: cloud-init leaves the network alone", v.where)
		return
	}
	for _, e := range g.facts.Boot.normal() {
		if value, ok := e.arg("network-config"); ok && value == "disabled" {
			n.lacks("%s: cloud-init leaves the network alone", e.at())
			return
		}
	}
	if stack, ok := g.cloudStack(n); ok {
		stack.rendered(g, n)
		return
	}
	n.lacks("cloud-init finds no network stack that it can write for: ifupdown, ifcfg files, netplan, NetworkManager or systemd-networkd")
}

// rendererOrder is cloud-init's own, where the distribution's configuration has
// none (cloud-init, net/renderers.py, DEFAULT_PRIORITY).
var rendererOrder = []string{"eni", "sysconfig", "netplan", "network-manager", "networkd"}

// cloudStack returns the first stack of cloud-init's list that it takes for
// available. What a distribution prefers is in its configuration
// (system_info.network.renderers).
func (g *guest) cloudStack(n *notes) (networkStack, bool) {
	order := rendererOrder
	if v := g.config.root.get("system_info", "network", "renderers"); v != nil && v.isList {
		order = nil
		for _, item := range v.items {
			order = append(order, item.text)
		}
	}
	for _, name := range order {
		for _, stack := range networkStacks {
			if stack.renderer == name && stack.available(g, n) {
				return stack, true
			}
		}
	}
	return networkStack{}, false
}

// distro is the name by which cloud-init knows the distribution.
func (g *guest) distro() string {
	if v := g.config.root.get("system_info", "distro"); v != nil {
		return v.text
	}
	return ""
}

func (g *guest) hasProgram(n *notes, name string) bool {
	_, ok := g.program(n, name)
	return ok
}

// dhcpClient returns the first program that asks by DHCP.
func (g *guest) dhcpClient(n *notes) (string, bool) {
	for _, name := range []string{"dhclient", "dhcpcd", "udhcpc"} {
		if program, ok := g.program(n, name); ok {
			return program, true
		}
	}
	return "", false
}

// dhcpcdDHCP notes dhcpcd, which by itself serves every card.
func dhcpcdDHCP(g *guest, n *notes) {
	via, ok := g.services.enabled("dhcpcd")
	if !ok {
		return
	}
	text, _ := g.text(n, "/etc/dhcpcd.conf")
	for line, setting := range settings(text) {
		if patterns, ok := allowedInterfaces(setting); ok && !g.anyCard(patterns) {
			n.lacks("%s", at("/etc/dhcpcd.conf", line, setting))
			return
		}
	}
	n.met("%s is started by %s, and uses DHCP on any card", g.services.label("dhcpcd"), via)
}

// allowedInterfaces returns the patterns of a line of dhcpcd.conf(5) that keeps
// dhcpcd to some cards.
func allowedInterfaces(setting string) (patterns []string, ok bool) {
	words := strings.Fields(setting)
	return words[1:], words[0] == "allowinterfaces"
}

func sortedKeys(m map[string]*value) []string {
	return slices.Sorted(maps.Keys(m))
}
