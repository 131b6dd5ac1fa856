// Package provisioner is Packer's provisioner "openstack-ready": it makes the
// running guest of a build ready for OpenStack, or says what it lacks.
package provisioner

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Provisioner implements packersdk.Provisioner.
type Provisioner struct {
	config Config
}

// ConfigSpec tells Packer which options a template can set.
func (p *Provisioner) ConfigSpec() hcldec.ObjectSpec {
	return p.config.FlatMapstructure().HCL2Spec()
}

// Prepare reads the template's options. Packer calls it while it validates the
// template, and once more before Provision.
func (p *Provisioner) Prepare(raws ...interface{}) error {
	p.config = Config{}
	return p.config.prepare(raws)
}

// Provision makes the guest ready over Packer's connection, shows what was
// found and changed, and stores the report. It fails when a required
// requirement is not met in the end, unless on_unmet is "warn".
func (p *Provisioner) Provision(ctx context.Context, ui packersdk.Ui, comm packersdk.Communicator, _ map[string]interface{}) error {
	skip, err := requirement.ParseIDs(p.config.Skip)
	if err != nil {
		return fmt.Errorf("skip: %w", err)
	}
	ui.Say(opening(report.Mode(p.config.Mode)))
	rep, err := guest.Run(ctx, comm, guest.Options{
		Mode:           report.Mode(p.config.Mode),
		Skip:           skip,
		Timeout:        p.config.Timeout,
		Progress:       func(stage string) { ui.Say("  " + stage) },
		ExecuteCommand: p.config.executeCommand,
	})
	if err != nil {
		return fmt.Errorf("make the guest ready: %w", err)
	}
	for _, line := range summary(rep) {
		ui.Say(line)
	}
	if err := p.store(ui, rep); err != nil {
		return err
	}
	return p.judge(ui, rep)
}

func opening(mode report.Mode) string {
	if mode == report.Check {
		return "Checking whether the guest is ready for OpenStack, without changing it"
	}
	return "Making the guest ready for OpenStack"
}

func (p *Provisioner) store(ui packersdk.Ui, rep *report.Report) error {
	if p.config.Report == "" {
		return nil
	}
	if err := rep.WriteFile(p.config.Report); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	ui.Say("The report is in " + p.config.Report)
	return nil
}

// judge turns required findings that are not OK into the build's failure.
func (p *Provisioner) judge(ui packersdk.Ui, rep *report.Report) error {
	failing := requirement.Failing(rep.Findings)
	if len(failing) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the guest is not ready for OpenStack, it does not meet %d requirement(s):", len(failing))
	for _, f := range failing {
		fmt.Fprintf(&b, "\n  %s is %s: %s\n    remedy: %s", f.ID, f.Verdict, strings.Join(f.Evidence, "; "), f.RemedyText())
	}
	if p.config.OnUnmet == onUnmetWarn {
		ui.Error(b.String())
		return nil
	}
	b.WriteString("\n  or leave them out with skip, or go on all the same with on_unmet = \"warn\"")
	return fmt.Errorf("%s", b.String())
}
