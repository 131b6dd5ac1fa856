// Package image is the Packer data source "openstack-ready-image": an image that
// a Glance has.
package image

import (
	"context"
	"fmt"
	"log"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/hcl2helper"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/zclconf/go-cty/cty"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// Datasource is the component that Packer drives.
type Datasource struct {
	config Config
}

var _ packersdk.Datasource = (*Datasource)(nil)

// ConfigSpec tells Packer which options there are.
func (d *Datasource) ConfigSpec() hcldec.ObjectSpec {
	return d.config.FlatMapstructure().HCL2Spec()
}

// OutputSpec tells Packer what the data source gives.
func (d *Datasource) OutputSpec() hcldec.ObjectSpec {
	return (&DatasourceOutput{}).FlatMapstructure().HCL2Spec()
}

// Configure reads the template's options and asks no cloud.
func (d *Datasource) Configure(raws ...any) error {
	d.config = Config{}
	return d.config.decode(raws...)
}

// Execute finds the image. Packer cannot cancel a data source, so the option
// timeout bounds it.
func (d *Datasource) Execute() (cty.Value, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.config.Timeout)
	defer cancel()
	found, err := d.find(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (the option timeout = %q ended it)", err, d.config.Timeout)
	}
	if err != nil {
		return cty.NullVal(cty.EmptyObject), err
	}
	return hcl2helper.HCL2ValueFromConfig(outputOf(found), d.OutputSpec()), nil
}

func (d *Datasource) find(ctx context.Context) (*glance.Image, error) {
	client, err := glance.SignIn(ctx, glance.Access{
		Cloud:  d.config.Cloud,
		Config: d.config.Config,
		Log:    func(line string) { log.Printf("[DEBUG] %s", line) },
	})
	if err != nil {
		return nil, err
	}
	return client.Find(ctx, d.config.query)
}
