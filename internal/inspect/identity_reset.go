package inspect

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// identityReset looks for what would be the same in every instance.
func identityReset(g *guest) requirement.Finding {
	n := &notes{}
	machineIDs(g, n)
	hostKeys(g, n)
	leftovers(g, n, identityFiles)
	duidSetting(g, n)
	cloudState(g, n)
	return n.finding(requirement.IdentityReset)
}

// machineIDs notes whether machine-id is empty. Missing or "uninitialized" it
// is no identity either, but makes systemd enable units again and ask questions
// on the console (machine-id(5), First boot semantics).
func machineIDs(g *guest, n *notes) {
	text, there := g.text(n, machineID)
	switch state, first := firstBoot(g, n); {
	case first && g.units == nil && !there:
		n.met("%s is not there, and %s does not need it", machineID, quote(g.facts.OS.Init))
	case first:
		n.unmet("%s: the first boot of an instance enables the units again and may ask questions on the console (machine-id(5)); leave the file empty", state)
	case strings.TrimSpace(text) != "":
		n.unmet("%s:1: a machine ID is baked in", machineID)
	default:
		n.met("%s is empty", machineID)
	}
	const dbus = "/var/lib/dbus/machine-id"
	switch info, err := g.lstat(dbus); {
	case absent(err):
		n.met("%s is not there", dbus)
	case err != nil:
		n.unknown("%s: %v", dbus, err)
	case info.Mode().IsRegular() && info.Size() > 0:
		n.unmet("%s is a file of its own: systemd takes the machine ID from it (machine-id(5))", dbus)
	default:
		n.met("%s is a link or empty", dbus)
	}
}

// hostKeys notes host keys that are baked in, and whether new ones are made.
func hostKeys(g *guest, n *notes) {
	for _, key := range g.glob(n, "/etc/ssh", "ssh_host_*_key") {
		n.unmet("%s is baked in", quote(key))
	}
	if _, ok := g.sshProgram(n); !ok {
		n.met("no SSH server is installed that would need host keys")
		return
	}
	by, ok := hostKeyMaker(g, n)
	if !ok {
		if err := g.cloudErr(); err != nil {
			n.unknown("whether cloud-init makes SSH host keys is not known: %v", err)
		}
		n.lacks("nothing makes SSH host keys at boot: neither cloud-init, %s nor a unit of the distribution", hostKeyUnit)
		return
	}
	n.met("SSH host keys are made at boot: %s", by)
}

const hostKeyUnit = "openstack-ready-hostkeys"

// keyServices make host keys at boot: those of Red Hat's family, SUSE, Arch and
// Debian.
var keyServices = []string{"sshd-keygen", "ssh-keygen", "sshdgenkeys", "sshd-keygen.target"}

// hostKeyMaker returns what makes host keys at boot.
func hostKeyMaker(g *guest, n *notes) (string, bool) {
	for _, name := range append([]string{hostKeyUnit}, keyServices...) {
		if via, ok := g.services.enabled(name); ok && !g.onlyFirstBoot(n, g.services.label(name)) && !g.leftToCloudInit(n, name) {
			return g.services.label(name) + " is started by " + via, true
		}
	}
	if by, ok := sshMakesKeys(g, n); ok {
		return by, true
	}
	if g.cloudErr() != nil || !g.facts.CloudInit.Enabled {
		return "", false
	}
	types := g.config.root.get("ssh_genkeytypes")
	if m, ok := g.config.modules("cloud_init_modules")["ssh"]; ok && (types == nil || len(types.items) > 0) {
		return "cloud-init, " + m.where + ": the module ssh", true
	}
	return "", false
}

// keyCommand finds what makes keys in a unit or an init script; SUSE has a script
// for it.
var keyCommand = regexp.MustCompile(`ssh-?keygen|sshd-gen-keys`)

// sshMakesKeys returns the line with which the SSH server's own unit or script
// makes its keys: before it starts, in units of SUSE, and in the scripts of
// EL 6, Alpine and Gentoo.
func sshMakesKeys(g *guest, n *notes) (string, bool) {
	for _, name := range []string{"sshd", "ssh"} {
		if !g.services.isEnabled(name) {
			continue
		}
		files := []string{path.Join(initScripts, g.services.label(name))}
		if g.units != nil {
			label := g.services.label(name)
			files = append(g.units.dropIns[label], g.units.file(label))
		}
		for _, file := range files {
			text, _ := g.text(n, file)
			for line, setting := range settings(text) {
				if keyCommand.MatchString(setting) && (g.units == nil || strings.HasPrefix(setting, "ExecStartPre=")) {
					return at(file, line, setting), true
				}
			}
		}
	}
	return "", false
}

// leftToCloudInit reports whether a target of Red Hat's family makes no keys
// where cloud-init runs, which it leaves them to by a drop-in of the units that
// it pulls in (cloud-init, systemd/disable-sshd-keygen-if-cloud-init-active.conf).
func (g *guest) leftToCloudInit(n *notes, service string) bool {
	if service != "sshd-keygen.target" || !g.facts.CloudInit.Enabled || g.units == nil {
		return false
	}
	for _, file := range g.units.dropIns["sshd-keygen@.service"] {
		text, _ := g.text(n, file)
		for _, setting := range settings(text) {
			if strings.HasPrefix(setting, "ConditionPathExists=!") && strings.Contains(setting, "cloud-init") {
				return true
			}
		}
	}
	return false
}

