//go:generate packer-sdc mapstructure-to-hcl2 -type MemberConfig
//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// ShareConfig says who is to have the image beside its owner. In a `cloud`
// block each of its options replaces the post-processor's for that cloud.
type ShareConfig struct {
	// A project that the image is shared with, which needs `visibility =
	// "shared"`; may be given several times. It is invited before the
	// publication counts as done; see below. Default: none.
	Members []MemberConfig `mapstructure:"member"`
	// The host aggregates, by name or ID, whose hosts are to fetch the published
	// image to their image cache at once, so that the first instances start as
	// fast as later ones. It takes Nova's compute API 2.81 and, in most clouds,
	// an administrator; what Nova refuses is a warning. Default: none.
	PrecacheAggregates []string `mapstructure:"precache_aggregates"`
}

// MemberConfig is a project that the image is shared with. It can boot the
// image by its ID as soon as it is invited, and lists it once it has accepted.
type MemberConfig struct {
	// The project's ID.
	ProjectID string `mapstructure:"project_id" required:"true"`
	// The entry of the same `clouds.yaml` that signs in to this project, to
	// accept the image for it. Default: it is invited only.
	Cloud string `mapstructure:"cloud"`
}

// projects are the IDs of the members.
func (s ShareConfig) projects() []string {
	var all []string
	for _, member := range s.Members {
		all = append(all, member.ProjectID)
	}
	return all
}

// sharing is what holds for a cloud.
func (c *Config) sharing(cloud CloudConfig) ShareConfig {
	sharing := c.ShareConfig
	if len(cloud.Members) > 0 {
		sharing.Members = cloud.Members
	}
	if len(cloud.PrecacheAggregates) > 0 {
		sharing.PrecacheAggregates = cloud.PrecacheAggregates
	}
	return sharing
}

// guests signs in to the projects that are to accept the image. That they can
// is known before anything is sent.
func (p *PostProcessor) guests(ctx context.Context, d *delivery, members []MemberConfig) ([]*glance.Client, error) {
	var guests []*glance.Client
	for _, member := range members {
		if member.Cloud == "" {
			continue
		}
		guest, err := p.signIn(ctx, d.cloud.as(member))
		if err == nil {
			err = d.welcome(guest, member)
		}
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", member.ProjectID, err)
		}
		guests = append(guests, guest)
	}
	return guests, nil
}

// welcome makes sure that the guest is of the member's project, which is not the
// owner's: only then does Glance let it accept.
func (d *delivery) welcome(guest *glance.Client, member MemberConfig) error {
	owner, err := d.client.Project()
	if err != nil {
		return err
	}
	project, err := guest.Project()
	switch {
	case err != nil:
		return err
	case project != member.ProjectID:
		return fmt.Errorf("cloud %s signs in to project %s, which cannot accept the image for another", member.Cloud, project)
	case project == owner:
		return errors.New("it owns the image and needs no invitation: leave this member out")
	}
	return nil
}

// as is the way to the same cloud as somebody else.
func (c CloudConfig) as(member MemberConfig) CloudConfig {
	return CloudConfig{Name: member.Cloud, Config: access.Config{
		CloudsFile: c.CloudsFile, Region: c.Region, Interface: c.Interface, EndpointType: c.EndpointType,
		CACertFile: c.CACertFile, ClientCertFile: c.ClientCertFile, ClientKeyFile: c.ClientKeyFile, Insecure: c.Insecure,
	}}
}

// accept has the guests accept the image. Where one cannot, the image stays: it
// is whole, and the others may use it already.
func (d *delivery) accept(ctx context.Context, guests []*glance.Client, said *voice) error {
	for _, guest := range guests {
		if err := guest.Accept(ctx, d.image.ID); err != nil {
			return fmt.Errorf("image %s is published and stays, but: %w", d.image.ID, err)
		}
	}
	if len(guests) > 0 {
		said.Step(fmt.Sprintf("Image %s is accepted by %d of its %d members", d.image.ID, len(guests), len(d.spec.Members)))
	}
	return nil
}

// precache asks Nova to cache the image. What fails is told and is no failure of
// the publication.
func (d *delivery) precache(ctx context.Context, aggregates []string, said *voice) {
	if len(aggregates) == 0 {
		return
	}
	asked, err := d.client.Precache(ctx, d.image.ID, aggregates)
	if len(asked) > 0 {
		said.Step(fmt.Sprintf("Nova was asked to cache image %s on the hosts of %s", d.image.ID, strings.Join(asked, ", ")))
	}
	if err != nil {
		d.warn(said, fmt.Sprintf("Image %s is published, but is not cached beforehand everywhere: %s", d.image.ID, err))
	}
}
