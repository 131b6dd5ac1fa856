// Package report puts what is known of one image into one document, and writes
// it for people, as a page or a table for a terminal, and for programs.
package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	guestreport "github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Schema names the JSON document and its version. A field may be added within
// a version; one that changes or goes makes a new version.
const Schema = "openstack-ready/report/v1"

// Report is the document.
type Report struct {
	Schema string `json:"schema"`
	Image  Image  `json:"image"`
	// Facts are as the inspection of the disk read them.
	Facts inspect.Facts `json:"facts"`
	// Findings of every side, by side and then in catalogue order.
	Findings   []requirement.Finding `json:"findings"`
	Properties []property.Property   `json:"properties"`
	// Require lists the requirements that must be met besides the required ones
	// of the catalogue.
	Require []requirement.ID `json:"require,omitempty"`
	// Proof is what a start of a copy of the image showed; absent where none was
	// started.
	Proof *Proof `json:"proof,omitempty"`
	// Timings are in the order in which the stages ended.
	Timings []Timing `json:"timings,omitempty"`
	// Published has an entry for each cloud that the image was to be published
	// in; absent where nothing was to be.
	Published []Published `json:"published,omitempty"`
}

// Proof is what an instance that was started from a copy of the image left
// behind, beside the findings of the side boot.
type Proof struct {
	// Console is what the instance wrote to its serial console.
	Console string `json:"console"`
	// Screenshot is its display, as PNG; empty where none was taken.
	Screenshot []byte `json:"screenshot_png,omitempty"`
}

// Timing is how long one stage of the work took.
type Timing struct {
	// Stage names it, such as inspect or upload.
	Stage   string  `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// Image is the local image file.
type Image struct {
	Path string `json:"path"`
	// Format is as found by content, by the names of Glance's disk_format: raw,
	// qcow2, vmdk, vhd, vhdx or vdi.
	Format string `json:"format"`
	// FileSize and VirtualSize are in bytes.
	FileSize    int64 `json:"file_size"`
	VirtualSize int64 `json:"virtual_size"`
}

// Published is an image in one cloud's Glance, as that tells after the upload.
type Published struct {
	// ID is empty where there is no image.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Cloud is the name in clouds.yaml; both are empty where they were not said.
	Cloud  string `json:"cloud,omitempty"`
	Region string `json:"region,omitempty"`
	// Reused tells that the image was there already and nothing was sent.
	Reused bool `json:"reused,omitempty"`
	// Error is why the image is not, or not fully, published there.
	Error  string `json:"error,omitempty"`
	Status string `json:"status"`
	// DiskFormat is that of the data in Glance.
	DiskFormat string `json:"disk_format"`
	// Size is in bytes.
	Size          int64  `json:"size"`
	HashAlgorithm string `json:"os_hash_algo"`
	HashValue     string `json:"os_hash_value"`
	// Retired are the older images that the image takes the place of.
	Retired []Retired `json:"retired,omitempty"`
	// Warnings are what could not be done once the image was published.
	Warnings []string `json:"warnings,omitempty"`
}

// Retired is an older image and what became of it.
type Retired struct {
	ID string `json:"id"`
	// Name is the one that it has now, or had when it was deleted.
	Name string `json:"name"`
	// Done lists in their order: renamed, hidden, deactivated, deleted.
	Done []string `json:"done,omitempty"`
	// Left says why the image was left as it is, or was not done with.
	Left string `json:"left,omitempty"`
}

// Inspect opens the image at path, inspects it, and starts the report on it.
func Inspect(ctx context.Context, path string) (_ *Report, err error) {
	began := time.Now()
	image, err := disk.OpenWith(ctx, path, disk.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	return InspectImage(ctx, path, image, began)
}

// InspectImage inspects the open image of the file at path, and starts the
// report on it. Its opening began the stage inspect.
func InspectImage(ctx context.Context, path string, image *disk.Image, began time.Time) (*Report, error) {
	result, err := inspect.Image(ctx, image)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", path, err)
	}
	r := New(path, result)
	r.AddTiming("inspect", time.Since(began))
	return r, nil
}

// New starts the report on the image at path with the findings of its
// inspection and the properties derived from it.
func New(path string, result *inspect.Result) *Report {
	info := result.Facts.Disk
	return &Report{
		Schema: Schema,
		Image: Image{
			Path: path, Format: string(info.Format),
			FileSize: info.FileSize, VirtualSize: info.VirtualSize,
		},
		Facts:      result.Facts,
		Findings:   result.Findings,
		Properties: property.Derive(result.Facts),
	}
}

// AddGuest puts what the provisioner found in the guest, and stored in the file
// at path, before the findings of the disk. A report of another build than
// origin is refused; an empty origin accepts any.
func (r *Report) AddGuest(path string, origin guestreport.Origin) error {
	guest, err := guestreport.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w; the provisioner openstack-ready writes it to the file that its option report names", err)
	}
	if err := guest.CheckOrigin(origin); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r.Findings = append(guest.Findings, r.Findings...)
	return nil
}

// AddProof puts what the start of a copy of the image showed behind the other
// findings.
func (r *Report) AddProof(findings []requirement.Finding, proof Proof) {
	r.Findings = append(r.Findings, findings...)
	r.Proof = &proof
}

// AddTiming notes that a stage took d.
func (r *Report) AddTiming(stage string, d time.Duration) {
	r.Timings = append(r.Timings, Timing{Stage: stage, Seconds: d.Seconds()})
}

// Failing returns the findings that keep the image from being ready.
func (r *Report) Failing() []requirement.Finding {
	return requirement.Failing(r.Findings, r.Require...)
}

// counts reports whether the requirement of f must be met.
func (r *Report) counts(f requirement.Finding) bool {
	return f.Requirement().Level == requirement.Required || slices.Contains(r.Require, f.ID)
}
