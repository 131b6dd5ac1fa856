package inspect

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"

// sshServices start an SSH server, by themselves or when a connection comes:
// Debian's and Ubuntu's names, the others' names, and Dropbear's.
var sshServices = []string{"ssh", "ssh.socket", "sshd", "sshd.socket", "dropbear"}

// sshServer looks for an SSH server and what starts it.
func sshServer(g *guest) requirement.Finding {
	n := &notes{}
	if g.services.err != nil {
		n.unknown("%v", g.services.err)
	}
	program, ok := g.sshProgram(n)
	if !ok {
		n.lacks("there is no program sshd in /usr/sbin: no SSH server is installed (package %s)", g.installed.packageOf("ssh-server"))
		return n.finding(requirement.SSHServer)
	}
	n.met("%s is installed%s", program, g.installed.as("ssh-server"))
	unit, via, started := g.services.firstEnabled(sshServices...)
	if started {
		n.met("%s is started by %s", unit, via)
	} else {
		n.lacks("%s is installed, and nothing starts it at boot: %s", program, g.services.why(g.services.firstInstalled(sshServices...)))
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
