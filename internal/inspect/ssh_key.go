package inspect

import (
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// sshKey looks whether cloud-init gives the instance's key to an account, and
// to which.
func sshKey(g *guest) requirement.Finding {
	n := &notes{}
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
	pubkeyLogin(g, n)
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

// pubkeyLogin notes an SSH server that takes no keys. Of several settings the
// first counts, and Debian includes sshd_config.d before all others.
func pubkeyLogin(g *guest, n *notes) {
	files := append(g.glob(n, "/etc/ssh/sshd_config.d", "*.conf"), "/etc/ssh/sshd_config")
	for _, file := range files {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			words := strings.Fields(strings.Replace(setting, "=", " ", 1))
			if len(words) < 2 || !strings.EqualFold(words[0], "PubkeyAuthentication") {
				continue
			}
			if strings.EqualFold(words[1], "no") {
				n.unmet("%s", at(file, line, setting))
			}
			return
		}
	}
}
