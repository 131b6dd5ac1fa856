package inspect

import "fmt"

// keyfileFolders are where NetworkManager keeps connections, beside /run, which
// is empty in a disk image (NetworkManager.conf(5), keyfile).
var keyfileFolders = []string{"/usr/lib/NetworkManager/system-connections", "/etc/NetworkManager/system-connections"}

// hasNetworkManager: cloud-init, net/network_manager.py, available.
func hasNetworkManager(g *guest, n *notes) bool {
	return g.hasProgram(n, "nmcli") && g.services.isEnabled("NetworkManager")
}

func networkManagerWorks(g *guest, n *notes) {
	via, _ := g.services.enabled("NetworkManager")
	n.met("cloud-init configures the network with NetworkManager: %s is started by %s", g.services.label("NetworkManager"), via)
}

// networkManagerDHCP notes whether NetworkManager is left to its default, DHCP
// on any Ethernet card without a connection (NetworkManager.conf(5),
// no-auto-default), or has a connection for any card.
func networkManagerDHCP(g *guest, n *notes) {
	via, ok := g.services.enabled("NetworkManager")
	if !ok {
		return
	}
	label := g.services.label("NetworkManager")
	if where, ok := g.keyfileForAny(n); ok {
		n.met("%s: a connection for any card; %s is started by %s", where, label, via)
		return
	}
	files := append(g.glob(n, "/usr/lib/NetworkManager/conf.d", "*.conf"), "/etc/NetworkManager/NetworkManager.conf")
	off := ""
	for _, file := range append(files, g.glob(n, "/etc/NetworkManager/conf.d", "*.conf")...) {
		text, _ := g.text(n, file)
		if v, ok := parseINI(text).last("main", "no-auto-default"); ok {
			if off = ""; v.text == "*" {
				off = at(file, v.line, "no-auto-default=*")
			}
		}
	}
	if off != "" {
		n.lacks("%s", off)
		return
	}
	n.met("%s is started by %s, and uses DHCP on any card", label, via)
}

// keyfileForAny returns the connection that is for any Ethernet card and asks
// for an address.
func (g *guest) keyfileForAny(n *notes) (string, bool) {
	for _, c := range g.keyfiles(n) {
		kind, _ := c.last("connection", "type")
		name, named := c.last("connection", "interface-name")
		_, pinned := c.last("ethernet", "mac-address")
		method, _ := c.last("ipv4", "method")
		auto, _ := c.last("connection", "autoconnect")
		if (kind.text == "ethernet" || kind.text == "802-3-ethernet") && method.text == "auto" && !pinned && auto.text != "false" &&
			(!named || g.anyCard([]string{name.text})) {
			return quote(c.file), true
		}
	}
	return "", false
}

// keyfile is a connection of NetworkManager (nm-settings-keyfile(5)).
type keyfile struct {
	iniFile
	file string
}

func (g *guest) keyfiles(n *notes) []keyfile {
	var found []keyfile
	for _, dir := range keyfileFolders {
		for _, file := range g.glob(n, dir, "*") {
			if info, err := g.stat(file); err == nil && info.Mode().IsRegular() {
				text, _ := g.text(n, file)
				found = append(found, keyfile{parseINI(text), file})
			}
		}
	}
	return found
}

func networkManagerPins(g *guest, n *notes) []pin {
	var pins []pin
	for _, c := range g.keyfiles(n) {
		if name, ok := c.last("connection", "interface-name"); ok {
			pins = append(pins, pin{name.text, fmt.Sprintf("%s:%d", quote(c.file), name.line)})
		}
	}
	return pins
}
