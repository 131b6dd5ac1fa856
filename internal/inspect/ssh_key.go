package inspect

import (
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// sshKey looks whether cloud-init gives the instance's key to an account, and
// to which.
func sshKey(g *guest) requirement.Finding {
	n := &notes{}
	if g.standsIn(n) {
		standInKeys(g, n)
		return n.finding(requirement.SSHKey)
	}
	if !cloudReady(g, n) {
		return n.finding(requirement.SSHKey)
	}
	moduleOn(g, n, "cloud_init_modules", "users_groups")
	moduleOn(g, n, "cloud_init_modules", "ssh")
	keyAccount(g, n)
	notReset(g, n)
	if v := g.config.root.get("allow_public_ssh_keys"); v.isFalse() {
		n.unmet("%s: allow_public_ssh_keys: %s", v.where, v)
	}
	settings, file := pubkeyLogin(g, n)
	lockedLogin(g, n, settings, file)
	return n.finding(requirement.SSHKey)
}

// keyAccount notes the account that the key goes to: the default user where
// users names it, else root (cloud-init, cc_ssh.py).
func keyAccount(g *guest, n *notes) {
	root := g.config.root
	users, name := root.get("users"), root.get("system_info", "default_user", "name")
	disableRoot := root.get("disable_root")
	switch {
	case users.contains("default") && name != nil && name.text != "":
		n.met("%s: the key goes to the account %s", name.where, quote(name.text))
	case disableRoot.isFalse():
		n.met("%s: disable_root: %s, and there is no default user: the key goes to root", disableRoot.where, disableRoot)
	case !users.contains("default"):
		n.lacks("%s: users does not name default, and root is closed (disable_root): the key reaches no account", cloudConfig)
	default:
		n.lacks("%s: system_info.default_user has no name: the key reaches no account", cloudConfig)
	}
}

// standInKeys notes the account that the boot program gives the key to. One
// other than root needs a way to become root.
func standInKeys(g *guest, n *notes) {
	user, where := g.standInSetting(n, "user", "root")
	n.met("%s: the key goes to the account %s", where, quote(user))
	if user != "root" {
		needs(g, n, "the account "+quote(user)+" can not become root", "sudo", "doas")
	}
	pubkeyLogin(g, n)
}

// pubkeyLogin notes an SSH server that takes no keys, and returns its settings.
func pubkeyLogin(g *guest, n *notes) (all sshdSettings, file string) {
	all, file = g.sshdSettings(n)
	if s, ok := all.first("PubkeyAuthentication"); ok && strings.EqualFold(s.value, "no") {
		n.unmet("%s", s.where)
	}
	return all, file
}

// lockedLogin notes an SSH server that refuses the key of an account whose
// password cloud-init locked: one without PAM takes a password that begins with
// "!" for a locked account (openssh, platform.c, platform_locked_account).
func lockedLogin(g *guest, n *notes, all sshdSettings, file string) {
	if file == "" || !g.hasProgram(n, "sshd") {
		return
	}
	const refuses = "the SSH server refuses the key of an account whose password cloud-init locked"
	s, ok := all.first("UsePAM")
	switch {
	case !ok:
		n.lacks("%s has no UsePAM yes: %s", file, refuses)
	case !strings.EqualFold(s.value, "yes"):
		n.unmet("%s: %s", s.where, refuses)
	}
}
