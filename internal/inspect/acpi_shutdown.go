package inspect

import (
	"regexp"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// acpiShutdown looks for a service that answers the power button: logind, which
// needs D-Bus, elogind, or acpid with an event for it.
func acpiShutdown(g *guest) requirement.Finding {
	n := &notes{}
	if g.services.err != nil {
		n.unknown("%v", g.services.err)
	}
	ways := []func(*guest, *notes){logindObeys, acpidObeys}
	if g.units == nil {
		ways = []func(*guest, *notes){acpidObeys, elogindObeys}
	}
	failed := &notes{}
	for _, way := range ways {
		seen := &notes{}
		if way(g, seen); seen.verdict() == requirement.Met {
			n.add(seen)
			return n.finding(requirement.ACPIShutdown)
		}
		failed.add(seen)
	}
	n.add(failed)
	return n.finding(requirement.ACPIShutdown)
}

func logindObeys(g *guest, n *notes) {
	const logind = "systemd-logind"
	via, ok := g.services.enabled(logind)
	if !ok {
		n.lacks("%s", g.services.why(logind))
		return
	}
	bus, busVia, ok := g.services.firstEnabled("dbus", "dbus.socket", "dbus-broker")
	if !ok {
		n.lacks("%s needs D-Bus: %s", g.services.label(logind), g.services.why("dbus"))
		return
	}
	n.met("%s is started by %s, and %s by %s", g.services.label(logind), via, bus, busVia)
	powerKey(g, n, append([]string{"/etc/systemd/logind.conf"},
		append(g.glob(n, "/usr/lib/systemd/logind.conf.d", "*.conf"), g.glob(n, "/etc/systemd/logind.conf.d", "*.conf")...)...))
}

// elogindObeys: logind without systemd.
func elogindObeys(g *guest, n *notes) {
	via, ok := g.services.enabled("elogind")
	if !ok {
		n.lacks("%s", g.services.why("elogind"))
		return
	}
	n.met("%s is started by %s", g.services.label("elogind"), via)
	powerKey(g, n, append([]string{"/etc/elogind/logind.conf"}, g.glob(n, "/etc/elogind/logind.conf.d", "*.conf")...))
}

// powerKey notes a logind that ignores the button; the last setting counts
// (logind.conf(5)).
func powerKey(g *guest, n *notes, files []string) {
	ignored := ""
	for _, file := range files {
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

// powerButton is what acpid tells of the button of Nova's machine types.
const powerButton = "button/power PBTN 00000080 00000000"

// acpidObeys notes an acpid that does something at the button: the usual one
// reads events, and busybox's runs a script of the event's name (busybox,
// util-linux/acpid.c).
func acpidObeys(g *guest, n *notes) {
	label, via, ok := g.services.firstEnabled("acpid", "acpid.socket", "acpid.path")
	if !ok {
		n.lacks("%s", g.services.why("acpid"))
		return
	}
	if script, ok := g.first(n, "/etc/acpi/PWRF/00000080", "/etc/acpi/PWRF"); ok {
		n.met("%s is started by %s, and %s is there", label, via, script)
		return
	}
	for _, file := range g.glob(n, "/etc/acpi/events", "*") {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if event, ok := strings.CutPrefix(setting, "event="); ok && isPowerButton(event) {
				n.met("%s is started by %s, and %s", label, via, at(file, line, setting))
				return
			}
		}
	}
	n.lacks("%s is started by %s, and no file of /etc/acpi/events is about the power button", label, via)
}

// isPowerButton reports whether an event, a regular expression, is about the
// power button. One that Go can not read is taken by its words.
func isPowerButton(event string) bool {
	pattern, err := regexp.Compile(event)
	if err != nil {
		return strings.Contains(event, "button") && strings.Contains(event, "power")
	}
	return pattern.MatchString(powerButton)
}
