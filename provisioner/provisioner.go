// Package provisioner is Packer's provisioner "openstack-ready": it makes the
// running guest of a build ready for OpenStack, or says what it lacks.
package provisioner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
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
	skip, err := p.config.skipped()
	if err != nil {
		return err
	}
	keep, closeLog, err := p.logFile()
	if err != nil {
		return err
	}
	ui.Say(opening(report.Mode(p.config.Mode)))
	rep, err := guest.Run(ctx, comm, guest.Options{
		Mode:           report.Mode(p.config.Mode),
		Skip:           skip,
		Settings:       p.config.settings(),
		Timeout:        p.config.Timeout,
		Progress:       func(stage string) { ui.Say("  " + stage) },
		ExecuteCommand: p.config.executeCommand,
		Log:            keep,
	})
	if err != nil {
		err = fmt.Errorf("make the guest ready: %w", err)
	}
	if err := errors.Join(err, closeLog()); err != nil {
		return err
	}
	rep.Origin = report.NewOrigin(p.config.PackerBuilderType, p.config.PackerBuildName)
	for _, line := range summary(rep) {
		ui.Say(line)
	}
	if err := p.store(ui, rep); err != nil {
		return err
	}
	return p.judge(ui, rep)
}

// logFile opens the file of the option log_file, and returns what writes a
// line into it and what closes it.
func (p *Provisioner) logFile() (keep func(string), closeLog func() error, err error) {
	if p.config.LogFile == "" {
		return nil, func() error { return nil }, nil
	}
	f, err := os.Create(p.config.LogFile)
	if err != nil {
		return nil, nil, fmt.Errorf("log_file: %w", err)
	}
	w := bufio.NewWriter(f)
	keep = func(line string) {
		// A failure to write comes back from Flush.
		_, _ = w.WriteString(line + "\n")
	}
	return keep, func() error {
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			return fmt.Errorf("log_file %s: %w", p.config.LogFile, err)
		}
		return nil
	}, nil
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
