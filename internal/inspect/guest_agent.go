package inspect

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"

const agentUnit = "qemu-guest-agent.service"

// guestAgentFacts tells whether the QEMU guest agent is installed and starts.
func guestAgentFacts(g *guest, n *notes) GuestAgent {
	_, installed := g.program(n, "qemu-ga")
	_, enabled := g.units.enabled(agentUnit)
	return GuestAgent{Installed: installed, Enabled: installed && enabled}
}

// guestAgent looks for the agent's program and what starts it: a link, or a
// udev rule when Nova gives the instance the agent's channel.
func guestAgent(g *guest) requirement.Finding {
	n := &notes{}
	if g.units.err != nil {
		n.unknown("%v", g.units.err)
	}
	program, ok := g.program(n, "qemu-ga")
	if !ok {
		n.lacks("there is no program qemu-ga in /usr/sbin or /usr/bin (package %s)", g.installed.packageOf("qemu-guest-agent"))
		return n.finding(requirement.GuestAgent)
	}
	if via, ok := g.units.enabled(agentUnit); ok {
		n.met("%s%s: %s is started by %s", program, g.installed.as("qemu-guest-agent"), agentUnit, via)
	} else {
		n.lacks("%s is installed, and nothing starts it: %s", program, g.units.why(agentUnit))
	}
	return n.finding(requirement.GuestAgent)
}
