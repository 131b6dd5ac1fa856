package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// datasource looks whether cloud-init, once it runs, finds both the metadata
// service and the config drive.
func datasource(g *guest) requirement.Finding {
	n := &notes{}
	if g.standsIn(n) {
		n.met("%s asks the config drive, then the metadata service, on every machine", bootProgram)
		return n.finding(requirement.Datasource)
	}
	if !cloudReady(g, n) {
		return n.finding(requirement.Datasource)
	}
	p := g.identifyPolicy(n)
	if p.source != "" {
		n.unmet("%s: forces the one data source %s: the others are not looked for", p.where, quote(p.source))
		return n.finding(requirement.Datasource)
	}
	names, where := g.sourceList(n, p)
	for _, want := range []string{"ConfigDrive", "OpenStack"} {
		if len(names) > 0 && !slices.Contains(names, want) {
			n.lacks("%s: %s is not in the list", where, want)
		}
	}
	n.met("%s", where)
	sourceModules(g, n)
	if !x86(g.facts.Architecture) {
		strictDetection(g, n, p)
	}
	return n.finding(requirement.Datasource)
}

// sourceModules notes modules of cloud-init that are not installed: Alpine has
// each in a package of its own.
func sourceModules(g *guest, n *notes) {
	for _, python := range g.glob(n, "/usr/lib", "python3*") {
		for _, packages := range []string{"site-packages", "dist-packages"} {
			dir := path.Join(python, packages, "cloudinit", "sources")
			if !g.has(n, path.Join(dir, "__init__.py")) {
				continue
			}
			for _, name := range []string{"DataSourceConfigDrive.py", "DataSourceOpenStack.py"} {
				if !g.has(n, path.Join(dir, name)) {
					n.lacks("there is no %s: this part of cloud-init is not installed (packages %s)", path.Join(dir, name), g.installed.packageOf("datasources"))
				}
			}
		}
	}
}

// sourceList returns the data sources that are looked for, and where they come
// from; none means cloud-init's own list, which has both. Where ds-identify does
// not decide, cloud-init takes the list as YAML has it, else ds-identify takes
// it from the last line that it sees.
func (g *guest) sourceList(n *notes, p policy) ([]string, string) {
	if _, identifies := g.identifies(n); !identifies || p.mode == "enabled" || p.mode == "report" {
		if v := g.config.root.get("datasource_list"); v != nil {
			var names []string
			for _, item := range v.items {
				names = append(names, item.text)
			}
			return names, v.where + ": datasource_list: " + v.String()
		}
	} else if l := g.config.list; l != nil {
		if len(l.names) > 0 {
			return l.names, l.where
		}
		return nil, l.where + ": ds-identify reads only lists on one line, and so takes its own list of all data sources"
	}
	return nil, "no datasource_list in " + cloudConfig + " and " + cloudConfigDir + ": cloud-init looks for all data sources"
}

func x86(arch string) bool { return arch == "x86_64" || arch == "i686" }

// strictDetection notes whether cloud-init switches itself off on a machine
// whose firmware does not name OpenStack: there ds-identify only says maybe,
// and what follows from that is its policy, whose default became strict in
// 25.1.4 (cloud-init, Breaking changes).
func strictDetection(g *guest, n *notes, p policy) {
	if g.facts.Architecture == "" {
		n.unknown("the architecture is not known, and on others than x86 the policy of ds-identify decides")
		return
	}
	program, ok := g.identifies(n)
	if !ok {
		n.met("on %s: ds-identify does not run, and cloud-init itself tries every data source of its list", g.facts.Architecture)
		return
	}
	own, where, err := g.ownPolicy(program)
	if err != nil {
		n.unknown("%v", err)
		return
	}
	maybe, notFound := own.maybe, own.notFound
	if p.maybe != "" {
		maybe, where = p.maybe, p.where
	}
	if p.notFound != "" {
		notFound, where = p.notFound, p.where
	}
	if p.mode == "enabled" || p.mode == "report" || maybe == "all" || notFound == "enabled" {
		n.met("on %s: %s", g.facts.Architecture, where)
		return
	}
	n.lacks("on %s cloud-init can not tell from the firmware that it runs on OpenStack, and without a config drive switches itself off: %s; write \"policy: search,found=all,maybe=all,notfound=disabled\" to %s",
		g.facts.Architecture, where, identifyConfig)
}

// ownPolicy reads the policy that the image's ds-identify has for machines
// without DMI data.
func (g *guest) ownPolicy(program string) (policy, string, error) {
	b, err := g.read(program, maxText)
	if err != nil {
		return policy{}, "", fmt.Errorf("%s: %w", program, err)
	}
	for line, setting := range settings(string(b)) {
		if value, found := strings.CutPrefix(setting, "DI_DEFAULT_POLICY_NO_DMI="); found {
			value = strings.NewReplacer("${DI_ENABLED}", "enabled", "${DI_DISABLED}", "disabled", `"`, "").Replace(value)
			var p policy
			p.parse(value, "")
			return p, at(program, line, setting), nil
		}
	}
	return policy{}, "", fmt.Errorf("no default policy was found in %s", program)
}
