package inspect

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"

// agentServices start the agent: the usual name, and that of EL 6.
var agentServices = []string{"qemu-guest-agent", "qemu-ga"}

// guestAgentFacts tells whether the QEMU guest agent is installed and starts.
func guestAgentFacts(g *guest, n *notes) GuestAgent {
	_, installed := g.program(n, "qemu-ga")
	_, _, enabled := g.services.firstEnabled(agentServices...)
	return GuestAgent{Installed: installed, Enabled: installed && enabled}
}

// guestAgent looks for the agent's program and what starts it: a link, or a
// udev rule when Nova gives the instance the agent's channel.
func guestAgent(g *guest) requirement.Finding {
	n := &notes{}
	if g.services.err != nil {
		n.unknown("%v", g.services.err)
	}
	program, ok := g.program(n, "qemu-ga")
	if !ok {
		n.lacks("there is no program qemu-ga in /usr/sbin or /usr/bin (package %s)", g.installed.packageOf("qemu-guest-agent"))
		return n.finding(requirement.GuestAgent)
	}
	if label, via, ok := g.services.firstEnabled(agentServices...); ok {
		n.met("%s%s: %s is started by %s", program, g.installed.as("qemu-guest-agent"), label, via)
	} else {
		n.lacks("%s is installed, and nothing starts it: %s", program, g.services.why(g.services.firstInstalled(agentServices...)))
	}
	return n.finding(requirement.GuestAgent)
}
