package postprocessor

import (
	"context"
	"fmt"
	"log"
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

// Artifact is an inspected image and, where it was uploaded, its image in
// Glance.
type Artifact struct {
	source packersdk.Artifact
	report *report.Report
	region string
	// written lists the files that the post-processor wrote.
	written []string
	// remove deletes the image from Glance; nil where none was published.
	remove func(context.Context) error
}

var _ packersdk.Artifact = (*Artifact)(nil)

// BuilderId identifies the post-processor to those that follow it.
func (a *Artifact) BuilderId() string { return BuilderID }

// Files lists the artifact's disk, which stays where the builder put it, and
// the documents written beside it.
func (a *Artifact) Files() []string { return append(a.source.Files(), a.written...) }

// Id is the image's ID in Glance, or the disk's path where nothing was
// uploaded.
func (a *Artifact) Id() string {
	if a.report.Published == nil {
		return a.report.Image.Path
	}
	return a.report.Published.ID
}

// String tells a person what there is now.
func (a *Artifact) String() string {
	var lines []string
	if p := a.report.Published; p != nil {
		lines = append(lines,
			fmt.Sprintf("Image %s (%s) is %s in Glance", p.Name, p.ID, p.Status),
			fmt.Sprintf("%s: %s", p.HashAlgorithm, p.HashValue))
	} else {
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
		return a.registryImage()
	case "generated_data":
		return a.generatedData()
	}
	return nil
}

func (a *Artifact) registryImage() any {
	if a.report.Published == nil {
		return nil
	}
	return &registryimage.Image{
		ImageID:        a.report.Published.ID,
		ProviderName:   "openstack",
		ProviderRegion: a.region,
		Labels:         a.labels(),
	}
}

func (a *Artifact) labels() map[string]string {
	labels := map[string]string{"name": a.report.Published.Name}
	for _, p := range a.report.Properties {
		labels[p.Name] = p.Value
	}
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

// Destroy deletes the image from Glance and leaves the disk to its builder's
// artifact. Packer calls it when a later post-processor does not keep its
// input.
func (a *Artifact) Destroy() error {
	if a.remove == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
	defer cancel()
	err := a.remove(ctx)
	if err != nil {
		// The text of an error from here is lost on its way to Packer.
		log.Printf("[ERROR] delete image %s from Glance: %s", a.Id(), err)
	}
	return err
}
