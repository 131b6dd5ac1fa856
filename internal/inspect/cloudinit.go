package inspect

import (
	"cmp"
	"path"
	"strings"
)

// cloudTarget is the unit that starts all of cloud-init.
const cloudTarget = "cloud-init.target"

// generatorDirs are systemd's directories of unit generators, the strongest
// first (systemd.generator(7)).
var generatorDirs = []string{
	"/etc/systemd/system-generators", "/usr/local/lib/systemd/system-generators",
	"/usr/lib/systemd/system-generators", "/lib/systemd/system-generators",
}

// cloudStages are the services of cloud-init's stages, each with its names before
// and after 24.3 (cloud-init, Breaking changes).
var cloudStages = [][]string{
	{"cloud-init-local"},
	{"cloud-init", "cloud-init-network"},
	{"cloud-config"},
	{"cloud-final"},
}

// cloudInitFacts tells whether cloud-init is installed and runs at boot. What
// could not be read for it is noted as unknown.
func cloudInitFacts(g *guest, n *notes) CloudInit {
	program, installed := g.program(n, "cloud-init")
	c := CloudInit{Installed: installed, Program: program}
	if !installed {
		return c
	}
	// Ubuntu 26.04 has the program in cloud-init-base.
	c.Version = cmp.Or(g.installed.version("cloud-init-base"), g.installed.version("cloud-init"))
	c.DisabledBy = append(cloudSwitches(g, n), cloudUnitsOff(g)...)
	c.Enabled = len(c.DisabledBy) == 0
	c.Datasources, _ = g.sourceList(n, g.identifyPolicy(n))
	if name := g.config.root.get("system_info", "default_user", "name"); name != nil {
		c.DefaultUser = name.text
	}
	return c
}

// cloudSwitches returns the files and kernel arguments that switch cloud-init
// off (cloud-init-generator; the conditions in its units; ds-identify.cfg).
func cloudSwitches(g *guest, n *notes) []string {
	var off []string
	if g.has(n, "/etc/cloud/cloud-init.disabled") {
		off = append(off, "/etc/cloud/cloud-init.disabled is there")
	}
	for _, e := range g.facts.Boot.normal() {
		if value, ok := e.arg("cloud-init"); ok && value == "disabled" {
			off = append(off, e.at())
		}
	}
	if p := g.identifyPolicy(n); p.mode == "disabled" {
		off = append(off, p.where)
	}
	return off
}

// cloudUnitsOff returns the services of cloud-init that do not start at boot.
// systemd has a target for them, but for EL 7 and the first EL 8, where
// multi-user.target wants each.
func cloudUnitsOff(g *guest) []string {
	var off []string
	for _, names := range cloudStages {
		if _, _, ok := g.services.firstEnabled(names...); !ok {
			off = append(off, g.services.why(g.services.firstInstalled(names...)))
		}
	}
	if len(off) > 0 && g.units != nil && g.services.installed(cloudTarget) && !g.services.isEnabled(cloudTarget) {
		return []string{g.services.why(cloudTarget) + ", and no generator adds it"}
	}
	return off
}

// cloudGenerator returns the pull of cloud-init.target by cloud-init's
// generator; ok is false where there is no generator or a link to /dev/null in
// its place.
func cloudGenerator(t *tree, n *notes) (pull, bool) {
	for _, dir := range generatorDirs {
		file := path.Join(dir, "cloud-init-generator")
		if target, err := t.readLink(file); err == nil && target == "/dev/null" {
			return pull{}, false
		}
		if t.has(n, file) {
			return pull{cloudTarget, file}, true
		}
	}
	return pull{}, false
}

// identifyPrograms are ds-identify as Red Hat's family has it, and the others.
var identifyPrograms = []string{"/usr/lib/cloud-init/ds-identify", "/usr/libexec/cloud-init/ds-identify"}

// identifies reports whether ds-identify decides before cloud-init starts, and
// returns its path: it is called by the generator, which EL 7 and the
// first EL 8 are without, or by a service of OpenRC.
func (g *guest) identifies(n *notes) (string, bool) {
	program, ok := g.first(n, identifyPrograms...)
	if !ok {
		return "", false
	}
	if g.units != nil {
		_, ok = cloudGenerator(g.tree, n)
	} else {
		ok = g.services.isEnabled("cloud-init-ds-identify")
	}
	return program, ok
}

