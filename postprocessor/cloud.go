//go:generate packer-sdc mapstructure-to-hcl2 -type CloudConfig
//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"cmp"
	"errors"
	"fmt"
	"maps"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// CloudConfig is one cloud that the image is published in. What it sets
// replaces, for this cloud, the post-processor's option of the same name.
type CloudConfig struct {
	// The cloud's name in `clouds.yaml`. Default: `OS_CLOUD`, and without that
	// the `OS_*` variables.
	Name          string `mapstructure:"name"`
	access.Config `mapstructure:",squash"`
	// The image's name in this cloud.
	ImageName string `mapstructure:"image_name"`
	// Who sees the image in this cloud.
	Visibility string `mapstructure:"visibility"`
	// Properties of the image in this cloud. They are set beside those of the
	// post-processor and win over them; an empty value leaves one out.
	Properties   map[string]string `mapstructure:"properties"`
	FormatConfig `mapstructure:",squash"`
	// The stores of this cloud that keep the image.
	Stores []string `mapstructure:"stores"`
	// The further stores of this cloud that the image is copied to.
	CopyToStores []string `mapstructure:"copy_to_stores"`
	ShareConfig  `mapstructure:",squash"`
}

const (
	onCloudErrorFail     = "fail"
	onCloudErrorContinue = "continue"
)

// label names the cloud where people read it.
func (c CloudConfig) label() string {
	name := cmp.Or(c.Name, "OS_*")
	if c.Region == "" {
		return name
	}
	return name + "/" + c.Region
}

// override replaces in spec what this cloud says itself.
func (c CloudConfig) override(spec glance.Spec) glance.Spec {
	spec.Name = cmp.Or(c.ImageName, spec.Name)
	spec.Visibility = cmp.Or(c.Visibility, spec.Visibility)
	if len(c.Stores) > 0 {
		spec.Sending.Stores, spec.Sending.AllStores = c.Stores, false
	}
	if len(c.CopyToStores) > 0 {
		spec.Sending.CopyTo = c.CopyToStores
	}
	if len(c.Members) > 0 {
		spec.Members = c.projects()
	}
	own := maps.Clone(spec.Properties)
	if own == nil {
		own = map[string]string{}
	}
	for name, value := range c.Properties {
		own[name] = value
		if value == "" {
			delete(own, name)
		}
	}
	spec.Properties = own
	return spec
}

// clouds are those that the image goes to: without a block the one of the
// environment.
func (c *Config) clouds() []CloudConfig {
	if len(c.Clouds) == 0 {
		return []CloudConfig{{}}
	}
	return c.Clouds
}

// cloudMistakes returns what is wrong with the blocks, each naming its cloud.
func (c *Config) cloudMistakes() error {
	var mistakes []error
	if c.OnCloudError != onCloudErrorFail && c.OnCloudError != onCloudErrorContinue {
		mistakes = append(mistakes, fmt.Errorf("on_cloud_error: %q: want fail or continue", c.OnCloudError))
	}
	seen := map[string]bool{}
	for _, cloud := range c.Clouds {
		id := fmt.Sprintf("%s with auth_url %q, project %q, image %q", cloud.label(), cloud.AuthURL, cloud.ProjectID+cloud.ProjectName, cloud.ImageName)
		if seen[id] {
			mistakes = append(mistakes, fmt.Errorf("cloud: %s is there twice", cloud.label()))
		}
		seen[id] = true
		if err := errors.Join(cloud.Validate(), cloud.mistakes()); err != nil {
			mistakes = append(mistakes, fmt.Errorf("cloud %s: %w", cloud.label(), err))
		}
	}
	return errors.Join(mistakes...)
}
