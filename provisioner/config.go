//go:generate packer-sdc mapstructure-to-hcl2 -type Config
//go:generate packer-sdc struct-markdown

package provisioner

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
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
	// IDs of the only requirements that are looked at and mended, such as
	// `["console-log"]`; those in `skip` are left out of them. The default is
	// all. (Packer keeps the names `only` and `except` to itself: they choose
	// sources.)
	Requirements []string `mapstructure:"requirements" required:"false"`
	// What fetches the key, the host name and user data when an instance
	// boots: `cloud-init`, which is installed if need be; `scripts`, a small
	// program of this plugin, for guests that cannot or shall not have
	// cloud-init; or `auto`, the default: cloud-init where it is installed or
	// the guest's package repositories have it, and scripts where those answer
	// and have none, where what there is of cloud-init is too old for
	// OpenStack, or where `install` is false. Where a repository does not
	// answer, nothing is guessed and the requirements stay unmet.
	Initialisation string `mapstructure:"initialisation" required:"false"`
	// Whether the scripts of `initialisation` run user data that begin with
	// `#!`. With false they set up the account, keys and host name only. The
	// default is true. It does not concern cloud-init, whose own setting is
	// `allow_userdata`.
	ScriptsUserData config.Trilean `mapstructure:"scripts_user_data" required:"false"`
	// How long the scripts of `initialisation` look for a config drive or a
	// metadata service when an instance boots, in whole seconds, such as `60s`;
	// at most `9999s`. The default is `2m`.
	ScriptsWait time.Duration `mapstructure:"scripts_wait" required:"false"`
	// The account that gets the instance's SSH key. It is created at boot if
	// it is missing. The default is the account of the distribution's
	// cloud-init, such as `debian`, `ubuntu` or `cloud-user`.
	DefaultUser string `mapstructure:"default_user" required:"false"`
	// cloud-init's list of data sources. The default is
	// `["ConfigDrive", "OpenStack", "None"]`.
	Datasources []string `mapstructure:"datasources" required:"false"`
	// Makes cloud-init ask its data sources although the machine does not call
	// itself OpenStack, as instances of Ironic, VMware and Hyper-V do not. The
	// default of `datasources` is then `["OpenStack"]`. The default is false.
	ForceDatasource bool `mapstructure:"force_datasource" required:"false"`
	// Who configures the network of an instance: `cloud-init`, the default,
	// leaves it to what initialises the instance and takes away what the
	// installer configured by name or MAC address; `dhcp-all` configures every
	// Ethernet card by DHCP; `eth0` gives cards the kernel's names
	// (`net.ifnames=0`) and configures eth0 by DHCP; `keep` changes no network
	// configuration, and notes what depends on the build VM.
	Network string `mapstructure:"network" required:"false"`
	// Consoles of the kernel, in the order of the kernel's arguments: the last
	// one also gets the messages of the system. The default is `tty0` and the
	// serial port that Nova records: `["tty0", "ttyS0,115200n8"]` on x86,
	// `["tty0", "ttyAMA0,115200n8"]` on ARM, `["tty0", "hvc0"]` on POWER.
	Console []string `mapstructure:"console" required:"false"`
	// `disable`, the default, keeps firewalls from starting at the next boot,
	// since OpenStack filters by security groups; `keep` leaves them on and
	// notes them.
	Firewall string `mapstructure:"firewall" required:"false"`
	// Names of packages to install besides those that the requirements need,
	// as the guest's package manager calls them. The default is none.
	Packages []string `mapstructure:"packages" required:"false"`
	// Whether packages may be installed. With false, for a guest without
	// package sources, missing ones are named. The default is true.
	Install config.Trilean `mapstructure:"install" required:"false"`
	// Parts of the clean-up that are done besides the requirements
	// `identity-reset` and `no-secrets`: `logs` empties what was logged
	// during the build; `package-cache`; `temporary-files`; `backups` removes
	// editors' and password files' backups; `spools` empties those of mail
	// and cron; `registration` gives back subscriptions (RHEL, SLES, Ubuntu
	// Pro), for those who leave out `no-secrets`, which does it too; `management` removes the identity that Puppet, Salt and Chef gave
	// to the build VM. The default is
	// `["logs", "package-cache", "temporary-files"]`; `[]` does none.
	Cleanup []string `mapstructure:"cleanup" required:"false"`
	// Whether the passwords that accounts have are locked, that of the login
	// account too if its sudo asks for none. With false they stay in the image,
	// and are noted. The default is true.
	LockPasswords config.Trilean `mapstructure:"lock_passwords" required:"false"`
	// Writes zeros over the free space of the root file system where the disk
	// takes no trim, so that the image compresses well. It takes as long as
	// writing the whole disk. The default is false.
	ZeroFreeSpace bool `mapstructure:"zero_free_space" required:"false"`
	// Asks for drivers of Xen guests too, whatever the kernel. The default is
	// false: Xen is looked at only for kernels below 3.0.
	Xen bool `mapstructure:"xen" required:"false"`
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

	// Path on the host of a file that gets all that the guest's programs
	// printed, also when the run fails. Its folder must exist. The default is
	// to write none, and to show the last lines of a run that fails.
	LogFile string `mapstructure:"log_file" required:"false"`

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
	c.Initialisation = cmp.Or(c.Initialisation, guest.InitialisationAuto)
	c.Network = cmp.Or(c.Network, guest.NetworkCloudInit)
	c.Firewall = cmp.Or(c.Firewall, guest.FirewallDisable)
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
	_, err = requirement.ParseIDs(c.Requirements)
	check("requirements", err)
	check("initialisation", oneOf(c.Initialisation, guest.InitialisationAuto, guest.InitialisationCloudInit, guest.InitialisationScripts))
	check("network", oneOf(c.Network, guest.NetworkCloudInit, guest.NetworkDHCPAll, guest.NetworkEth0, guest.NetworkKeep))
	check("firewall", oneOf(c.Firewall, guest.FirewallDisable, guest.FirewallKeep))
	check("default_user", each(userForm, "an account name", c.DefaultUser))
	check("datasources", each(datasourceForm, "a name of cloud-init's data sources", c.Datasources...))
	check("console", each(consoleForm, "a console such as tty0 or ttyS0,115200n8", c.Console...))
	check("packages", each(packageForm, "a package name", c.Packages...))
	if len(c.Packages) > 0 && c.Install.False() {
		check("packages", errors.New("they cannot be installed where install is false: leave one of the two out"))
	}
	for _, part := range c.Cleanup {
		check("cleanup", oneOf(part, guest.CleanupParts...))
	}
	_, err = c.executeCommand(guest.Invocation{Command: "sh program"})
	check("execute_command", err)
	if c.ScriptsWait != 0 && (c.ScriptsWait < time.Second || c.ScriptsWait > guest.MaxScriptsWait || c.ScriptsWait%time.Second != 0) {
		check("scripts_wait", fmt.Errorf("%s is not a number of whole seconds from 1s to %ds", c.ScriptsWait, guest.MaxScriptsWait/time.Second))
	}
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

