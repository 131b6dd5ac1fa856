//go:generate packer-sdc mapstructure-to-hcl2 -type Config,DatasourceOutput
//go:generate packer-sdc struct-markdown

package image

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// Config is what a template can say to the data source.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// The cloud's name in `clouds.yaml`. Default: `OS_CLOUD`, and without that
	// the `OS_*` variables.
	Cloud         string `mapstructure:"cloud"`
	access.Config `mapstructure:",squash"`
	// The image's ID. A community image is found by it, too.
	ID string `mapstructure:"id"`
	// The image's whole name.
	Name string `mapstructure:"name"`
	// A regular expression (RE2) that the image's name matches somewhere, such
	// as `^Debian 1[23]$`.
	NamePattern string `mapstructure:"name_pattern"`
	// Tags, all of which the image has.
	Tags []string `mapstructure:"tags"`
	// Properties, all of which the image has with these values.
	Properties map[string]string `mapstructure:"properties"`
	// Who sees the image: `private`, `shared`, `community` or `public`.
	Visibility string `mapstructure:"visibility"`
	// The ID of the project that owns the image.
	Owner string `mapstructure:"owner"`
	// The image's `os_hash_value`.
	Hash string `mapstructure:"hash"`
	// The image's status. Default: `active`.
	Status string `mapstructure:"status"`
	// Whether to look among the hidden images instead of the others. Default:
	// false.
	Hidden bool `mapstructure:"hidden"`
	// Whether to take the newest of several. Default: false, several are an
	// error that lists them.
	Newest bool `mapstructure:"newest"`
	// How long the search may take, such as `30s`. Default: `2m`.
	Timeout time.Duration `mapstructure:"timeout"`

	query glance.Query
}

const defaultTimeout = 2 * time.Minute

// decode reads a template's options and returns every mistake in them at once.
func (c *Config) decode(raws ...any) error {
	if err := config.Decode(c, nil, raws...); err != nil {
		return err
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Status == "" {
		c.Status = "active"
	}
	c.query = glance.Query{
		ID: c.ID, Name: c.Name, NamePattern: c.NamePattern, Tags: c.Tags, Properties: c.Properties,
		Visibility: c.Visibility, Owner: c.Owner, Hash: c.Hash, Status: c.Status, Hidden: c.Hidden, Newest: c.Newest,
	}
	mistakes := []error{c.query.Validate(), c.Validate()}
	if c.Timeout < 0 {
		mistakes = append(mistakes, fmt.Errorf("timeout: %s: want a time above 0", c.Timeout))
	}
	return errors.Join(mistakes...)
}
