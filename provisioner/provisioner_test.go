package provisioner

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

var _ packersdk.Provisioner = new(Provisioner)

// raw is what a template says.
type raw = map[string]interface{}

func TestPrepareReportsEveryMistakeAtOnce(t *testing.T) {
	err := new(Provisioner).Prepare(raw{
		"mode": "repair", "on_unmet": "shrug", "skip": []string{"dhcp", "no-such"},
		"execute_command": "sudo true", "timeout": "10ms", "requirements": []string{"all"},
		"initialisation": "ignition", "network": "static", "firewall": "open", "default_user": "Bob's",
		"datasources": []string{"Open Stack"}, "console": []string{"ttyS0;reboot"},
		"packages": []string{"-o", "vim"}, "install": false, "cleanup": []string{"all"},
		"scripts_wait": "3h",
	})
	if err == nil {
		t.Fatal("took in nothing but mistakes")
	}
	for _, want := range []string{
		`mode: "repair" is neither of mend, check`,
		`on_unmet: "shrug" is neither of fail, warn`,
		`skip: unknown requirement "no-such"; known are: root-resize, partition-layout`,
		"execute_command: the template does not contain {{.Command}}",
		"timeout: 10ms is less than a second",
		`requirements: unknown requirement "all"`,
		`initialisation: "ignition" is neither of auto, cloud-init, scripts`,
		`network: "static" is neither of cloud-init, dhcp-all, eth0, keep`,
		`firewall: "open" is neither of disable, keep`,
		`default_user: "Bob's" is not an account name`,
		`datasources: "Open Stack" is not a name of cloud-init's data sources`,
		`console: "ttyS0;reboot" is not a console such as`,
		`packages: "-o" is not a package name`,
		"packages: they cannot be installed where install is false",
		"scripts_wait: 3h0m0s is not a number of whole seconds from 1s to 9999s",
		`cleanup: "all" is neither of logs, package-cache`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
}

func TestPrepareRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, test := range []struct {
		name string
		raw  raw
		want string
	}{
		{"unknown option", raw{"modus": "check"}, "modus"},
		{"timeout that is none", raw{"timeout": "soon"}, "soon"},
		{"broken template", raw{"execute_command": "{{.Command"}, "execute_command"},
		{"unknown variable", raw{"execute_command": "{{.Command}} {{.Path}}"}, "execute_command"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := new(Provisioner).Prepare(test.raw)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Packer prepares twice, the second time with more values; the last counts.
func TestPrepareTwiceKeepsNothingOfTheFirst(t *testing.T) {
	var p Provisioner
	if err := p.Prepare(raw{"mode": "check", "skip": []string{"dhcp"}, "report": "<unknown>", "on_unmet": "<unknown>"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Prepare(raw{}); err != nil {
		t.Fatal(err)
	}
	if p.config.Mode != "mend" || len(p.config.Skip) > 0 || p.config.Report != "" || p.config.OnUnmet != "fail" {
		t.Errorf("kept something: %+v", p.config)
	}
}

func TestPrepareWritesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := new(Provisioner).Prepare(raw{"report": filepath.Join(dir, "report.json")}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("Prepare left %v, %v", left, err)
	}
}

// provision checks a tree of files and returns what the user sees.
func provision(t *testing.T, root string, options raw) (string, error) {
	t.Helper()
	var p Provisioner
	if err := p.Prepare(raw{"mode": "check", "execute_command": "{{.Command}}"}, options); err != nil {
		t.Fatal(err)
	}
	var screen bytes.Buffer
	ui := &packersdk.BasicUi{Reader: new(bytes.Buffer), Writer: &screen, ErrorWriter: &screen}
	err := p.Provision(context.Background(), ui, guesttest.InTree(root, ""), nil)
	return screen.String(), err
}

func TestUnmetRequirementFailsTheBuild(t *testing.T) {
	root := guesttest.NewTree(t, map[string]string{"etc/machine-id": "0123\n"})
	name := filepath.Join(t.TempDir(), "report.json")
	screen, err := provision(t, root, raw{"report": name})
	if err == nil {
		t.Fatal("a guest that is not ready passed")
	}
	for _, want := range []string{
		"identity-reset is unmet: /etc/machine-id is not an empty file",
		"remedy: install openssh-server and enable its service",
		`on_unmet = "warn"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "guest-agent is") {
		t.Errorf("the informational guest agent failed the build:\n%v", err)
	}
	for _, want := range []string{"look before", "REQUIREMENT", "Debian GNU/Linux 12 (bookworm)", "Nothing was changed"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the screen does not show %q:\n%s", want, screen)
		}
	}
	rep, err := report.ReadFile(name)
	if err != nil || len(rep.Findings) != len(requirement.SeenFrom(requirement.Guest)) {
		t.Errorf("stored report: %+v, %v", rep, err)
	}
}

func TestUnmetRequirementOnlyWarnsWhereToldTo(t *testing.T) {
	screen, err := provision(t, guesttest.NewTree(t), raw{"on_unmet": "warn"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "the guest is not ready for OpenStack"; !strings.Contains(screen, want) {
		t.Errorf("the screen does not show %q:\n%s", want, screen)
	}
}

func TestSkippedRequirementsDoNotFailTheBuild(t *testing.T) {
	var all []string
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		if r.Level == requirement.Required && r.ID != requirement.NoFirewall {
			all = append(all, string(r.ID))
		}
	}
	if _, err := provision(t, guesttest.NewTree(t), raw{"skip": all}); err != nil {
		t.Error(err)
	}
}

func TestChosenRequirementsAreTheOnlyOnes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.json")
	_, err := provision(t, guesttest.NewTree(t), raw{
		"requirements": []string{"no-firewall", "xen-pv-kernel"}, "skip": []string{"xen-pv-kernel"}, "report": name,
	})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := report.ReadFile(name)
	if err != nil || len(rep.Findings) != 1 || rep.Findings[0].ID != requirement.NoFirewall {
		t.Errorf("got %+v, %v, want a finding of no-firewall only", rep, err)
	}
}

func TestLogFileKeepsWhatProgramsPrinted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "guest.log")
	if _, err := provision(t, guesttest.NewTree(t, map[string]string{"var/lib/dpkg/status": "broken"}), raw{"log_file": name}); err == nil {
		t.Error("a broken package list was taken in")
	}
	if got, err := os.ReadFile(name); err != nil || !strings.Contains(string(got), "dpkg-query: error") {
		t.Errorf("got %q, %v, want the words of dpkg-query", got, err)
	}
}

func TestReportThatCannotBeWrittenFailsTheBuild(t *testing.T) {
	name := filepath.Join(t.TempDir(), "no", "such", "folder", "report.json")
	_, err := provision(t, guesttest.NewTree(t), raw{"report": name, "on_unmet": "warn"})
	if err == nil || !strings.Contains(err.Error(), "report: write "+name) {
		t.Errorf("got error %v", err)
	}
}

func TestSummaryFitsTheScreen(t *testing.T) {
	finding := func(v requirement.Verdict, evidence string) requirement.Finding {
		return requirement.Finding{ID: requirement.PartitionLayout, Side: requirement.Guest, Verdict: v, Evidence: []string{evidence}}
	}
	long := strings.Repeat("ö", 200)
	for _, test := range []struct {
		name string
		rep  report.Report
		want []string
	}{
		{"mended", report.Report{
			Mode: report.Mend, Before: []requirement.Finding{finding(requirement.Unmet, "x")}, Findings: []requirement.Finding{finding(requirement.Met, long)},
			Changes: []report.Change{{ID: requirement.PartitionLayout, Text: "edited x"}},
		}, []string{"partition-layout  unmet → met  öö", "ö…", "Changes (1):", "  partition-layout: edited x"}},
		{"ready before", report.Report{
			Mode: report.Mend, Before: []requirement.Finding{finding(requirement.NotApplicable, "x")}, Findings: []requirement.Finding{finding(requirement.NotApplicable, "x")},
		}, []string{"partition-layout  n/a      x", "No change: already ready"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			screen := strings.Join(summary(&test.rep), "\n")
			for _, want := range test.want {
				if !strings.Contains(screen, want) {
					t.Errorf("the screen does not show %q:\n%s", want, screen)
				}
			}
			for line := range strings.SplitSeq(screen, "\n") {
				if n := utf8.RuneCountInString(line); n > width {
					t.Errorf("a line of %d characters: %s", n, line)
				}
			}
		})
	}
}
