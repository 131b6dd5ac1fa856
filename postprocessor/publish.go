package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

// publish sends the disk to Glance and notes in the artifact what Glance then
// says of it.
func (p *PostProcessor) publish(ctx context.Context, ui packersdk.Ui, a *Artifact) error {
	if packed := a.report.Facts.Disk.Wrapping; len(packed) > 0 {
		return fmt.Errorf("%s is packed (%v): Glance keeps a file as it is, and Nova unpacks none; unpack it before this post-processor", a.report.Image.Path, packed)
	}
	spec, err := p.imageSpec(a.report)
	if err != nil {
		return err
	}
	source, err := glance.OpenFile(a.report.Image.Path)
	if err != nil {
		return fmt.Errorf("read the disk to upload: %w", err)
	}
	client, err := p.signIn(ctx)
	if err != nil {
		return err
	}
	image, err := client.Publish(ctx, spec, source, &progress{ui: ui})
	if err != nil {
		return p.explain(ctx, err)
	}
	a.remove = func(ctx context.Context) error { return client.Delete(ctx, image.ID) }
	a.report.Published = p.published(image)
	ui.Sayf("Published image %s as %s: %s %s, confirmed by %v", image.ID, image.Name, image.HashAlgo, image.HashValue, image.Confirmed)
	return nil
}

func (p *PostProcessor) signIn(ctx context.Context) (*glance.Client, error) {
	return glance.SignIn(ctx, glance.Access{
		Cloud:    p.config.Cloud,
		Config:   access.Config{Region: p.config.Region},
		Patience: p.config.patience(),
		Log:      func(line string) { log.Printf("[DEBUG] %s", line) },
	})
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

func (p *PostProcessor) published(image *glance.Image) *report.Published {
	return &report.Published{
		ID: image.ID, Name: image.Name, Cloud: p.config.Cloud, Status: image.Status,
		Size: image.Size, HashAlgorithm: image.HashAlgo, HashValue: image.HashValue,
	}
}

// progressInterval is how often a transfer says how far it is: often enough to
// show that it lives, rarely enough for a log.
const progressInterval = 10 * time.Second

// progress tells Packer's user how a publication goes on.
type progress struct {
	ui      packersdk.Ui
	started time.Time
	told    time.Time
}

// Step implements glance.Progress.
func (p *progress) Step(sentence string) {
	p.ui.Say(sentence)
	p.started = time.Time{}
}

// Sent implements glance.Progress.
func (p *progress) Sent(sent, total int64) {
	now := time.Now()
	if p.started.IsZero() {
		p.started, p.told = now, now
	}
	if now.Sub(p.told) < progressInterval || sent == 0 {
		return
	}
	p.told = now
	elapsed := now.Sub(p.started)
	left := time.Duration(float64(elapsed) * float64(total-sent) / float64(sent))
	p.ui.Sayf("  sent %s of %s (%d%%), %s/s, about %s left",
		report.Bytes(sent), report.Bytes(total), sent*100/total,
		report.Bytes(int64(float64(sent)/elapsed.Seconds())), left.Round(time.Second))
}
