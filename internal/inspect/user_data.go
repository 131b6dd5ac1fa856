package inspect

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"

// userData looks whether cloud-init runs user data and sets the host name.
func userData(g *guest) requirement.Finding {
	n := &notes{}
	if g.standsIn(n) {
		standInData(g, n)
		return n.finding(requirement.UserData)
	}
	if !cloudReady(g, n) {
		return n.finding(requirement.UserData)
	}
	moduleOn(g, n, "cloud_final_modules", "scripts_user")
	moduleOn(g, n, "cloud_init_modules", "set_hostname")
	notReset(g, n)
	if v := g.config.root.get("allow_userdata"); v.isFalse() {
		n.unmet("%s: allow_userdata: %s", v.where, v)
	}
	if v := g.config.root.get("preserve_hostname"); v.isTrue() {
		n.unmet("%s: preserve_hostname: %s: the instance keeps the image's host name", v.where, v)
	}
	return n.finding(requirement.UserData)
}

// standInData notes whether the boot program runs user data; it always sets the
// host name.
func standInData(g *guest, n *notes) {
	if via, ok := g.services.enabled(userService); ok {
		n.met("%s is started by %s", g.services.label(userService), via)
	} else {
		n.lacks("%s", g.services.why(userService))
	}
	if on, where := g.standInSetting(n, "user_data", "true"); on != "true" {
		n.unmet("%s: user data is not run", where)
	}
}
