package inspect

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	ifcfgFolder  = "/etc/sysconfig/network-scripts"
	wickedFolder = "/etc/sysconfig/network"
)

// hasIfcfg tells whether there is something that reads the ifcfg files of
// Fedora and EL: cloud-init, net/sysconfig.py, available; Amazon Linux is not
// among its KNOWN_DISTROS.
func hasIfcfg(g *guest, n *notes) bool {
	if g.distro() == "amazon" || !g.has(n, ifcfgFolder) {
		return false
	}
	if g.has(n, path.Join(ifcfgFolder, "network-functions")) && g.hasProgram(n, "ifup") && g.hasProgram(n, "ifdown") {
		return true
	}
	for _, dir := range []string{"/usr/lib64/NetworkManager", "/usr/lib/NetworkManager"} {
		for _, sub := range append(g.glob(n, dir, "*"), dir) {
			if g.exists(path.Join(sub, "libnm-settings-plugin-ifcfg-rh.so")) {
				return true
			}
		}
	}
	return false
}

// ifcfgReader returns what reads ifcfg files at boot.
func (g *guest) ifcfgReader(n *notes) (string, bool) {
	label, via, ok := g.services.firstEnabled("NetworkManager", "network")
	if !ok {
		n.lacks("neither NetworkManager nor the service network starts at boot: %s", g.services.why(g.services.firstInstalled("NetworkManager", "network")))
		return "", false
	}
	if !g.services.isEnabled("NetworkManager") {
		client, ok := g.dhcpClient(n)
		if !ok {
			n.lacks("the service network has no DHCP client: neither dhclient nor dhcpcd")
			return "", false
		}
		return fmt.Sprintf("%s is started by %s; %s is there", label, via, client), true
	}
	return fmt.Sprintf("%s is started by %s", label, via), true
}

// ifcfgWorks notes whether what cloud-init writes is read. Before 0.7.9 it does
// not write, and takes the network as it is (cloud-init, net/sysconfig.py).
func ifcfgWorks(g *guest, n *notes) {
	reader, ok := g.ifcfgReader(n)
	if !ok {
		return
	}
	if oldCloudInit.MatchString(g.facts.CloudInit.Version) {
		ifcfgDHCP(g, n)
		n.lacks("cloud-init %s does not configure the network, and no ifcfg file asks for DHCP on the first card", g.facts.CloudInit.Version)
		return
	}
	n.met("cloud-init configures the network with ifcfg files: %s", reader)
}

var oldCloudInit = regexp.MustCompile(`^0\.([0-6]\.|7\.[0-8]([^0-9]|$))`)

// ifcfgFiles returns the files of cards in a folder: editors' and package
// managers' copies are left alone.
func (g *guest) ifcfgFiles(n *notes, dir string) []string {
	return slices.DeleteFunc(g.glob(n, dir, "ifcfg-*"), func(file string) bool {
		switch path.Ext(file) {
		case ".bak", ".orig", ".rpmnew", ".rpmsave", ".template":
			return true
		}
		return strings.HasSuffix(file, "~") || strings.HasSuffix(file, "ifcfg-lo")
	})
}

// ifcfgDHCP notes a file by which the first card comes up by DHCP.
func ifcfgDHCP(g *guest, n *notes) {
	if !hasIfcfg(g, n) && !g.services.isEnabled("network") {
		return
	}
	for _, file := range g.ifcfgFiles(n, ifcfgFolder) {
		text, _ := g.text(n, file)
		protocol, line := shellValue(text, "BOOTPROTO")
		onBoot, _ := shellValue(text, "ONBOOT")
		if !strings.EqualFold(protocol, "dhcp") || strings.EqualFold(onBoot, "no") || !g.anyCard([]string{ifcfgCard(file, text)}) {
			continue
		}
		if reader, ok := g.ifcfgReader(n); ok {
			n.met("%s:%d: BOOTPROTO=%s; %s", file, line, quote(protocol), reader)
		}
		return
	}
}

// ifcfgCard returns the card that a file is about.
func ifcfgCard(file, text string) string {
	if device, _ := shellValue(text, "DEVICE"); device != "" {
		return device
	}
	return strings.TrimPrefix(path.Base(file), "ifcfg-")
}

// ifcfgPins returns the cards of the files; eth0 by DHCP is what images of EL
// have for whatever the first card is.
func ifcfgPins(g *guest, n *notes) []pin {
	var pins []pin
	for _, file := range g.ifcfgFiles(n, ifcfgFolder) {
		text, _ := g.text(n, file)
		protocol, _ := shellValue(text, "BOOTPROTO")
		if card := ifcfgCard(file, text); card != "eth0" || !strings.EqualFold(protocol, "dhcp") {
			pins = append(pins, pin{card, quote(file)})
		}
	}
	return pins
}

// hasWicked tells whether there is SUSE's wicked, for which cloud-init writes as
// for EL, in another folder (cloud-init, distros/opensuse.py).
func hasWicked(g *guest, n *notes) bool {
	return g.has(n, path.Join(wickedFolder, "config")) && g.hasProgram(n, "ifup") && g.services.installed("wicked")
}

func wickedWorks(g *guest, n *notes) {
	via, ok := g.services.enabled("wicked")
	if !ok {
		n.lacks("cloud-init writes for wicked, and %s", g.services.why("wicked"))
		return
	}
	n.met("cloud-init configures the network with wicked: %s is started by %s", g.services.label("wicked"), via)
}

// wickedDHCP notes a file by which the first card comes up by DHCP (ifcfg(5)).
func wickedDHCP(g *guest, n *notes) {
	label, via, ok := g.services.firstEnabled("wicked", "network")
	if !ok || !g.has(n, path.Join(wickedFolder, "config")) {
		return
	}
	for _, file := range g.ifcfgFiles(n, wickedFolder) {
		text, _ := g.text(n, file)
		protocol, line := shellValue(text, "BOOTPROTO")
		mode, _ := shellValue(text, "STARTMODE")
		starts := slices.Contains([]string{"auto", "onboot", "hotplug", "nfsroot", "boot"}, strings.ToLower(mode))
		if strings.HasPrefix(strings.ToLower(protocol), "dhcp") && starts && g.anyCard([]string{strings.TrimPrefix(path.Base(file), "ifcfg-")}) {
			n.met("%s:%d: BOOTPROTO=%s; %s is started by %s", file, line, quote(protocol), label, via)
			return
		}
	}
}

// wickedPins returns the cards of the files; eth0 by DHCP is what images of SUSE
// have for whatever the first card is.
func wickedPins(g *guest, n *notes) []pin {
	var pins []pin
	for _, file := range g.ifcfgFiles(n, wickedFolder) {
		text, _ := g.text(n, file)
		protocol, _ := shellValue(text, "BOOTPROTO")
		if card := strings.TrimPrefix(path.Base(file), "ifcfg-"); card != "eth0" || !strings.HasPrefix(strings.ToLower(protocol), "dhcp") {
			pins = append(pins, pin{card, quote(file)})
		}
	}
	return pins
}
