//go:generate packer-sdc struct-markdown

package disk

import (
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// DatasourceOutput is what a template can read from the data source.
type DatasourceOutput struct {
	// Whether every required requirement is met.
	Ready bool `mapstructure:"ready"`
	// IDs of the required requirements that are not met or could not be looked
	// at.
	Failing []string `mapstructure:"failing"`
	// The verdict on each requirement, by its ID: `met`, `unmet`,
	// `not-applicable` or `unknown`.
	Verdicts map[string]string `mapstructure:"verdicts"`
	// The format of the image: `qcow2` or `raw`.
	Format string `mapstructure:"format"`
	// The length of the file in bytes.
	FileSize int64 `mapstructure:"file_size"`
	// The size of the disk in it in bytes.
	VirtualSize int64 `mapstructure:"virtual_size"`
	// The derived properties, `min_disk` among them.
	Properties map[string]string `mapstructure:"properties"`
	// The whole report, as `inspect --format json` prints it, for `jsondecode`.
	Report string `mapstructure:"report"`
}

func outputOf(r *report.Report) (DatasourceOutput, error) {
	var document strings.Builder
	if err := r.WriteJSON(&document); err != nil {
		return DatasourceOutput{}, err
	}
	out := DatasourceOutput{
		Failing:     []string{},
		Verdicts:    map[string]string{},
		Format:      r.Image.Format,
		FileSize:    r.Image.FileSize,
		VirtualSize: r.Image.VirtualSize,
		Properties:  map[string]string{},
		Report:      document.String(),
	}
	for _, f := range requirement.Failing(r.Findings) {
		out.Failing = append(out.Failing, string(f.ID))
	}
	out.Ready = len(out.Failing) == 0
	for _, f := range r.Findings {
		out.Verdicts[string(f.ID)] = string(f.Verdict)
	}
	for _, p := range r.Properties {
		out.Properties[p.Name] = p.Value
	}
	return out, nil
}
