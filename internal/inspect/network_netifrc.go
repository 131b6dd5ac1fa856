package inspect

import (
	"path"
	"strings"
)

// netifrcFolder has the settings of Gentoo's netifrc; a service net.CARD brings
// each card up.
const netifrcFolder = "/etc/conf.d"

// netifrcDHCP notes whether the service of the first card is started, and
// nothing but DHCP is set for it: without a setting, that is the default
// (netifrc, doc/net.example).
func netifrcDHCP(g *guest, n *notes) {
	for _, card := range g.netifrcCards(n) {
		if !g.anyCard([]string{card}) {
			continue
		}
		via, _ := g.services.enabled("net." + card)
		if setting, where := g.netifrcSetting(n, card); setting != "" && !strings.Contains(setting, "dhcp") {
			n.lacks("%s: no DHCP on the first card", where)
			continue
		}
		client, ok := g.dhcpClient(n)
		if !ok {
			n.lacks("net.%s has no DHCP client: neither dhclient, dhcpcd nor udhcpc", card)
			continue
		}
		n.met("net.%s is started by %s, and uses DHCP; %s is there", card, via, client)
		return
	}
}

// netifrcSetting returns config_CARD, and where it stands.
func (g *guest) netifrcSetting(n *notes, card string) (setting, where string) {
	for _, file := range []string{path.Join(netifrcFolder, "net"), path.Join(netifrcFolder, "net."+card)} {
		text, _ := g.text(n, file)
		if v, line := shellValue(text, "config_"+card); v != "" {
			setting, where = v, at(file, line, "config_"+card+"="+v)
		}
	}
	return setting, where
}

// netifrcCards returns the cards whose services are started.
func (g *guest) netifrcCards(n *notes) []string {
	if !g.exists("/etc/init.d/net.lo") {
		return nil
	}
	var cards []string
	for _, file := range g.glob(n, initScripts, "net.*") {
		if card := strings.TrimPrefix(path.Base(file), "net."); card != "lo" && g.services.isEnabled("net."+card) {
			cards = append(cards, card)
		}
	}
	return cards
}

func netifrcPins(g *guest, n *notes) []pin {
	var pins []pin
	for _, card := range g.netifrcCards(n) {
		via, _ := g.services.enabled("net." + card)
		pins = append(pins, pin{card, quote(via)})
	}
	return pins
}
