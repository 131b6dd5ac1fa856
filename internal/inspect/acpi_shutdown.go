package inspect

import (
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// acpiShutdown looks for a service that answers the power button: logind, which
// needs D-Bus, or acpid with an event for it.
func acpiShutdown(g *guest) requirement.Finding {
	n := &notes{}
	if g.units.err != nil {
		n.unknown("%v", g.units.err)
	}
	logind, acpid := &notes{}, &notes{}
	logindObeys(g, logind)
	acpidObeys(g, acpid)
	switch {
	case logind.verdict() == requirement.Met:
		n.add(logind)
	case acpid.verdict() == requirement.Met:
		n.add(acpid)
	default:
		n.add(logind)
		n.add(acpid)
	}
	return n.finding(requirement.ACPIShutdown)
}

func logindObeys(g *guest, n *notes) {
	const unit = "systemd-logind.service"
	via, ok := g.units.enabled(unit)
	if !ok {
		n.lacks("%s", g.units.why(unit))
		return
	}
	bus, busVia, ok := g.units.firstEnabled("dbus.service", "dbus.socket", "dbus-broker.service")
	if !ok {
		n.lacks("%s needs D-Bus: %s", unit, g.units.why("dbus.service"))
		return
	}
	n.met("%s is started by %s, and %s by %s", unit, via, bus, busVia)
	powerKey(g, n)
}

// powerKey notes a logind that ignores the button; the last setting counts
// (logind.conf(5)).
func powerKey(g *guest, n *notes) {
	ignored := ""
	for _, file := range append([]string{"/etc/systemd/logind.conf"},
		append(g.glob(n, "/usr/lib/systemd/logind.conf.d", "*.conf"), g.glob(n, "/etc/systemd/logind.conf.d", "*.conf")...)...) {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if key, value, _ := strings.Cut(setting, "="); strings.TrimSpace(key) == "HandlePowerKey" {
				ignored = ""
				if strings.TrimSpace(value) == "ignore" {
					ignored = at(file, line, setting)
				}
			}
		}
	}
	if ignored != "" {
		n.unmet("%s", ignored)
	}
}

func acpidObeys(g *guest, n *notes) {
	unit, via, ok := g.units.firstEnabled("acpid.service", "acpid.socket", "acpid.path")
	if !ok {
		n.lacks("%s", g.units.why("acpid.service"))
		return
	}
	for _, file := range g.glob(n, "/etc/acpi/events", "*") {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if strings.HasPrefix(setting, "event=") && strings.Contains(setting, "button") {
				n.met("%s is started by %s, and %s", unit, via, at(file, line, setting))
				return
			}
		}
	}
	n.lacks("%s is started by %s, and no file of /etc/acpi/events is about the power button", unit, via)
}
