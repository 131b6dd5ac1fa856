package inspect

import (
	"path"
	"strings"
)

const interfacesFile = "/etc/network/interfaces"

// hasIfupdown: cloud-init, net/eni.py, available.
func hasIfupdown(g *guest, n *notes) bool {
	return g.hasProgram(n, "ifquery") && g.hasProgram(n, "ifup") && g.has(n, interfacesFile)
}

// eniWorks notes whether ifupdown takes what cloud-init writes, at boot and
// with a DHCP client.
func eniWorks(g *guest, n *notes) {
	via, started := g.services.enabled("networking")
	if !started {
		n.lacks("cloud-init writes for ifupdown, and %s", g.services.why("networking"))
		return
	}
	client, ok := g.dhcpClient(n)
	if !ok {
		n.lacks("cloud-init writes for ifupdown, and there is no DHCP client: neither dhclient, dhcpcd nor udhcpc")
		return
	}
	where, ok := g.readsInterfaces(n)
	if !ok {
		n.lacks("%s does not read /etc/network/interfaces.d, where cloud-init writes", interfacesFile)
		return
	}
	n.met("cloud-init configures the network with ifupdown: %s; %s is started by %s; %s is there",
		where, g.services.label("networking"), via, client)
}

// readsInterfaces returns the line by which ifupdown reads what cloud-init
// writes: on Alpine that is the file itself (cloud-init, distros/alpine.py).
func (g *guest) readsInterfaces(n *notes) (where string, ok bool) {
	if g.distro() == "alpine" {
		return interfacesFile, true
	}
	text, _ := g.text(n, interfacesFile)
	for line, setting := range settings(text) {
		words := strings.Fields(setting)
		if len(words) != 2 || (words[0] != "source" && words[0] != "source-directory") {
			continue
		}
		file := words[1]
		if !path.IsAbs(file) {
			file = path.Join(path.Dir(interfacesFile), file)
		}
		if strings.HasPrefix(file, "/etc/network/interfaces.d") {
			return at(interfacesFile, line, setting), true
		}
	}
	return "", false
}

// ifupdownFiles are what ifupdown reads.
func (g *guest) ifupdownFiles(n *notes) []string {
	files := []string{interfacesFile}
	for _, file := range g.glob(n, "/etc/network/interfaces.d", "*") {
		if info, err := g.stat(file); err == nil && info.Mode().IsRegular() {
			files = append(files, file)
		}
	}
	return files
}

// ifupdownDHCP notes whether ifupdown itself brings up the first card: by a name
// or pattern that fits it, or by the helper of Debian's cloud images, which is
// called for every card (75-cloud-ifupdown.rules).
func ifupdownDHCP(g *guest, n *notes) {
	if !g.hasProgram(n, "ifup") || !g.services.isEnabled("networking") {
		return
	}
	for _, rules := range g.udevRules(n) {
		if path.Base(rules) == "75-cloud-ifupdown.rules" && g.has(n, "/etc/network/cloud-ifupdown-helper") {
			n.met("%s and /etc/network/cloud-ifupdown-helper bring every card up by DHCP", rules)
			return
		}
	}
	if _, ok := g.dhcpClient(n); !ok {
		n.lacks("ifupdown has no DHCP client: neither dhclient, dhcpcd nor udhcpc")
		return
	}
	for _, file := range g.ifupdownFiles(n) {
		text, _ := g.text(n, file)
		patterns := autoPatterns(text)
		for line, setting := range settings(text) {
			words := strings.Fields(setting)
			if len(words) == 4 && words[0] == "iface" && words[2] == "inet" && words[3] == "dhcp" && g.anyCard(append(patterns[words[1]], words[1])) {
				n.met("%s", at(file, line, setting))
				return
			}
		}
	}
}

// autoPatterns returns the patterns of cards by the logical name that they are
// brought up as: "auto /eth*=NAME" (interfaces(5)).
func autoPatterns(text string) map[string][]string {
	patterns := map[string][]string{}
	for _, setting := range settings(text) {
		words := strings.Fields(setting)
		if words[0] != "auto" && words[0] != "allow-hotplug" && words[0] != "allow-auto" {
			continue
		}
		for _, word := range words[1:] {
			pattern, name, mapped := strings.Cut(strings.TrimPrefix(word, "/"), "=")
			if strings.HasPrefix(word, "/") {
				if !mapped {
					name = pattern
				}
				patterns[name] = append(patterns[name], strings.TrimSuffix(pattern, "/"))
			}
		}
	}
	return patterns
}

func ifupdownPins(g *guest, n *notes) []pin {
	var pins []pin
	for _, file := range g.ifupdownFiles(n) {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if words := strings.Fields(setting); len(words) > 2 && words[0] == "iface" {
				pins = append(pins, pin{words[1], at(file, line, setting)})
			}
		}
	}
	return pins
}
