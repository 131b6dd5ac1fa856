//go:generate packer-sdc mapstructure-to-hcl2 -type Config,DatasourceOutput,Finding,Partition,Kernel,BootEntry
//go:generate packer-sdc struct-markdown

package disk

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
)

// Config is what a template can say to the data source.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// The disk image to inspect: qcow2, raw, VMDK, VHD, VHDX or VDI, also in an
	// OVA or packed with gzip, xz or zstd. Which of them it is, is told by
	// its content. It is only read.
	Path string `mapstructure:"path" required:"true"`
	// How long the inspection may take, such as `30s`. The default is `5m`.
	Timeout time.Duration `mapstructure:"timeout" required:"false"`
}

const defaultTimeout = 5 * time.Minute

// decode reads a template's options and returns every mistake in them at once.
func (c *Config) decode(raws ...any) error {
	if err := config.Decode(c, nil, raws...); err != nil {
		return err
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	var mistakes []error
	if c.Path == "" {
		mistakes = append(mistakes, errors.New("path: name the disk image to inspect"))
	}
	if c.Timeout < 0 {
		mistakes = append(mistakes, fmt.Errorf("timeout: %s: want a time above 0", c.Timeout))
	}
	return errors.Join(mistakes...)
}
