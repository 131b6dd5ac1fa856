package boot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// proof is what one run says of one requirement.
type proof struct {
	verdict  requirement.Verdict
	evidence []string
}

func met(evidence ...string) proof     { return proof{requirement.Met, evidence} }
func unmet(evidence ...string) proof   { return proof{requirement.Unmet, evidence} }
func unknown(evidence ...string) proof { return proof{requirement.Unknown, evidence} }

// proofs holds a look for each requirement that a boot can show.
var proofs = map[requirement.ID]func(*sight) proof{
	requirement.RootResize:     rootResize,
	requirement.NoHardcodedMAC: noHardcodedMAC,
	requirement.SSHServer:      sshServer,
	requirement.NoFirewall:     noFirewall,
	requirement.SSHKey:         sshKey,
	requirement.UserData:       userData,
	requirement.ConsoleLog:     consoleLog,
	requirement.Datasource:     datasource,
	requirement.Virtio:         virtio,
	requirement.DHCP:           dhcp,
	requirement.IdentityReset:  identityReset,
	requirement.ACPIShutdown:   acpiShutdown,
	requirement.GuestAgent:     guestAgent,
}

// judge makes one finding a requirement of all runs: the worst verdict counts,
// and the evidence of that verdict comes first.
func judge(sights []*sight) []requirement.Finding {
	var findings []requirement.Finding
	for _, r := range requirement.SeenFrom(requirement.Boot) {
		var all []proof
		for _, s := range sights {
			p := doubt(s, proofs[r.ID](s))
			for i, e := range p.evidence {
				p.evidence[i] = fmt.Sprintf("%s: %s", s.via.inWords(), e)
			}
			all = append(all, p)
		}
		if r.ID == requirement.IdentityReset {
			all = append(all, differs(sights)...)
		}
		findings = append(findings, worst(r.ID, all))
	}
	return findings
}

// doubt makes what is unmet unknown where the time was over before the run was at
// its end: a slower guest is no worse one. What was seen stays in the evidence.
func doubt(s *sight, p proof) proof {
	if !s.timeUp || p.verdict != requirement.Unmet {
		return p
	}
	return unknown(append([]string{"the time was over before all could be seen; as it stood, the requirement was unmet:"}, p.evidence...)...)
}

// gravity orders verdicts from the worst.
var gravity = []requirement.Verdict{requirement.Unmet, requirement.Unknown, requirement.Met, requirement.NotApplicable}

func worst(id requirement.ID, all []proof) requirement.Finding {
	slices.SortStableFunc(all, func(a, b proof) int {
		return slices.Index(gravity, a.verdict) - slices.Index(gravity, b.verdict)
	})
	f := requirement.Finding{ID: id, Side: requirement.Boot, Verdict: all[0].verdict}
	for _, p := range all {
		f.Evidence = append(f.Evidence, p.evidence...)
	}
	return f
}

