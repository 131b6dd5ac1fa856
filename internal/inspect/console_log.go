package inspect

import (
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// serialConsoles are the console arguments that reach Nova's console log, by
// architecture. The speed without the rest means the same: eight bits and no
// parity are the default (kernel, admin-guide/serial-console.rst).
var serialConsoles = map[string][]string{
	"x86_64":  {"ttyS0,115200n8", "ttyS0,115200"},
	"i686":    {"ttyS0,115200n8", "ttyS0,115200"},
	"aarch64": {"ttyAMA0,115200n8", "ttyAMA0,115200", "ttyAMA0"},
	"armv7l":  {"ttyAMA0,115200n8", "ttyAMA0,115200", "ttyAMA0"},
	"ppc64le": {"hvc0"},
	"ppc64":   {"hvc0"},
	"riscv64": {"ttyS0,115200n8", "ttyS0,115200"},
}

// consoleLog looks at the command line of every boot entry that is not for
// recovery.
func consoleLog(g *guest) requirement.Finding {
	n := &notes{}
	if g.bootErr != nil {
		n.unknown("%v", g.bootErr)
	}
	entries := g.facts.Boot.normal()
	if len(entries) == 0 {
		n.unknown("%v", errNoEntries)
	}
	serial, known := serialConsoles[g.facts.Architecture]
	if !known {
		n.unknown("the serial console of the architecture %q is not known", g.facts.Architecture)
		return n.finding(requirement.ConsoleLog)
	}
	for _, e := range entries {
		entryConsole(n, e, serial)
	}
	return n.finding(requirement.ConsoleLog)
}

// entryConsole notes what one entry lacks. The last console= is /dev/console,
// where init and cloud-init write (kernel, admin-guide/serial-console.rst).
func entryConsole(n *notes, e BootEntry, serial []string) {
	faults := consoleFaults(e, serial)
	if len(faults) > 0 {
		n.unmet("%s: %s", e.at(), strings.Join(faults, ", "))
	}
	for _, arg := range e.args() {
		// Ubuntu's GRUB adds $vt_handoff, which only names a virtual terminal.
		if strings.Contains(arg, "$") && arg != "$vt_handoff" {
			n.unknown("%s: what the variable %s holds is not known", e.at(), quote(arg))
		}
	}
	if len(faults) == 0 {
		n.met("%s", e.at())
	}
}

func consoleFaults(e BootEntry, serial []string) []string {
	var faults, consoles []string
	for _, arg := range e.args() {
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "console":
			consoles = append(consoles, value)
		case "quiet", "rhgb", "splash":
			faults = append(faults, arg+" hides the kernel log")
		}
	}
	if !slices.Contains(consoles, "tty0") {
		faults = append(faults, "no console=tty0")
	}
	if len(consoles) == 0 || !slices.Contains(serial, consoles[len(consoles)-1]) {
		faults = append(faults, "the last console is not console="+serial[0])
	}
	return faults
}
