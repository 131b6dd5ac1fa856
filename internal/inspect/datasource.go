package inspect

import (
	"errors"
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
	names, where := g.sourceList(p)
	for _, want := range []string{"ConfigDrive", "OpenStack"} {
		if len(names) > 0 && !slices.Contains(names, want) {
			n.lacks("%s: %s is not in the list", where, want)
		}
	}
	n.met("%s", where)
	if !x86(g.facts.Architecture) {
		strictDetection(g, n, p)
	}
	return n.finding(requirement.Datasource)
}

// sourceList returns the data sources that are looked for, and where they come
// from; none means cloud-init's own list, which has both. In the modes enabled
// and report cloud-init takes the list as YAML has it, else ds-identify takes
// it from the last line that it sees.
func (g *guest) sourceList(p policy) ([]string, string) {
	if p.mode == "enabled" || p.mode == "report" {
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
	own, where, err := g.ownPolicy()
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
func (g *guest) ownPolicy() (policy, string, error) {
	for _, file := range []string{"/usr/lib/cloud-init/ds-identify", "/usr/libexec/cloud-init/ds-identify"} {
		text, _ := g.text(&notes{}, file)
		for line, setting := range settings(text) {
			if value, found := strings.CutPrefix(setting, "DI_DEFAULT_POLICY_NO_DMI="); found {
				value = strings.NewReplacer("${DI_ENABLED}", "enabled", "${DI_DISABLED}", "disabled", `"`, "").Replace(value)
				var p policy
				p.parse(value, "")
				return p, at(file, line, setting), nil
			}
		}
	}
	return policy{}, "", errNoPolicy
}

var errNoPolicy = errors.New("no default policy was found in /usr/lib/cloud-init/ds-identify")
