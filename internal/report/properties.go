package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/document"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
)

// PropertiesSchema names the properties document and its version.
const PropertiesSchema = "openstack-ready/properties/v1"

// propertiesDocument is what SaveProperties writes.
type propertiesDocument struct {
	Schema     string              `json:"schema"`
	Properties []property.Property `json:"properties"`
}

// SaveProperties writes the properties alone to the file at path, for those
// who publish the image by other means.
func SaveProperties(path string, properties []property.Property) error {
	return document.Save(path, propertiesDocument{PropertiesSchema, properties})
}

// maxProperties bounds a file of properties, in bytes. Glance takes 128 of them
// (image_property_quota), most of a few words.
const maxProperties = 1 << 20

// LoadProperties reads values by name from the file at path: what
// SaveProperties wrote, or a JSON object whose values are strings.
func LoadProperties(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxProperties+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxProperties {
		return nil, fmt.Errorf("%s has more than the %d bytes that are read of a file of properties", path, maxProperties)
	}
	values, err := parseProperties(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; want a JSON object of strings, or what properties_file writes", path, err)
	}
	return values, nil
}

func parseProperties(b []byte) (map[string]string, error) {
	var saved propertiesDocument
	if json.Unmarshal(b, &saved) != nil || saved.Schema != PropertiesSchema {
		var values map[string]string
		err := json.Unmarshal(b, &values)
		return values, err
	}
	values := map[string]string{}
	for _, p := range saved.Properties {
		values[p.Name] = p.Value
	}
	return values, nil
}
