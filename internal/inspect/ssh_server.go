package inspect

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"

// sshUnits start an SSH server, by themselves or when a connection comes:
// Debian's and Ubuntu's names, the others' names, and Dropbear's.
var sshUnits = []string{"ssh.service", "ssh.socket", "sshd.service", "sshd.socket", "dropbear.service"}

// sshServer looks for an SSH server and what starts it.
func sshServer(g *guest) requirement.Finding {
	n := &notes{}
	if g.units.err != nil {
		n.unknown("%v", g.units.err)
	}
	program, ok := g.sshProgram(n)
	if !ok {
		n.lacks("there is no program sshd in /usr/sbin: no SSH server is installed (package %s)", g.installed.packageOf("ssh-server"))
		return n.finding(requirement.SSHServer)
	}
	n.met("%s is installed%s", program, g.installed.as("ssh-server"))
	unit, via, started := g.units.firstEnabled(sshUnits...)
	if started {
		n.met("%s is started by %s", unit, via)
	} else {
		n.lacks("%s is installed, and nothing starts it at boot: %s", program, g.units.why(g.sshUnit()))
	}
	// Debian's ssh.service has ConditionPathExists=! on it.
	if g.has(n, "/etc/ssh/sshd_not_to_be_run") {
		n.unmet("/etc/ssh/sshd_not_to_be_run is there: the SSH server does not start")
	}
	return n.finding(requirement.SSHServer)
}

func (g *guest) sshProgram(n *notes) (string, bool) {
	if program, ok := g.program(n, "sshd"); ok {
		return program, true
	}
	return g.program(n, "dropbear")
}

// sshUnit names the unit that would start the SSH server.
func (g *guest) sshUnit() string {
	for _, unit := range sshUnits {
		if g.units.installed(unit) {
			return unit
		}
	}
	return sshUnits[0]
}
