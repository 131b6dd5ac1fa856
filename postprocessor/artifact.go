package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"strings"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registryimage "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

// BuilderID marks the artifacts of this post-processor.
const BuilderID = "packer.post-processor.openstack-ready"

// destroyTimeout bounds what Packer waits for when it throws an artifact away.
const destroyTimeout = 2 * time.Minute

// Artifact is an inspected image and, where it was uploaded, its images in the
// clouds' Glances.
type Artifact struct {
	source packersdk.Artifact
	report *report.Report
	// deliveries are those to the clouds; none where nothing was uploaded.
	deliveries []*delivery
	// written lists the files that the post-processor wrote.
	written []string
}

var _ packersdk.Artifact = (*Artifact)(nil)

// BuilderId identifies the post-processor to those that follow it.
func (a *Artifact) BuilderId() string { return BuilderID }

// Files lists the artifact's disk, which stays where the builder put it, and
// the documents written beside it.
func (a *Artifact) Files() []string { return append(a.source.Files(), a.written...) }

// Id lists the images' IDs in Glance, separated by commas, or is the disk's path
// where nothing was uploaded.
func (a *Artifact) Id() string {
	var ids []string
	for _, d := range a.published() {
		ids = append(ids, d.image.ID)
	}
	if len(ids) == 0 {
		return a.report.Image.Path
	}
	return strings.Join(ids, ",")
}

// published are the deliveries that made an image.
func (a *Artifact) published() []*delivery {
	return slices.DeleteFunc(slices.Clone(a.deliveries), func(d *delivery) bool { return d.image == nil })
}

// String tells a person what there is now.
func (a *Artifact) String() string {
	var lines []string
	for _, d := range a.deliveries {
		if d.image == nil {
			lines = append(lines, fmt.Sprintf("No image in cloud %s", d.cloud.label()))
			continue
		}
		lines = append(lines,
			fmt.Sprintf("Image %s (%s, %s) is %s in cloud %s", d.image.Name, d.image.ID, d.image.DiskFormat, d.image.Status, d.cloud.label()),
			fmt.Sprintf("%s: %s", d.image.HashAlgo, d.image.HashValue))
		for _, r := range d.retired {
			lines = append(lines, r.String())
		}
	}
	if len(a.deliveries) == 0 {
		lines = append(lines, fmt.Sprintf("Image %s was inspected and not uploaded", a.report.Image.Path))
	}
	for _, path := range a.written {
		lines = append(lines, "Written: "+path)
	}
	return strings.Join(lines, "\n")
}

// State gives HCP Packer its metadata, and post-processors that follow the
// facts of the image as generated_data.
func (a *Artifact) State(name string) any {
	switch name {
	case registryimage.ArtifactStateURI:
		return a.registryImages()
	case "generated_data":
		return a.generatedData()
	}
	return nil
}

// registryImages are HCP Packer's, one for each cloud; nil without any.
func (a *Artifact) registryImages() any {
	var all []*registryimage.Image
	for _, d := range a.published() {
		all = append(all, &registryimage.Image{
			ImageID:        d.image.ID,
			ProviderName:   "openstack",
			ProviderRegion: d.cloud.Region,
			Labels:         d.labels(),
		})
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// labels tell what the image is to those who see it in a registry only.
func (d *delivery) labels() map[string]string {
	labels := map[string]string{"name": d.image.Name, "cloud": d.cloud.Name, "disk_format": d.image.DiskFormat, "visibility": d.image.Visibility, d.image.HashAlgo: d.image.HashValue}
	maps.Copy(labels, d.image.Properties)
	maps.DeleteFunc(labels, func(name, value string) bool { return name == "" || value == "" })
	return labels
}

func (a *Artifact) generatedData() map[string]string {
	data := map[string]string{"DiskPath": a.report.Image.Path, "ImageID": a.Id()}
	for _, name := range []string{"os_distro", "os_version", "architecture", property.MinDisk} {
		if value, ok := property.Find(a.report.Properties, name); ok {
			data[name] = value
		}
	}
	return data
}

// Destroy deletes the images that the build has made from all clouds and leaves the disk to its
// builder's artifact. Packer calls it when a later post-processor does not keep
// its input.
func (a *Artifact) Destroy() error {
	ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
	defer cancel()
	var failures []error
	for _, d := range a.published() {
		if d.image.Reused {
			continue // It was there before this build, and others may use it.
		}
		if err := d.client.Delete(ctx, d.image.ID); err != nil {
			failures = append(failures, fmt.Errorf("delete image %s from cloud %s: %w", d.image.ID, d.cloud.label(), err))
		}
	}
	err := errors.Join(failures...)
	if err != nil {
		// The text of an error from here is lost on its way to Packer.
		log.Printf("[ERROR] %s", err)
	}
	return err
}
