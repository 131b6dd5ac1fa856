//go:generate packer-sdc mapstructure-to-hcl2 -type Config
//go:generate packer-sdc struct-markdown

package provisioner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// defaultExecuteCommand says in a template what guest.DefaultExecuteCommand does.
const defaultExecuteCommand = "{{if not .Root}}sudo -n {{end}}{{.Command}}"

// Values of the option on_unmet.
const (
	onUnmetFail = "fail"
	onUnmetWarn = "warn"
)

// Config is what a template can say to the provisioner. Every option may be
// left out.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// What the provisioner may do in the guest. With `mend`, the default, it
	// looks at every requirement, mends what is unmet, and looks again. With
	// `check` it looks and changes nothing.
	Mode string `mapstructure:"mode" required:"false"`
	// IDs of requirements that are neither looked at nor mended, such as
	// `["guest-agent"]`. The default is none.
	Skip []string `mapstructure:"skip" required:"false"`
	// What happens when a required requirement is not met in the end: `fail`,
	// the default, stops the build; `warn` says so and goes on.
	OnUnmet string `mapstructure:"on_unmet" required:"false"`
	// Path on the host of a JSON file that gets the findings and the changes.
	// The post-processor reads it by its option `guest_report`. Its folder must
	// exist. The default is to write none.
	Report string `mapstructure:"report" required:"false"`
	// The shell command by which the guest runs the provisioner's program as
	// root. It is a template with the variables `{{ .Command }}`, the command
	// to run; `{{ .Root }}`, true when the build has logged in as root; and
	// `{{ .Login }}`, the account it has logged in with. The default is
	// `{{if not .Root}}sudo -n {{end}}{{.Command}}`. For an account whose sudo
	// asks for a password: `echo 'PASSWORD' | sudo -S {{.Command}}`.
	ExecuteCommand string `mapstructure:"execute_command" required:"false"`
	// How long the program may take in the guest, such as `45m`. The default
	// is `30m`, which is also enough for an emulated machine.
	Timeout time.Duration `mapstructure:"timeout" required:"false"`

	ctx interpolate.Context
}

// prepare reads the template's values, without any input or output, and
// reports every mistake in them at once.
func (c *Config) prepare(raws []interface{}) error {
	err := config.Decode(c, &config.DecodeOpts{
		PluginType:         "openstack-ready",
		Interpolate:        true,
		InterpolateContext: &c.ctx,
		InterpolateFilter:  &interpolate.RenderFilter{Exclude: []string{"execute_command"}},
	}, raws...)
	if err != nil {
		return err
	}
	c.setDefaults()
	return c.validate()
}

func (c *Config) setDefaults() {
	if c.Mode == "" {
		c.Mode = string(report.Mend)
	}
	if c.OnUnmet == "" {
		c.OnUnmet = onUnmetFail
	}
	if c.ExecuteCommand == "" {
		c.ExecuteCommand = defaultExecuteCommand
	}
	if c.Timeout == 0 {
		c.Timeout = guest.DefaultTimeout
	}
}

func (c *Config) validate() error {
	var errs *packersdk.MultiError
	check := func(attribute string, err error) {
		if err != nil {
			errs = packersdk.MultiErrorAppend(errs, fmt.Errorf("%s: %w", attribute, err))
		}
	}
	check("mode", oneOf(c.Mode, string(report.Mend), string(report.Check)))
	check("on_unmet", oneOf(c.OnUnmet, onUnmetFail, onUnmetWarn))
	_, err := requirement.ParseIDs(c.Skip)
	check("skip", err)
	_, err = c.executeCommand(guest.Invocation{Command: "sh program"})
	check("execute_command", err)
	if c.Timeout < time.Second {
		check("timeout", fmt.Errorf("%s is less than a second", c.Timeout))
	}
	if errs != nil {
		return errs
	}
	return nil
}

// oneOf allows a value that Packer does not know yet.
func oneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) || value == "<unknown>" {
		return nil
	}
	return fmt.Errorf("%q is neither of %s", value, strings.Join(allowed, ", "))
}

// executeCommand renders the option execute_command for an invocation.
func (c *Config) executeCommand(i guest.Invocation) (string, error) {
	ctx := c.ctx
	ctx.Data = i
	command, err := interpolate.Render(c.ExecuteCommand, &ctx)
	if err != nil {
		return "", err
	}
	if !strings.Contains(command, i.Command) && command != "<unknown>" {
		return "", errors.New("the template does not contain {{.Command}}")
	}
	return command, nil
}