// policy is how ds-identify decides (tools/ds-identify, parse_policy).
type policy struct {
	mode, maybe, notFound string
	source                string // the one data source that is forced
	where                 string
}

const identifyConfig = "/etc/cloud/ds-identify.cfg"

// identifyPolicy returns the policy of /etc/cloud/ds-identify.cfg and the
// kernel command line; empty fields mean ds-identify's own default, or that it
// does not run.
func (g *guest) identifyPolicy(n *notes) policy {
	var p policy
	_, identifies := g.identifies(n)
	if identifies {
		g.identifyFile(n, &p)
	}
	for _, e := range g.facts.Boot.normal() {
		if value, ok := e.arg("ci.di.policy"); ok && identifies {
			p.parse(value, e.at())
		}
		for _, key := range []string{"ds", "ci.ds", "ci.datasource"} {
			if value, ok := e.arg(key); ok {
				p.source, p.where = strings.SplitN(value, ";", 2)[0], e.at()
			}
		}
	}
	return p
}

// identifyFile reads /etc/cloud/ds-identify.cfg.
func (g *guest) identifyFile(n *notes, p *policy) {
	text, _ := g.text(n, identifyConfig)
	for line, setting := range settings(text) {
		setting, _, _ = strings.Cut(setting, "#")
		key, value, _ := strings.Cut(setting, ":")
		value = strings.Trim(strings.TrimSpace(value), `"'`)
		switch strings.TrimSpace(key) {
		case "policy":
			p.parse(value, at(identifyConfig, line, setting))
		case "datasource":
			p.source, p.where = value, at(identifyConfig, line, setting)
		}
	}
}

func (p *policy) parse(value, where string) {
	p.where = where
	for word := range strings.SplitSeq(value, ",") {
		switch key, v, _ := strings.Cut(word, "="); key {
		case "enabled", "disabled", "search", "report":
			p.mode = key
		case "maybe":
			p.maybe = v
		case "notfound":
			p.notFound = v
		}
	}
}

// cloudReady notes what keeps cloud-init from running at all, and returns
// whether it runs. Every requirement that leans on cloud-init starts here.
func cloudReady(g *guest, n *notes) bool {
	c := g.facts.CloudInit
	if err := g.cloudErr(); err != nil {
		n.unknown("cloud-init: %v", err)
	}
	switch {
	case !c.Installed:
		n.lacks("cloud-init is not installed (package %s): there is no program cloud-init in /usr/bin", g.installed.packageOf("cloud-init"))
	case !c.Enabled:
		for _, by := range c.DisabledBy {
			n.lacks("cloud-init %s is installed, and does not run: %s", c.Version, by)
		}
	default:
		_, via, _ := g.services.firstEnabled(cloudTarget, cloudStages[0][0])
		n.met("cloud-init %s (%s) is started by %s", c.Version, c.Program, via)
	}
	return c.Installed && c.Enabled
}

// cloudErr says what of cloud-init's set-up could not be read.
func (g *guest) cloudErr() error {
	for _, err := range []error{g.cloudOpen, g.services.err, g.config.err} {
		if err != nil {
			return err
		}
	}
	return nil
}

// moduleOn notes whether cloud-init runs a module in one of its stages.
func moduleOn(g *guest, n *notes, stage, name string) bool {
	m, ok := g.config.modules(stage)[name]
	if !ok {
		where := cloudConfig
		if list := g.config.root.get(stage); list != nil {
			where = list.where
		}
		n.lacks("%s: %s does not name the module %s", where, stage, name)
		return false
	}
	n.met("%s: %s names the module %s", m.where, stage, name)
	return true
}

// notReset notes the setting with which cloud-init never runs again for a new
// instance.
func notReset(g *guest, n *notes) {
	if v := g.config.root.get("manual_cache_clean"); v.isTrue() {
		n.unmet("%s: manual_cache_clean: %s: cloud-init takes every new instance for the old one", v.where, v)
	}
}
