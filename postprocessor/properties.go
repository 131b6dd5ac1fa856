//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// PropertiesConfig is what a template can say of the image's properties.
type PropertiesConfig struct {
	// Properties of the image. They win over those of `properties_from` and over
	// the derived ones; an empty value leaves one out. A value that Nova or Glance
	// would refuse, or would silently take for another, is a mistake of the
	// template; a name that neither knows may have any value.
	Properties map[string]string `mapstructure:"properties"`
	// A JSON file with further properties: an object whose values are strings,
	// or what `properties_file` wrote. They win over the derived ones. Default:
	// none is read.
	PropertiesFrom string `mapstructure:"properties_from"`
	// A standard that the properties must follow, `scs-0102-v1` or
	// `scs-0102-v2`; see below. Default: none.
	Profile string `mapstructure:"profile"`

	// loaded are the properties of the file.
	loaded map[string]string
}

// said are the properties of the template and its file.
func (c *PropertiesConfig) said() map[string]string {
	said := maps.Clone(c.loaded)
	if said == nil {
		said = map[string]string{}
	}
	maps.Copy(said, c.Properties)
	return said
}

// propertyMistakes returns what is wrong with the properties that the template
// decides alone.
func (c *Config) propertyMistakes() error {
	mistakes := []error{checkProperties("properties", c.Properties)}
	for _, cloud := range c.Clouds {
		mistakes = append(mistakes, checkProperties("cloud "+cloud.label()+": properties", cloud.Properties))
	}
	if c.Profile == "" {
		return errors.Join(mistakes...)
	}
	if err := property.Profile(c.Profile).Validate(); err != nil {
		return errors.Join(append(mistakes, fmt.Errorf("profile: %w", err))...)
	}
	if c.PropertiesFrom == "" {
		mistakes = append(mistakes, c.profileMistakes(property.Profile.CheckSaid, c.withLimits(c.said())))
	}
	return errors.Join(mistakes...)
}

// checkProperties returns every value that Nova or Glance would not take.
func checkProperties(attribute string, properties map[string]string) error {
	var mistakes []error
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if properties[name] == "" {
			continue // It leaves the property out.
		}
		if err := property.Check(name, properties[name]); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", attribute, err))
		}
	}
	return errors.Join(mistakes...)
}

// profileMistakes returns what check finds in the properties of each cloud's
// image. What is wrong in all of them is said once.
func (c *Config) profileMistakes(check func(property.Profile, map[string]string) error, properties map[string]string) error {
	told := map[string]bool{}
	var mistakes []error
	for _, cloud := range c.clouds() {
		own := maps.Clone(properties)
		maps.Copy(own, cloud.Properties)
		err := check(property.Profile(c.Profile), own)
		if err == nil || told[err.Error()] {
			continue
		}
		told[err.Error()] = true
		if len(c.Clouds) > 0 {
			err = fmt.Errorf("cloud %s: %w", cloud.label(), err)
		}
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}

// withLimits adds what the options min_disk and min_ram say to properties.
func (c *Config) withLimits(properties map[string]string) map[string]string {
	for name, value := range map[string]int{property.MinDisk: c.MinDisk, property.MinRAM: c.MinRAM} {
		if value > 0 {
			properties[name] = strconv.Itoa(value)
		}
	}
	return properties
}

// loadProperties reads the file that properties_from names, and returns every
// mistake in it and in what it makes of the template.
func (p *PostProcessor) loadProperties() error {
	c := &p.config
	if c.PropertiesFrom == "" {
		return nil
	}
	loaded, err := report.LoadProperties(c.PropertiesFrom)
	if err != nil {
		return fmt.Errorf("properties_from: %w", err)
	}
	if err := c.takeLimits(loaded); err != nil {
		return fmt.Errorf("properties_from: %s: %w", c.PropertiesFrom, err)
	}
	c.loaded = loaded
	mistakes := []error{checkProperties("properties_from: "+c.PropertiesFrom, loaded), c.specMistakes()}
	if c.Profile != "" {
		mistakes = append(mistakes, c.profileMistakes(property.Profile.CheckSaid, c.withLimits(c.said())))
	}
	return errors.Join(mistakes...)
}

// takeLimits makes options of min_disk and min_ram, which are no properties in
// Glance, unless the template has set them.
func (c *Config) takeLimits(loaded map[string]string) error {
	for name, option := range map[string]*int{property.MinDisk: &c.MinDisk, property.MinRAM: &c.MinRAM} {
		value, ok := loaded[name]
		if !ok {
			continue
		}
		delete(loaded, name)
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return fmt.Errorf("%s = %q: want a whole number, 0 or more", name, value)
		}
		if *option == 0 {
			*option = n
		}
	}
	return nil
}

// describe puts what the profile adds and what people said over the derived
// properties.
func (p *PostProcessor) describe(r *report.Report) error {
	c := &p.config
	if c.Profile != "" {
		built, err := builtOf(r)
		if err != nil {
			return err
		}
		r.Properties = property.Profile(c.Profile).Complete(r.Properties, built)
	}
	r.Properties = property.Override(r.Properties, c.loaded, "set in "+c.PropertiesFrom)
	r.Properties = property.Override(r.Properties, c.Properties, "set in the template")
	if c.MinDisk > 0 {
		limit := map[string]string{property.MinDisk: strconv.Itoa(c.MinDisk)}
		r.Properties = property.Override(r.Properties, limit, "set in the template")
	}
	return nil
}

// checkProfile returns what breaks the profile now that all properties are
// known.
func (p *PostProcessor) checkProfile(r *report.Report) error {
	if p.config.Profile == "" {
		return nil
	}
	whole := map[string]string{}
	for _, one := range r.Properties {
		whole[one.Name] = one.Value
	}
	return p.config.profileMistakes(property.Profile.Check, p.config.withLimits(whole))
}

// builtOf is what the disk and its inspection say of the build.
func builtOf(r *report.Report) (property.Built, error) {
	info, err := os.Stat(r.Image.Path)
	if err != nil {
		return property.Built{}, fmt.Errorf("find out when the disk was written: %w", err)
	}
	return property.Built{
		At: info.ModTime(),
		VirtioDisk: slices.ContainsFunc(r.Findings, func(f requirement.Finding) bool {
			return f.ID == requirement.Virtio && f.Side == requirement.Disk && f.Verdict == requirement.Met
		}),
	}, nil
}
