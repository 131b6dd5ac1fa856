//go:generate packer-sdc mapstructure-to-hcl2 -type ProveConfig
//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/boot"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// ProveConfig is the block `prove`: with it, a copy of the image is booted in
// QEMU as Nova would, before anything is uploaded.
type ProveConfig struct {
	// How the instance gets its data: `config-drive`, `metadata`; a boot each.
	// Default: both.
	Via []string `mapstructure:"via"`
	// How long all boots together may take, such as `15m`. Default: `20m`.
	Timeout time.Duration `mapstructure:"timeout"`
	// The flavor's memory in MiB. Default: 1024.
	Memory int `mapstructure:"memory"`
	// The flavor's processors. Default: 2.
	CPUs int `mapstructure:"cpus"`
	// The flavor's disk, larger than the image, such as `8G`. Default: twice as
	// much as the image's.
	DiskSize string `mapstructure:"disk_size"`
	// The account that the instance's key must reach. Default: the one that the
	// image's own configuration names.
	SSHUser string `mapstructure:"ssh_user"`
	// A folder to keep each boot's console log and screenshot in. Default: none
	// is kept but in the report.
	LogDir string `mapstructure:"log_dir"`
	// Whether to boot with 256, 384, 512 and 768 MiB as well, until one of them
	// suffices for all proofs, and to publish that as `min_ram`. Default: false.
	MeasureMinRAM bool `mapstructure:"measure_min_ram"`

	options boot.Options
}

// memorySizes are those that measure_min_ram tries, in MiB.
var memorySizes = []int{256, 384, 512, 768}

// prepare checks the block and turns it into options of the boot.
func (c *ProveConfig) prepare() error {
	if c == nil {
		return nil
	}
	var mistakes []error
	mistake := func(attribute string, err error) {
		mistakes = append(mistakes, fmt.Errorf("prove.%s: %w", attribute, err))
	}
	via, err := boot.ParseWays(c.Via)
	if err != nil {
		mistake("via", err)
	}
	var size int64
	if c.DiskSize != "" {
		if size, err = boot.ParseSize(c.DiskSize); err != nil {
			mistake("disk_size", err)
		}
	}
	if c.Timeout < 0 {
		mistake("timeout", fmt.Errorf("%s: want a time above 0", c.Timeout))
	}
	if c.Memory < 0 || c.Memory > 0 && c.Memory < boot.MinMemory {
		mistake("memory", fmt.Errorf("%d: want a number of MiB, %d or more", c.Memory, boot.MinMemory))
	}
	if c.CPUs < 0 {
		mistake("cpus", fmt.Errorf("%d: want a number above 0", c.CPUs))
	}
	c.options = boot.Options{
		Via: via, Timeout: c.Timeout, DiskSize: size, Memory: c.Memory, CPUs: c.CPUs,
		SSHUser: c.SSHUser, LogDir: c.LogDir,
	}
	return errors.Join(mistakes...)
}

// proveAndGate boots the image, where the template wants it, and ends the build
// when it does not do what it should; the report tells of it in any case.
func (p *PostProcessor) proveAndGate(ctx context.Context, ui packersdk.Ui, artifact *Artifact) error {
	if p.config.Prove == nil {
		return nil
	}
	rep := artifact.report
	if err := p.prove(ctx, ui, rep); err != nil {
		return err
	}
	if err := p.writeReport(artifact); err != nil {
		return err
	}
	var failing []requirement.Finding
	for _, f := range rep.Failing() {
		if f.Side == requirement.Boot { // The gate has seen the other sides.
			failing = append(failing, f)
		}
	}
	return p.gate(ui, failing)
}

// prove boots the image and adds what it showed to the report.
func (p *PostProcessor) prove(ctx context.Context, ui packersdk.Ui, rep *report.Report) error {
	options := p.config.Prove.options
	options.Image, options.Facts = rep.Image.Path, &rep.Facts
	options.Progress = func(via boot.Via, stage boot.Stage, detail string) {
		ui.Say(boot.ProgressLine(via, stage, detail))
	}
	ui.Sayf("Booting a copy of %s as Nova would", rep.Image.Path)
	began := time.Now()
	result, err := boot.Prove(ctx, options)
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	rep.AddProof(result.Findings, report.Proof{Console: result.Console(), Screenshot: result.Screenshot()})
	rep.AddTiming("prove", time.Since(began))
	if err := p.showProof(ui, result); err != nil {
		return err
	}
	return p.measureMinRAM(ctx, ui, options, result)
}

func (p *PostProcessor) showProof(ui packersdk.Ui, result *boot.Result) error {
	var text strings.Builder
	if err := report.WriteFindings(&text, result.Findings); err != nil {
		return err
	}
	ui.Say(text.String())
	text.Reset()
	if err := result.WriteFailure(&text); err != nil {
		return err
	}
	if text.Len() > 0 {
		ui.Error(text.String())
	}
	return nil
}

// measureMinRAM finds the least memory, where the template wants it, the image
// passes at all, and the user did not say it.
func (p *PostProcessor) measureMinRAM(ctx context.Context, ui packersdk.Ui, options boot.Options, result *boot.Result) error {
	switch {
	case !p.config.Prove.MeasureMinRAM || len(requirement.Failing(result.Findings, p.config.require...)) > 0:
		return nil
	case p.config.MinRAM > 0:
		ui.Sayf("min_ram is %d MiB, as the template says; nothing is measured", p.config.MinRAM)
		return nil
	}
	least, err := boot.LeastMemory(ctx, options, memorySizes)
	if err != nil {
		return fmt.Errorf("prove.measure_min_ram: %w", err)
	}
	ui.Sayf("min_ram is %d MiB: the smallest of the sizes tried with which the image passes", least)
	p.config.MinRAM = least
	return nil
}
