package glance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// OnDuplicate says what Publish does when an active image of the same name,
// owner and data is there already.
type OnDuplicate string

const (
	// DuplicateReuse takes that image and brings its description up to date.
	DuplicateReuse OnDuplicate = "reuse"
	// DuplicateUpload makes another one beside it. It is the default.
	DuplicateUpload OnDuplicate = "upload"
	// DuplicateFail is an error.
	DuplicateFail OnDuplicate = "fail"
)

func (s Spec) onDuplicate() OnDuplicate {
	return cmp.Or(s.OnDuplicate, DuplicateUpload)
}

// duplicate returns the image that makes an upload needless, or nil. Only
// where an image of the name and size is there is the source read for it.
func (p *publication) duplicate(ctx context.Context) (*Image, error) {
	if p.spec.onDuplicate() == DuplicateUpload {
		return nil, nil
	}
	candidates, err := p.alike(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for an image of the same data: %w", err)
	}
	if len(candidates) == 0 {
		return nil, nil
	}
	p.progress.Step(fmt.Sprintf("comparing the data with those of image %s, which has the same name and size", candidates[0].ID))
	sums, err := p.read(ctx, transferred()...)
	if err != nil {
		return nil, err
	}
	for _, image := range candidates {
		if confirmed, err := compare(image, p.source.Size(), p.spec.VirtualSize, sums); err == nil && sums.tell(image) {
			image.Confirmed = confirmed
			return p.take(ctx, image, sums)
		}
	}
	return nil, nil
}

// alike are the active images that may hold the same data.
func (p *publication) alike(ctx context.Context) ([]*Image, error) {
	owner, err := p.Project()
	if err != nil {
		return nil, err
	}
	found, err := p.list(ctx, images.ListOpts{Name: inList(p.spec.Name), Owner: owner, Status: images.ImageStatusActive, Visibility: "all"})
	return slices.DeleteFunc(found, func(image *Image) bool {
		return image.Name != p.spec.Name || image.Owner != owner || image.Size != p.source.Size() ||
			image.DiskFormat != p.spec.DiskFormat || image.ContainerFormat != p.spec.containerFormat() || image.HashValue == ""
	}), err
}

// Project returns the ID of the project that the token is for, and so of the
// owner of every image that is created with it.
func (c *Client) Project() (string, error) {
	result, ok := c.service.GetAuthResult().(interface {
		ExtractProject() (*tokens.Project, error)
	})
	if !ok {
		return "", errors.New("this Keystone does not say which project the token is for")
	}
	project, err := result.ExtractProject()
	if err != nil {
		return "", fmt.Errorf("read the project of the token: %w", err)
	}
	if project == nil || project.ID == "" {
		return "", errors.New("the token is for no project; name one with project_name or project_id")
	}
	return project.ID, nil
}

// take uses the image that is there, described as the new one would have been.
func (p *publication) take(ctx context.Context, image *Image, sums Sums) (*Image, error) {
	if p.spec.onDuplicate() == DuplicateFail {
		return nil, fmt.Errorf("image %s has the same name and data, and on_duplicate is \"fail\"", image.ID)
	}
	if err := p.addMD5(ctx, image, sums); err != nil {
		return nil, err
	}
	p.spec.Properties = p.spec.withOwnerSpecified(sums)
	patches := p.spec.updates(image)
	p.progress.Step(fmt.Sprintf("image %s has the same name and data: nothing is sent, %d of its attributes are brought up to date", image.ID, len(patches)))
	if len(patches) > 0 {
		err := p.persist(ctx, func() error { return p.update(ctx, image.ID, patches...) })
		if err != nil {
			return nil, fmt.Errorf("bring image %s up to date: %w%s", image.ID, err, adviceOnVisibility(err, p.spec.visibility()))
		}
	}
	if err := p.invite(ctx, image.ID); err != nil {
		return nil, err
	}
	now, err := p.Get(ctx, image.ID)
	if err != nil {
		return nil, fmt.Errorf("read back image %s: %w", image.ID, err)
	}
	if err := p.spec.differences(now); err != nil {
		return nil, fmt.Errorf("image %s is not what it was to be: %w", image.ID, err)
	}
	now.Confirmed, now.Reused = image.Confirmed, true
	return now, nil
}

// updates are the changes that make the image what the spec says. Properties
// and tags that somebody else has set stay.
func (s Spec) updates(image *Image) []images.Patch {
	var patches []images.Patch
	if image.Visibility != s.visibility() {
		patches = append(patches, images.UpdateVisibility{Visibility: images.ImageVisibility(s.visibility())})
	}
	if image.Hidden {
		patches = append(patches, images.ReplaceImageHidden{NewHidden: false})
	}
	if image.Protected != s.Protected {
		patches = append(patches, images.ReplaceImageProtected{NewProtected: s.Protected})
	}
	if image.MinDisk != s.MinDisk {
		patches = append(patches, images.ReplaceImageMinDisk{NewMinDisk: s.MinDisk})
	}
	if image.MinRAM != s.MinRAM {
		patches = append(patches, images.ReplaceImageMinRam{NewMinRam: s.MinRAM})
	}
	if tags := withTags(image.Tags, s.tags()); len(tags) > len(image.Tags) {
		patches = append(patches, images.ReplaceImageTags{NewTags: tags})
	}
	return append(patches, propertyPatches(image.Properties, s.Properties)...)
}

func withTags(has, wanted []string) []string {
	all := slices.Concat(has, wanted)
	slices.Sort(all)
	return slices.Compact(all)
}

// propertyPatches are the changes from has to wanted, by name.
func propertyPatches(has, wanted map[string]string) []images.Patch {
	var patches []images.Patch
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		value, there := has[name]
		switch {
		case !there:
			patches = append(patches, images.UpdateImageProperty{Op: images.AddOp, Name: name, Value: wanted[name]})
		case value != wanted[name]:
			patches = append(patches, images.UpdateImageProperty{Op: images.ReplaceOp, Name: name, Value: wanted[name]})
		}
	}
	return patches
}

// Names of the properties by which openstacksdk, and so Ansible, knows that an
// image is up to date (openstack/image/_base_proxy.py).
const (
	ownerMD5    = "owner_specified.openstack.md5"
	ownerSHA256 = "owner_specified.openstack.sha256"
	ownerObject = "owner_specified.openstack.object"
)

// ownerSpecified are these properties for data of the given hashes. The user's
// own values win.
func (s Spec) ownerSpecified(sums Sums) map[string]string {
	derived := map[string]string{ownerMD5: sums["md5"], ownerSHA256: sums["sha256"], ownerObject: "images/" + s.Name}
	for name := range s.Properties {
		delete(derived, name)
	}
	return derived
}

// withOwnerSpecified are all properties of the image once it is published.
func (s Spec) withOwnerSpecified(sums Sums) map[string]string {
	all := s.ownerSpecified(sums)
	maps.Copy(all, s.Properties)
	return all
}