// What the values that end up in the guest's files may look like.
var (
	userForm       = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	datasourceForm = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	consoleForm    = regexp.MustCompile(`^[A-Za-z]+[0-9]*(,[0-9]+[a-z0-9]*)?$`)
	packageForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+._:/-]*$`)
)

// each allows values of the form, empty ones, and one that Packer does not
// know yet.
func each(form *regexp.Regexp, what string, values ...string) error {
	for _, v := range values {
		if v != "" && v != "<unknown>" && !form.MatchString(v) {
			return fmt.Errorf("%q is not %s", v, what)
		}
	}
	return nil
}

// settings are what the guest's program is told.
func (c *Config) settings() guest.Settings {
	return guest.Settings{
		Initialisation:    c.Initialisation,
		NoScriptsUserData: c.ScriptsUserData.False(),
		ScriptsWait:       c.ScriptsWait,
		DefaultUser:       c.DefaultUser,
		Datasources:       c.Datasources,
		ForceDatasource:   c.ForceDatasource,
		Network:           c.Network,
		Consoles:          c.Console,
		Firewall:          c.Firewall,
		Packages:          c.Packages,
		Offline:           c.Install.False(),
		Cleanup:           c.Cleanup,
		KeepPasswords:     c.LockPasswords.False(),
		ZeroFreeSpace:     c.ZeroFreeSpace,
		Xen:               c.Xen,
		WholeLog:          c.LogFile != "",
	}
}

// skipped lists the requirements that are left alone, by either option.
func (c *Config) skipped() ([]requirement.ID, error) {
	skip, err := requirement.ParseIDs(c.Skip)
	if err != nil {
		return nil, fmt.Errorf("skip: %w", err)
	}
	chosen, err := requirement.ParseIDs(c.Requirements)
	if err != nil {
		return nil, fmt.Errorf("requirements: %w", err)
	}
	if len(chosen) == 0 {
		return skip, nil
	}
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		if !slices.Contains(chosen, r.ID) && !slices.Contains(skip, r.ID) {
			skip = append(skip, r.ID)
		}
	}
	return skip, nil
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
