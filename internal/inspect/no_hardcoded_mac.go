package inspect

import (
	"path"
	"regexp"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// macPattern finds a MAC address in its usual forms, and behind the name or the
// hardware type that a kernel argument puts before it (dracut.cmdline(7)).
var macPattern = regexp.MustCompile(`(?i)(^|[^0-9a-f:-]|ifname=[^:\s]*:|BOOTIF=[0-9a-f]{2}-)([0-9a-f]{2}([:-])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){4})($|[^0-9a-f:-])`)

// macPlace is where a network stack keeps addresses of cards.
type macPlace struct {
	dir      string
	patterns []string
	// keys are the words of which one must stand on the line; none means that
	// any address counts.
	keys []string
}

// macPlaces are the places of every network stack.
var macPlaces = []macPlace{
	udevPlace("/etc/udev/rules.d"),
	networkdPlace("/etc/systemd/network"),
	networkdPlace("/usr/local/lib/systemd/network"),
	{"/etc/netplan", []string{"*.yaml", "*.yml"}, nil},
	{"/lib/netplan", []string{"*.yaml", "*.yml"}, nil},
	{"/usr/lib/netplan", []string{"*.yaml", "*.yml"}, nil},
	{"/etc/network", []string{"interfaces"}, nil},
	{"/etc/network/interfaces.d", []string{"*"}, nil},
	{"/etc/NetworkManager/system-connections", []string{"*"}, nil},
	{"/etc/NetworkManager/conf.d", []string{"*"}, []string{"mac", "unmanaged", "match-device"}},
	{"/usr/lib/NetworkManager/system-connections", []string{"*"}, nil},
	{"/etc/sysconfig/network-scripts", []string{"ifcfg-*"}, nil},
	{"/etc/sysconfig/network", []string{"ifcfg-*"}, nil},
	{"/etc/cloud/cloud.cfg.d", []string{"*.cfg"}, nil},
	{"/etc", []string{"iftab", "mactab", "dhcpcd.conf"}, nil},
	{"/etc/dhcp", []string{"dhclient.conf"}, nil},
	{"/etc/conf.d", []string{"net", "net.*"}, nil},
	{"/etc/netctl", []string{"*"}, nil},
	{"/etc/default", []string{"grub", "u-boot"}, nil},
	{"/etc/default/grub.d", []string{"*.cfg"}, nil},
	{"/etc", []string{"update-extlinux.conf"}, nil},
	{"/etc/kernel", []string{"cmdline"}, nil},
	{"/etc/cmdline.d", []string{"*.conf"}, nil},
	{"/etc/dracut.conf.d", []string{"*.conf"}, nil},
}

func udevPlace(dir string) macPlace {
	return macPlace{dir, []string{"*.rules"}, []string{"address", "ID_NET_NAME_MAC"}}
}

func networkdPlace(dir string) macPlace {
	return macPlace{dir, []string{"*.link", "*.network", "*.netdev"}, []string{"macaddress"}}
}

// noHardcodedMAC looks for a card's address in every place where a network
// stack, udev or the boot loader would take it from.
func noHardcodedMAC(g *guest) requirement.Finding {
	n := &notes{}
	if g.bootErr != nil {
		n.unknown("kernel command lines: %v", g.bootErr)
	}
	looked := 0
	for _, place := range macPlaces {
		looked += g.macsIn(n, place)
	}
	for _, e := range g.facts.Boot.Entries {
		looked++
		if mac := findMAC(e.CommandLine); mac != "" {
			n.unmet("%s: %s", e.at(), mac)
		}
	}
	persistentNames(g, n)
	persistentGenerator(g, n)
	g.macsEarly(n)
	if len(g.facts.Boot.Entries) == 0 {
		n.unknown("kernel command lines: %v", errNoEntries)
	}
	n.met("no MAC address in %d files and boot entries of udev, ifupdown, ifcfg files, wicked, netplan, systemd-networkd, NetworkManager, netifrc, cloud-init and boot loaders", looked)
	return n.finding(requirement.NoHardcodedMAC)
}

// macsEarly notes the addresses that were seen in an initramfs, as far as it is
// read for its drivers; what cannot be read of it is told there.
func (g *guest) macsEarly(n *notes) {
	for _, k := range g.facts.Kernels {
		for _, line := range g.ramdisk(k).macs {
			n.unmet("%s", line)
		}
	}
}

// macsIn notes the addresses in one place, and returns how many files it read.
func (g *guest) macsIn(n *notes, place macPlace) int {
	read := 0
	for _, file := range g.glob(n, place.dir, place.patterns...) {
		if info, err := g.stat(file); err == nil && info.IsDir() {
			continue
		}
		text, ok := g.text(n, file)
		if !ok {
			continue
		}
		read++
		for line, setting := range settings(text) {
			if mac := findMAC(setting); mac != "" && place.asksFor(setting) {
				n.unmet("%s", at(file, line, setting))
			}
		}
	}
	return read
}

func (p macPlace) asksFor(setting string) bool {
	if len(p.keys) == 0 {
		return true
	}
	for _, key := range p.keys {
		if strings.Contains(strings.ToLower(setting), strings.ToLower(key)) {
			return true
		}
	}
	return false
}

// findMAC returns the first address of a card in a line: neither the zero and
// broadcast addresses nor a mix of separators.
func findMAC(line string) string {
	for {
		m := macPattern.FindStringSubmatchIndex(line)
		if m == nil {
			return ""
		}
		mac, separator := strings.ToLower(line[m[4]:m[5]]), line[m[6]:m[7]]
		digits := strings.ReplaceAll(mac, separator, "")
		if len(digits) == 12 && digits != "000000000000" && digits != "ffffffffffff" {
			return mac
		}
		line = line[m[5]:] // what separates two addresses belongs to both
	}
}

// persistentNames notes something else than a file in the place of udev's rules,
// which breaks what writes or copies them: cloud-init, initramfs-tools.
func persistentNames(g *guest, n *notes) {
	const rules = "/etc/udev/rules.d/70-persistent-net.rules"
	if info, err := g.lstat(rules); err == nil && !info.Mode().IsRegular() {
		n.unmet("%s is no regular file, which breaks what writes or copies it", rules)
	}
}

// persistentGenerator notes the rule of old udevs that writes the address of
// every new card down again, unless /etc has an empty file in its place.
func persistentGenerator(g *guest, n *notes) {
	const name = "75-persistent-net-generator.rules"
	for _, file := range g.udevRules(n) {
		if path.Base(file) != name {
			continue
		}
		info, err := g.stat(file)
		if err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			n.unmet("%s writes the address of every new card to 70-persistent-net.rules", file)
		}
	}
}