// onlyFirstBoot reports whether a unit asks for ConditionFirstBoot: with an
// empty machine-id it never runs (systemd.unit(5)).
func (g *guest) onlyFirstBoot(n *notes, unit string) bool {
	if g.units == nil || g.units.file(unit) == "" {
		return false
	}
	file := g.units.file(unit)
	text, _ := g.text(n, file)
	for _, setting := range settings(text) {
		key, value, _ := strings.Cut(setting, "=")
		if key == "ConditionFirstBoot" && strings.TrimSpace(value) == "yes" {
			return true
		}
	}
	return false
}

// kindOfFile is one kind of leftover: files in a directory.
type kindOfFile struct {
	what     string
	dir      string
	patterns []string
}

// identityFiles are the places of what a system remembers of itself
// (guestfs-tools, virt-sysprep operations dhcp-client-state, random-seed, …).
var identityFiles = []kindOfFile{
	{"DHCP lease", "/var/lib/dhcp", []string{"*.lease*"}},
	{"DHCP lease", "/var/lib/dhcp3", []string{"*"}},
	{"DHCP lease", "/var/lib/dhclient", []string{"*"}},
	{"DHCP lease or DUID", "/var/lib/dhcpcd", []string{"*.lease*", "duid", "secret"}},
	{"DHCP lease or DUID", "/var/lib/dhcpcd5", []string{"*.lease*", "duid", "secret"}},
	{"DHCP lease", "/var/lib/wicked", []string{"*.xml"}},
	{"DHCP DUID", "/etc", []string{"dhcpcd.duid"}},
	{"DHCP lease or secret", "/var/lib/NetworkManager", []string{"*.lease", "*.state", "secret_key", "timestamps", "seen-bssids"}},
	{"DHCP lease", "/var/lib/systemd/network", []string{"*"}},
	{"random seed", "/var/lib/systemd", []string{"random-seed", "credential.secret"}},
	{"random seed", "/var/lib/urandom", []string{"random-seed"}},
	{"random seed", "/var/lib/misc", []string{"random-seed"}},
	{"random seed", "/var/lib/seedrng", []string{"*"}},
	{"random seed", "/boot/loader", []string{"random-seed"}},
	{"random seed", "/efi/loader", []string{"random-seed"}},
	{"random seed", "/boot/efi/loader", []string{"random-seed"}},
	{"mark of an earlier growth", "/etc", []string{"growroot-grown"}},
	{"state of the boot program", "/var/lib/openstack-ready", []string{"*"}},
	{"machine's name at its repositories", "/var/lib/yum", []string{"uuid"}},
	{"machine's name at its repositories", "/var/lib/zypp", []string{"AnonymousUniqueId"}},
}

// leftovers notes the files of some kinds that hold something.
func leftovers(g *guest, n *notes, kinds []kindOfFile) {
	var empty []string
	for _, k := range kinds {
		if !holding(g, n, k, k.dir) {
			empty = append(empty, fmt.Sprintf("%s in %s", k.what, k.dir))
		}
	}
	n.met("no %s", strings.Join(empty, ", no "))
}

// holding notes the files of one kind in dir that are not empty, and returns
// whether there are any.
func holding(g *guest, n *notes, k kindOfFile, dir string) bool {
	found := false
	for _, file := range g.glob(n, dir, k.patterns...) {
		found = holds(g, n, k.what, file) || found
	}
	return found
}

// holds notes a file that is not empty.
func holds(g *guest, n *notes, what, file string) bool {
	info, err := g.stat(file)
	switch {
	case err != nil && !absent(err):
		n.unknown("%s: %v", quote(file), err)
	case err == nil && info.Mode().IsRegular() && info.Size() > 0:
		n.unmet("%s: a %s of %d bytes", quote(file), what, info.Size())
		return true
	}
	return false
}

// duidSetting notes a DUID that is written into systemd-networkd's settings.
func duidSetting(g *guest, n *notes) {
	for _, file := range append(g.glob(n, "/etc/systemd/networkd.conf.d", "*.conf"), "/etc/systemd/networkd.conf") {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if strings.HasPrefix(setting, "DUIDRawData") && !strings.HasSuffix(setting, "=") {
				n.unmet("%s", at(file, line, setting))
			}
		}
	}
}

// cloudState notes what cloud-init remembers of an instance.
func cloudState(g *guest, n *notes) {
	const dir = "/var/lib/cloud"
	found := false
	if _, err := g.lstat(path.Join(dir, "instance")); err == nil {
		n.unmet("%s/instance: cloud-init's state of an instance", dir)
		found = true
	} else if !absent(err) {
		n.unknown("%s/instance: %v", dir, err)
	}
	for _, name := range []string{"instances", "sem", "data", "seed"} {
		for _, entry := range g.names(n, path.Join(dir, name)) {
			n.unmet("%s: cloud-init's state of an instance", quote(path.Join(dir, name, entry)))
			found = true
		}
	}
	if !found {
		n.met("no state of an instance in %s", dir)
	}
}
