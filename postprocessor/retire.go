//go:generate packer-sdc mapstructure-to-hcl2 -type RetireConfig
//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"context"
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// RetireConfig says what becomes of the images that the new one takes the place
// of, in each cloud, once the new one is confirmed and has its name. These are
// only images of the same project that this plugin made (they carry its tag),
// that have the same name, and that are older. A protected image is left and
// named. A failure here is told and does not undo the publication.
type RetireConfig struct {
	// How many of the newest images stay as they are, the new one among them.
	// Default: 1, the new one alone.
	Keep int `mapstructure:"keep"`
	// Whether older images get the date and time of their creation behind their
	// name, such as `debian-12 (2026-01-31T120000Z)`. Default: false.
	Rename bool `mapstructure:"rename"`
	// Whether older images are hidden from lists. They still boot and rebuild by
	// their ID. Default: false.
	Hide bool `mapstructure:"hide"`
	// Whether older images are deactivated, so that nobody but administrators
	// can read or boot them. By default a cloud lets only administrators do this.
	// Default: false.
	Deactivate bool `mapstructure:"deactivate"`
	// Whether older images are deleted for good; excludes the others. Default:
	// false.
	Delete bool `mapstructure:"delete"`
}

func (r *RetireConfig) setDefaults() {
	if r != nil && r.Keep == 0 {
		r.Keep = 1
	}
}

func (r *RetireConfig) retirement() glance.Retirement {
	return glance.Retirement{Keep: r.Keep, Rename: r.Rename, Hide: r.Hide, Deactivate: r.Deactivate, Delete: r.Delete}
}

// mistakes returns what is wrong, naming the block.
func (r *RetireConfig) mistakes() error {
	if r == nil {
		return nil
	}
	if err := r.retirement().Validate(); err != nil {
		return fmt.Errorf("retire: %w", err)
	}
	return nil
}

// retire deals with the image's predecessors in its cloud. What fails is told
// and is no failure of the publication.
func (d *delivery) retire(ctx context.Context, how *RetireConfig, said *voice) {
	if how == nil {
		return
	}
	retired, err := d.client.Retire(ctx, how.retirement(), d.image)
	d.retired = retired
	for _, r := range retired {
		said.Step("Retired: " + r.String())
	}
	if err != nil {
		d.warn(said, fmt.Sprintf("Image %s is published, but not all older ones could be retired; the next build tries again: %s", d.image.ID, err))
	}
}
