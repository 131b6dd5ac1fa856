package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"sync"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

// delivery is the publication of the image in one cloud, and what came of it.
type delivery struct {
	cloud CloudConfig
	spec  glance.Spec
	// source is this cloud's share of the disk.
	source *convert.Part
	// client and image are nil, and err is set, where it did not succeed.
	client *glance.Client
	image  *glance.Image
	err    error
	// retired are the older images and what became of them.
	retired []glance.Retired
	// warnings are what went wrong without being the publication's failure.
	warnings []string
}

// publish sends the disk to all clouds side by side and notes in the artifact
// what their Glances then say of it.
func (p *PostProcessor) publish(ctx context.Context, ui packersdk.Ui, a *Artifact, image *convert.Disk) error {
	spec, err := p.imageSpec(a.report)
	if err != nil {
		return err
	}
	if spec.Sign, err = p.config.sign(); err != nil {
		return err
	}
	deliveries := p.deliveries(spec)
	if err := p.prepare(ctx, ui, image, deliveries); err != nil {
		return fmt.Errorf("read the disk to upload: %w", err)
	}
	said := &narrator{ui: ui, several: len(deliveries) > 1}
	var all sync.WaitGroup
	for _, d := range deliveries {
		all.Go(func() { p.deliver(ctx, d, said.cloud(d.cloud.label())) })
	}
	all.Wait()
	a.deliveries = deliveries
	for _, d := range deliveries {
		a.report.Published = append(a.report.Published, d.published())
	}
	return p.judge(ctx, ui, deliveries)
}

func (p *PostProcessor) deliveries(spec glance.Spec) []*delivery {
	var all []*delivery
	for _, cloud := range p.config.clouds() {
		all = append(all, &delivery{cloud: cloud, spec: cloud.override(spec)})
	}
	return all
}

// deliver publishes the image in one cloud.
func (p *PostProcessor) deliver(ctx context.Context, d *delivery, said *voice) {
	// The others do not wait for a cloud that has failed.
	defer d.source.Leave()
	if d.client, d.err = p.signIn(ctx, d.cloud); d.err != nil {
		return
	}
	sharing := p.config.sharing(d.cloud)
	guests, err := p.guests(ctx, d, sharing.Members)
	if err != nil {
		d.err = err
		return
	}
	if d.image, d.err = d.client.Publish(ctx, d.spec, d.source, said); d.err != nil {
		return
	}
	said.Step(outcome(d.image))
	if d.err = d.accept(ctx, guests, said); d.err != nil {
		return
	}
	d.precache(ctx, sharing.PrecacheAggregates, said)
	d.retire(ctx, p.config.Retire, said)
}

// warn tells what went wrong and keeps it for the report.
func (d *delivery) warn(said *voice, sentence string) {
	said.Warn(sentence)
	d.warnings = append(d.warnings, sentence)
}

func outcome(image *glance.Image) string {
	what := "Published"
	if image.Reused {
		what = "Reused"
	}
	return fmt.Sprintf("%s image %s as %s: %s %s, confirmed by %v", what, image.ID, image.Name, image.HashAlgo, image.HashValue, image.Confirmed)
}

func (p *PostProcessor) signIn(ctx context.Context, cloud CloudConfig) (*glance.Client, error) {
	return glance.SignIn(ctx, glance.Access{
		Cloud:    cloud.Name,
		Config:   cloud.Config,
		Patience: p.config.patience(),
		Log:      func(line string) { log.Printf("[DEBUG] %s", line) },
	})
}

// judge decides by on_cloud_error whether the clouds that failed are the
// build's failure. Where all of them failed, they always are.
func (p *PostProcessor) judge(ctx context.Context, ui packersdk.Ui, deliveries []*delivery) error {
	var failures []error
	for _, d := range deliveries {
		if d.err != nil {
			failures = append(failures, fmt.Errorf("cloud %s: %w", d.cloud.label(), p.explain(ctx, d.err)))
		}
	}
	err := errors.Join(failures...)
	whole := len(deliveries) - len(failures)
	if err == nil || (p.config.OnCloudError == onCloudErrorContinue && whole > 0) {
		if err != nil {
			ui.Errorf("Going on with %d of %d clouds: %s", whole, len(deliveries), err)
		}
		return nil
	}
	if whole > 0 {
		return fmt.Errorf("%w\n%s; on_cloud_error = \"continue\" is content with that", err, kept(deliveries))
	}
	return err
}

// kept names what is whole beside a failure.
func kept(deliveries []*delivery) string {
	text := "whole and kept:"
	for _, d := range deliveries {
		if d.image != nil {
			text += fmt.Sprintf(" image %s in cloud %s", d.image.ID, d.cloud.label())
		}
	}
	return text
}

// explain adds what a person can do when the time was up.
func (p *PostProcessor) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w (the option timeout = %q ended it)", err, p.config.Timeout)
	}
	return err
}

// imageSpec completes what the template decides with what the disk decides.
func (p *PostProcessor) imageSpec(r *report.Report) (glance.Spec, error) {
	spec := p.config.spec()
	spec.DiskFormat = r.Image.Format
	spec.VirtualSize = r.Image.VirtualSize
	spec.Properties = map[string]string{}
	for _, derived := range r.Properties {
		if derived.Name != property.MinDisk {
			spec.Properties[derived.Name] = derived.Value
			continue
		}
		gib, err := strconv.Atoi(derived.Value)
		if err != nil {
			return glance.Spec{}, fmt.Errorf("property min_disk = %q: want a whole number of GiB", derived.Value)
		}
		spec.MinDisk = gib
	}
	return spec, nil
}

// published is the delivery's entry in the report.
func (d *delivery) published() report.Published {
	entry := report.Published{Name: d.spec.Name, Cloud: d.cloud.Name, Region: d.cloud.Region, DiskFormat: d.spec.DiskFormat}
	if d.err != nil {
		entry.Error = d.err.Error()
	}
	if d.image == nil {
		return entry
	}
	entry.ID, entry.Name, entry.Status, entry.DiskFormat = d.image.ID, d.image.Name, d.image.Status, d.image.DiskFormat
	entry.Reused, entry.Warnings = d.image.Reused, d.warnings
	for _, r := range d.retired {
		entry.Retired = append(entry.Retired, report.Retired(r))
	}
	entry.Size, entry.HashAlgorithm, entry.HashValue = d.image.Size, d.image.HashAlgo, d.image.HashValue
	return entry
}
