//go:generate packer-sdc mapstructure-to-hcl2 -type Config
//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/common"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/hashicorp/packer-plugin-sdk/template/interpolate"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Config is what a template can say of the post-processor.
type Config struct {
	common.PackerConfig `mapstructure:",squash"`

	// The name of the disk file in the artifact, such as `debian.qcow2`. Needed
	// only where the artifact has several disk images; otherwise the disk is
	// found by what the builder says of it and by the files' contents, never by
	// their suffix.
	DiskFile string `mapstructure:"disk_file"`

	// IDs of requirements that must be met besides the required ones of the
	// catalogue, such as `guest-agent`. Default: none.
	Require []string `mapstructure:"require"`
	// What an unmet requirement does: `fail` (default) ends the build before
	// anything is uploaded, `warn` says so and goes on.
	OnUnmet string `mapstructure:"on_unmet"`
	// The file that the provisioner wrote with its own option `report`, to show
	// the guest's findings beside those of the disk. They count like these. One
	// that another run of Packer wrote, or that tells of another source of the
	// template, is an error: it would tell of another disk.
	GuestReport string `mapstructure:"guest_report"`
	// Take a `guest_report` of another run or source too, where it is known to
	// tell of this disk: the disk was built before, say. Default: `false`.
	GuestReportOfAnyBuild bool `mapstructure:"guest_report_of_any_build"`
	// A file to write the whole report to: as a page for people where its name
	// ends in `.html`, as JUnit's XML in `.xml`, as SARIF in `.sarif`, else as
	// JSON. Default: none is written.
	Report string `mapstructure:"report"`
	// A file to write the derived properties to, as JSON. Default: without
	// upload, `<disk file>.properties.json` beside the disk; with upload none.
	PropertiesFile string `mapstructure:"properties_file"`

	// A cloud to publish the image in; may be given several times. The image is
	// then sent to all of them side by side.
	Clouds []CloudConfig `mapstructure:"cloud"`
	// What the failure of one of several clouds does. `fail` (default) ends the
	// build with an error once the others are done. `continue` ends it well as
	// long as one cloud has the image. In either case a cloud keeps an image
	// that it has whole: it was confirmed, and others may use it already.
	OnCloudError string `mapstructure:"on_cloud_error"`
	// Whether to publish the image in Glance. Default: true where there is a
	// `cloud` block, else false. With true and no block the `OS_*` variables say
	// which cloud. Without upload the image is inspected and judged, and the
	// properties are written beside it.
	Upload config.Trilean `mapstructure:"upload"`
	// The image's name in Glance. Default: the build's name.
	ImageName string `mapstructure:"image_name"`
	// Who sees the image: `private` (default), `shared`, `community` or
	// `public`.
	Visibility  string `mapstructure:"visibility"`
	ShareConfig `mapstructure:",squash"`
	// Tags of the image.
	Tags []string `mapstructure:"tags"`
	// Whether Glance refuses to delete the image. Default: false.
	Protected        bool `mapstructure:"protected"`
	PropertiesConfig `mapstructure:",squash"`
	// The smallest flavor disk in GiB. Default: the disk's virtual size.
	MinDisk int `mapstructure:"min_disk"`
	// The least memory in MiB that a flavor must have. Default: 0, no limit.
	MinRAM       int `mapstructure:"min_ram"`
	UploadConfig `mapstructure:",squash"`
	FormatConfig `mapstructure:",squash"`
	// Boots a copy of the image as Nova would before it is uploaded; see below.
	// An image that fails its proof never reaches Glance, unless `on_unmet` is
	// `warn`. Default: nothing is booted.
	Prove *ProveConfig `mapstructure:"prove"`
	// What an active image of the same name, owner and data does that is there
	// already. `reuse` (default) sends nothing and brings that image's
	// properties, tags and visibility up to date. `upload` makes another one
	// beside it. `fail` ends the build.
	OnDuplicate string `mapstructure:"on_duplicate"`
	// Has the image's data signed; see below. Default: they are not signed.
	Signature *SignatureConfig `mapstructure:"signature"`
	// What becomes of the older images of the same name. Default: they stay.
	Retire *RetireConfig `mapstructure:"retire"`
	// How long inspection, proof and upload may take, such as `90m`. Default: `2h`.
	Timeout time.Duration `mapstructure:"timeout"`

	require []requirement.ID
	ctx     interpolate.Context
}

