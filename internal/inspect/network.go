package inspect

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// networkStack is one way in which a guest configures its network cards.
type networkStack struct {
	// renderer is cloud-init's name for it; empty where cloud-init can not write
	// for it.
	renderer string
	// available tells as cloud-init does whether it can write for the stack, and
	// rendered notes whether the stack uses at boot what is written.
	available func(g *guest, n *notes) bool
	rendered  func(g *guest, n *notes)
	// own notes whether the stack by itself brings the first card up by DHCP.
	own func(g *guest, n *notes)
	// pins returns what is configured for one card by its name.
	pins func(g *guest, n *notes) []pin
}

// pin is a line, or a file, that is about one card.
type pin struct{ card, where string }

// networkStacks are all that are known. Where several have the same renderer,
// the first that is available counts.
var networkStacks = []networkStack{
	{"eni", hasIfupdown, eniWorks, ifupdownDHCP, ifupdownPins},
	{"sysconfig", hasIfcfg, ifcfgWorks, ifcfgDHCP, ifcfgPins},
	{"sysconfig", hasWicked, wickedWorks, wickedDHCP, wickedPins},
	{"netplan", hasNetplan, netplanWorks, netplanDHCP, netplanPins},
	{"network-manager", hasNetworkManager, networkManagerWorks, networkManagerDHCP, networkManagerPins},
	{"networkd", hasNetworkd, networkdWorks, networkdDHCP, networkdPins},
	{"", nil, nil, netifrcDHCP, netifrcPins},
	{"", nil, nil, dhcpcdDHCP, nil},
}

// firstNames are names that the first card can have in an instance: the one
// that the kernel gives where nothing renames cards, else those of udev for
// Nova's machine types pc and q35 (systemd.net-naming-scheme(7)).
func (g *guest) firstNames() []string {
	if g.keepsKernelNames() {
		return []string{"eth0"}
	}
	return []string{"ens3", "enp1s0"}
}

// keepsKernelNames reports whether cards are called eth0 and so on: by an
// argument of every boot entry, or because there is no rule of udev that
// renames them.
func (g *guest) keepsKernelNames() bool {
	if slices.Contains(commonArguments(g.facts.Boot.Entries), "net.ifnames=0") {
		return true
	}
	for _, rules := range g.udevRules(&notes{}) {
		if name := path.Base(rules); name != "80-net-setup-link.rules" && name != "80-net-name-slot.rules" {
			continue
		}
		if info, err := g.stat(rules); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
			return false
		}
	}
	return true
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

// cardName is how the kernel, udev and biosdevname call Ethernet cards, and not
// bridges, bonds or tunnels.
var cardName = regexp.MustCompile(`^(eth[0-9]+|en[bcopsvx][0-9a-z]+|em[0-9]+|p[0-9]+p[0-9]+)$`)

// fixedNames notes the configuration of cards by names that the first card of an
// instance need not have.
func fixedNames(g *guest, n *notes) {
	for _, stack := range networkStacks {
		if stack.pins == nil {
			continue
		}
		for _, p := range stack.pins(g, n) {
			if cardName.MatchString(p.card) && !g.anyCard([]string{p.card}) {
				n.unmet("%s: configures the card %s by name; an instance's first card is called %s",
					p.where, p.card, strings.Join(g.firstNames(), " or "))
			}
		}
	}
}

// shellValue returns what the last assignment to a variable in a file of shell
// assignments is, with the line; "" without one.
func shellValue(text, name string) (value string, line int) {
	for number, setting := range settings(text) {
		setting = strings.TrimSpace(strings.TrimPrefix(setting, "export "))
		if v, ok := strings.CutPrefix(setting, name+"="); ok {
			value, line = unquoteShell(v), number
		}
	}
	return value, line
}

// iniFile is a file of sections, as systemd and NetworkManager write them:
// section and key to the values, in their order.
type iniFile map[string]map[string][]iniValue

type iniValue struct {
	text string
	line int
}

func parseINI(text string) iniFile {
	f := iniFile{}
	section := ""
	for line, setting := range settings(text) {
		if strings.HasPrefix(setting, "[") {
			section = strings.Trim(setting, "[]")
			continue
		}
		key, value, _ := strings.Cut(setting, "=")
		if f[section] == nil {
			f[section] = map[string][]iniValue{}
		}
		key = strings.TrimSpace(key)
		f[section][key] = append(f[section][key], iniValue{strings.TrimSpace(value), line})
	}
	return f
}

// last returns the last value of a key, and false where there is none.
func (f iniFile) last(section, key string) (iniValue, bool) {
	values := f[section][key]
	if len(values) == 0 {
		return iniValue{}, false
	}
	return values[len(values)-1], true
}
