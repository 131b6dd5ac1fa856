// Package postprocessor is the Packer post-processor "openstack-ready": it
// inspects a built disk, judges it, derives its properties, and publishes it
// in Glance.
package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	guestreport "github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// PostProcessor is the component that Packer drives.
type PostProcessor struct {
	config Config
}

var _ packersdk.PostProcessor = (*PostProcessor)(nil)

// ConfigSpec tells Packer which options there are.
func (p *PostProcessor) ConfigSpec() hcldec.ObjectSpec {
	return p.config.FlatMapstructure().HCL2Spec()
}

// Configure reads the template's options. Packer calls it when it validates
// the template and again before PostProcess, so it touches neither disk nor
// network.
func (p *PostProcessor) Configure(raws ...any) error {
	p.config = Config{} // What an earlier call left must not mix with this one.
	return p.config.decode(raws...)
}

// PostProcess inspects the artifact's disk and, where the template wants it,
// publishes it. The source artifact is always kept: the image in Glance is a
// copy.
func (p *PostProcessor) PostProcess(ctx context.Context, ui packersdk.Ui, source packersdk.Artifact) (packersdk.Artifact, bool, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	artifact, err := p.process(ctx, ui, source)
	if err != nil {
		return nil, true, false, err
	}
	return artifact, true, false, nil
}

func (p *PostProcessor) process(ctx context.Context, ui packersdk.Ui, source packersdk.Artifact) (_ *Artifact, err error) {
	if err := p.loadProperties(); err != nil {
		return nil, err
	}
	path, err := pickDisk(source, p.config.DiskFile)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	image, err := openDisk(ctx, ui, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	rep, err := p.inspect(ctx, ui, path, image, began)
	if err != nil {
		return nil, err
	}
	artifact := &Artifact{source: source, report: rep}
	// The report is written whatever comes of the image: who reads it wants to
	// know why. That it can be written is known before anything is uploaded.
	if err := p.writeReport(artifact); err != nil {
		return nil, err
	}
	if err := p.checkProfile(rep); err != nil {
		return nil, err
	}
	if err := p.gate(ui, rep.Failing()); err != nil {
		return nil, err
	}
	if err := p.proveAndGate(ctx, ui, artifact); err != nil {
		return nil, err
	}
	if err := p.writeProperties(artifact); err != nil {
		return nil, err
	}
	if !p.config.uploads() {
		ui.Say("Nothing is uploaded: the template names no cloud, or sets upload = false")
		return artifact, nil
	}
	failure := p.publish(ctx, ui, artifact, image)
	if err := p.writeReport(artifact); err != nil {
		// What is whole is published, and the build says so all the same.
		ui.Errorf("%s", err)
	}
	if failure != nil {
		return nil, failure
	}
	return artifact, nil
}

// inspect judges the disk, adds what the guest's side saw, and shows
// all of it.
func (p *PostProcessor) inspect(ctx context.Context, ui packersdk.Ui, path string, image *convert.Disk, began time.Time) (*report.Report, error) {
	ui.Sayf("Inspecting %s", path)
	rep, err := report.InspectImage(ctx, path, image.Image(), began)
	if err != nil {
		return nil, err
	}
	rep.Require = p.config.require
	if err := p.describe(rep); err != nil {
		return nil, err
	}
	if err := p.addGuest(rep); err != nil {
		return nil, fmt.Errorf("guest_report: %w", err)
	}
	var table strings.Builder
	if err := rep.WriteTable(&table); err != nil {
		return nil, err
	}
	ui.Say(table.String())
	return rep, nil
}

// addGuest adds what the provisioner saw in this very build.
func (p *PostProcessor) addGuest(rep *report.Report) error {
	if p.config.GuestReport == "" {
		return nil
	}
	var origin guestreport.Origin
	if !p.config.GuestReportOfAnyBuild {
		origin = guestreport.NewOrigin(p.config.PackerBuilderType, p.config.PackerBuildName)
	}
	err := rep.AddGuest(p.config.GuestReport, origin)
	if errors.Is(err, guestreport.ErrOtherBuild) {
		return fmt.Errorf("%w; name the file that the provisioner of this build writes, "+
			"or set guest_report_of_any_build where the disk is known to be the report's", err)
	}
	return err
}

// gate ends the build when a requirement is not met, unless the template only
// wants to be warned.
func (p *PostProcessor) gate(ui packersdk.Ui, failing []requirement.Finding) error {
	if len(failing) == 0 {
		return nil
	}
	names := make([]string, len(failing))
	for i, f := range failing {
		names[i] = fmt.Sprintf("%s (%s, %s side)", f.ID, f.Verdict, f.Side)
	}
	err := fmt.Errorf("the image is not ready for OpenStack: %s; the report says what to do about each, and on_unmet = \"warn\" goes on all the same", strings.Join(names, ", "))
	if p.config.OnUnmet == onUnmetWarn {
		ui.Errorf("Going on although %s", err)
		return nil
	}
	return err
}

func (p *PostProcessor) writeProperties(a *Artifact) error {
	path := p.config.PropertiesFile
	if path == "" && !p.config.uploads() {
		path = a.report.Image.Path + ".properties.json"
	}
	if path == "" {
		return nil
	}
	a.written = append(a.written, path)
	if err := report.SaveProperties(path, a.report.Properties); err != nil {
		return fmt.Errorf("properties_file: %w", err)
	}
	return nil
}

func (p *PostProcessor) writeReport(a *Artifact) error {
	if p.config.Report == "" {
		return nil
	}
	if !slices.Contains(a.written, p.config.Report) {
		a.written = append(a.written, p.config.Report)
	}
	if err := a.report.Save(p.config.Report); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