const defaultTimeout = 2 * time.Hour

// decode reads a template's options and returns every mistake in them at once.
func (c *Config) decode(raws ...any) error {
	err := config.Decode(c, &config.DecodeOpts{
		PluginType:         BuilderID,
		Interpolate:        true,
		InterpolateContext: &c.ctx,
	}, raws...)
	if err != nil {
		return err
	}
	c.setDefaults()
	return c.validate()
}

func (c *Config) setDefaults() {
	if c.OnUnmet == "" {
		c.OnUnmet = onUnmetFail
	}
	if c.Visibility == "" {
		c.Visibility = "private"
	}
	if c.ImageName == "" {
		c.ImageName = c.PackerBuildName
	}
	if c.OnCloudError == "" {
		c.OnCloudError = onCloudErrorFail
	}
	if c.OnDuplicate == "" {
		c.OnDuplicate = string(glance.DuplicateReuse)
	}
	c.Retire.setDefaults()
	c.Signature.setDefaults()
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
}

const (
	onUnmetFail = "fail"
	onUnmetWarn = "warn"
)

func (c *Config) validate() error {
	var mistakes *packersdk.MultiError
	mistake := func(attribute, format string, args ...any) {
		mistakes = packersdk.MultiErrorAppend(mistakes, fmt.Errorf(attribute+": "+format, args...))
	}
	require, err := requirement.ParseIDs(c.Require)
	if err != nil {
		mistake("require", "%w", err)
	}
	c.require = require
	if c.OnUnmet != onUnmetFail && c.OnUnmet != onUnmetWarn {
		mistake("on_unmet", "%q: want fail or warn", c.OnUnmet)
	}
	if c.MinDisk < 0 {
		mistake("min_disk", "%d: want a number of GiB, 0 or more", c.MinDisk)
	}
	if c.MinRAM < 0 {
		mistake("min_ram", "%d: want a number of MiB, 0 or more", c.MinRAM)
	}
	if c.Timeout < 0 {
		mistake("timeout", "%s: want a time above 0", c.Timeout)
	}
	if strings.ContainsAny(c.DiskFile, `/\`) {
		mistake("disk_file", "%q: want the file's name alone, without a folder", c.DiskFile)
	}
	for _, err := range []error{
		c.UploadConfig.mistakes(), c.FormatConfig.mistakes(), c.Signature.mistakes(), c.Retire.mistakes(),
		c.cloudMistakes(), c.specMistakes(), c.propertyMistakes(), c.Prove.prepare(),
	} {
		if err != nil {
			mistakes = packersdk.MultiErrorAppend(mistakes, err)
		}
	}
	if mistakes == nil {
		return nil
	}
	return mistakes
}

// specMistakes returns what is wrong with the images of the clouds. What is
// wrong with all of them is said once.
func (c *Config) specMistakes() error {
	if !c.uploads() {
		return nil
	}
	told := map[string]bool{}
	var mistakes []error
	for _, cloud := range c.clouds() {
		spec := cloud.override(c.spec())
		spec.DiskFormat = string(disk.FormatRaw) // The disk decides it later.
		err := spec.Validate()
		if err == nil || told[err.Error()] {
			continue
		}
		told[err.Error()] = true
		mistakes = append(mistakes, fmt.Errorf("cloud %s: %w", cloud.label(), err))
	}
	return errors.Join(mistakes...)
}

// uploads reports whether the image goes to Glance.
func (c *Config) uploads() bool {
	if c.Upload == config.TriUnset {
		return len(c.Clouds) > 0
	}
	return c.Upload.True()
}

// spec is the image to create, as far as the template alone decides it.
func (c *Config) spec() glance.Spec {
	return glance.Spec{
		Name:            c.ImageName,
		ContainerFormat: "bare",
		Visibility:      c.Visibility,
		Members:         c.projects(),
		Tags:            c.Tags,
		Protected:       c.Protected,
		MinRAM:          c.MinRAM,
		Properties:      c.said(),
		OnDuplicate:     glance.OnDuplicate(c.OnDuplicate),
		Sending:         c.sending(),
	}
}