// quote bounds and marks what an image says.
func quote(s string) string {
	const most = 160
	s = strings.TrimSpace(s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// notThere says why something could not be looked at.
func (s *sight) notThere() string {
	switch {
	case s.ssh.reach == entered:
		return s.over
	case !s.ran():
		return "nothing shows that the kernel ran: " + s.over
	case s.obeyed() && s.ssh.reach == silent && s.told == nil:
		return "the system runs, as it obeyed the power button, but it answers neither at port 22 nor by user data: " + s.over
	}
	return "neither SSH nor user data could be used to look: " + s.over
}

// ran reports whether anything shows that the guest's kernel ran.
func (s *sight) ran() bool {
	return s.told != nil || s.ssh.reach > silent || s.other > silent || s.obeyed() ||
		kernelLine.MatchString(s.console) || loginLine.MatchString(s.console)
}

// obeyed reports whether the guest switched itself off as it was told.
func (s *sight) obeyed() bool { return s.stopped > 0 }

// ended reports whether the boot came to the point where accounts can log in.
func (s *sight) ended() bool {
	return s.told != nil || s.ssh.reach >= banner || loginLine.MatchString(s.console)
}

// dataCame reports whether anything of the instance's data reached the guest.
func (s *sight) dataCame() bool {
	return s.ssh.reach == entered || s.ranUserData() > 0 ||
		s.told != nil && s.hostName() == s.instance.name ||
		strings.Contains(s.console, "\n"+s.instance.name+" login:")
}

// ranUserData tells how often the user data have run.
func (s *sight) ranUserData() int { return runs(s.told, s.instance) }

func runs(told facts, i *instance) int {
	count := 0
	for _, nonce := range told["runs"] {
		if nonce == i.nonce {
			count++
		}
	}
	return count
}

func (s *sight) hostName() string {
	name, _, _ := strings.Cut(s.told.one("hostname"), ".")
	return name
}

const seeDatasource = "no instance data reached the guest (see datasource)"

func consoleLog(s *sight) proof {
	lines := kernelLine.FindAllString(s.console, -1)
	switch {
	case len(lines) > 0:
		return met(fmt.Sprintf("%d kernel lines on %s, the first %s", len(lines), s.serial, quote(lines[0])))
	case s.ran():
		evidence := []string{fmt.Sprintf("no kernel line among the %d lines on %s", strings.Count(s.console, "\n"), s.serial)}
		if s.obeyed() {
			evidence = append(evidence, "the system runs: it obeyed the power button")
		}
		if line := s.told.one("command-line"); line != "" {
			evidence = append(evidence, "the kernel's command line was "+quote(line))
		}
		return unmet(evidence...)
	}
	return unknown(s.notThere())
}

func datasource(s *sight) proof {
	switch {
	case s.told != nil:
		return s.dataByStatus()
	case s.dataCame():
		return met("the instance's key or host name is there")
	case s.ended():
		return unmet(append([]string{"neither the key nor the host name nor the user data of the instance reached the guest"}, s.asked()...)...)
	}
	return unknown(s.notThere())
}

// asked says what the metadata service was asked for.
func (s *sight) asked() []string {
	if s.via != Metadata {
		return nil
	}
	if len(s.requests) == 0 {
		return []string{"the metadata service was asked for nothing"}
	}
	return []string{fmt.Sprintf("the metadata service was asked %d times, first for %s", len(s.requests), quote(s.requests[0]))}
}

func sshServer(s *sight) proof {
	switch {
	case s.ssh.reach >= banner:
		if s.reboot != nil && s.reboot.err != nil {
			return unmet("after a reboot: " + s.reboot.err.Error())
		}
		return met("port 22 answers " + quote(s.ssh.version))
	case s.told.listens(sshPort):
		return met("a socket listens at port 22, says " + s.toldBy)
	case s.told != nil:
		return unmet("nothing listens at port 22, says " + s.toldBy)
	case s.ssh.reach == closed:
		return unmet("the guest answers that nothing listens at port 22")
	}
	return unknown(s.notThere())
}

func noFirewall(s *sight) proof {
	up := s.networkUp()
	switch {
	case up && s.ssh.reach == silent:
		return unmet(append([]string{"port 22 is filtered: a connection gets no answer at all, although the network is up"}, s.rules()...)...)
	case s.listened != nil && *s.listened == banner:
		return met(fmt.Sprintf("a program that was started at port %d is reached from outside", otherPort))
	case s.listened != nil && s.other == silent || up && s.other == silent:
		return unmet(append([]string{fmt.Sprintf("port %d is filtered: a connection gets no answer at all", otherPort)}, s.rules()...)...)
	case up:
		return met(fmt.Sprintf("port %d, where nothing listens, answers so at once", otherPort))
	}
	return unknown(s.notThere())
}

// rules quotes the first rules of the guest's firewall.
func (s *sight) rules() []string {
	var quoted []string
	for _, rule := range s.told["firewall"] {
		if strings.Contains(strings.ToLower(rule), "drop") || strings.Contains(strings.ToLower(rule), "reject") {
			quoted = append(quoted, "a rule in the guest: "+quote(rule))
		}
	}
	return quoted[:min(len(quoted), 3)]
}

// networkUp reports whether the guest has the address that DHCP offered.
func (s *sight) networkUp() bool {
	if s.ssh.reach > silent || s.other > silent {
		return true
	}
	return s.hasAddress()
}

func (s *sight) hasAddress() bool {
	return slices.ContainsFunc(s.told["address"], func(line string) bool {
		return strings.Contains(line+" ", " "+s.instance.address+"/") || strings.Contains(line+" ", ":"+s.instance.address+" ")
	})
}

func dhcp(s *sight) proof {
	offered := fmt.Sprintf("the address %s, which only DHCP offered to %s", s.instance.address, s.instance.mac)
	switch {
	case s.ssh.reach > silent || s.other > silent:
		return met("the guest answers at " + offered)
	case s.hasAddress():
		return met("the guest has " + offered)
	case s.told != nil && len(s.told["mac"]) > 0:
		return unknown("no card has " + offered + "; the network is configured for another MAC address (see no-hardcoded-mac)")
	case s.told != nil:
		return unmet(append([]string{"no card has " + offered}, quoteAll(s.told["address"])...)...)
	}
	return unknown(s.notThere())
}

func quoteAll(lines []string) []string {
	var quoted []string
	for _, line := range lines {
		quoted = append(quoted, quote(line))
	}
	return quoted
}

func noHardcodedMAC(s *sight) proof {
	switch {
	case len(s.told["mac"]) > 0:
		return unmet(quoteAll(s.told["mac"])...)
	case s.networkUp():
		return met(fmt.Sprintf("the network is up with the new MAC address %s", s.instance.mac))
	case s.told != nil:
		return met("no network configuration names the MAC address of a card that is not there")
	}
	return unknown(s.notThere())
}

func virtio(s *sight) proof {
	root := s.told.one("root")
	for _, card := range s.told["card"] {
		if root != "" && strings.HasSuffix(card, "virtio_net") {
			device, _, _ := strings.Cut(root, " ")
			return met(fmt.Sprintf("the root is on %s of a virtio disk, the card is %s", quote(device), quote(card)))
		}
	}
	if s.networkUp() {
		return met("the system came up from a virtio disk, and its network by a virtio card")
	}
	if line := stuck.FindString(s.console); strings.Contains(line, "root") || strings.Contains(line, "does not exist") {
		return unmet("the root was not found on a virtio disk: " + quote(line))
	}
	return unknown(s.notThere())
}

func acpiShutdown(s *sight) proof {
	switch {
	case s.stopErr == nil:
		return met(fmt.Sprintf("the machine was off %.0f s after its power button was pressed", s.stopped.Seconds()))
	case !s.ended():
		return unknown("the boot did not come far enough: "+s.over, s.stopErr.Error())
	}
	return unmet(s.stopErr.Error())
}

func guestAgent(s *sight) proof {
	switch {
	case !s.facts.GuestAgent.Installed:
		return proof{requirement.NotApplicable, []string{"it is not installed, so Nova would not offer its channel"}}
	case s.agentErr == nil && s.agentSaid != "":
		return met("guest-ping is answered with " + s.agentSaid)
	case s.agentErr != nil && s.ended():
		return unmet(s.agentErr.Error())
	}
	return unknown(s.notThere())
}
