package glance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// Progress is told how a publication goes on. Its methods are called one at a
// time, Sent from within the transfer, which waits for it.
type Progress interface {
	// Step tells in a sentence what is done next, or again.
	Step(sentence string)
	// Sent tells how many bytes of total have been handed over in this attempt.
	// It falls back to 0 only after a Step that says why.
	Sent(sent, total int64)
}

// quiet is the Progress of nobody.
type quiet struct{}

// Step implements Progress.
func (quiet) Step(string) {}

// Sent implements Progress.
func (quiet) Sent(int64, int64) {}

// Publish makes an image of the source: created under a temporary name, sent,
// confirmed byte for byte, and only then given its name and visibility. When it
// returns an error, what it had created is removed again, even after ctx ended;
// if the removal fails too, the error names the image that remains. It never
// touches an image that it did not create. progress may be nil.
func (c *Client) Publish(ctx context.Context, spec Spec, source Source, progress Progress) (*Image, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if source.Size() <= 0 {
		return nil, fmt.Errorf("publish image %q: there is nothing to send, the source is empty", spec.Name)
	}
	if progress == nil {
		progress = quiet{}
	}
	p := &publication{Client: c, spec: spec, source: source, progress: progress}
	image, err := p.run(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("publish image %q in Glance at %s: %w", spec.Name, c.Endpoint(), err), p.clean(ctx))
	}
	return image, nil
}

// publication is one call of Publish.
type publication struct {
	*Client
	spec     Spec
	source   Source
	progress Progress

	// id and temporary are of the image that is being made; id is empty while
	// there is none.
	id        string
	temporary string
	// route is how the data get there.
	route route
	// uncertain tells that the creation was not clearly answered, so that Glance
	// may have made the image, or be about to.
	uncertain bool
}

func (p *publication) run(ctx context.Context) (*Image, error) {
	if image, err := p.duplicate(ctx); image != nil || err != nil {
		return image, err
	}
	if err := p.sign(ctx); err != nil {
		return nil, err
	}
	if err := p.choose(ctx); err != nil {
		return nil, err
	}
	if err := p.create(ctx); err != nil {
		return nil, err
	}
	if err := p.rehearse(ctx); err != nil {
		return nil, err
	}
	sums, err := p.send(ctx)
	if err != nil {
		return nil, err
	}
	confirmed, err := p.confirm(ctx, sums)
	if err != nil {
		return nil, err
	}
	if confirmed, err = p.copies(ctx, confirmed); err != nil {
		return nil, err
	}
	image, err := p.publish(ctx, sums)
	if err != nil {
		return nil, err
	}
	image.Confirmed = confirmed
	return image, nil
}

// sign adds the properties that depend on the data.
func (p *publication) sign(ctx context.Context) error {
	if p.spec.Sign == nil {
		return nil
	}
	p.progress.Step("reading the data to sign them")
	sums, err := p.read(ctx, transferred()...)
	if err != nil {
		return err
	}
	signed, err := p.spec.Sign(sums)
	if err != nil {
		return err
	}
	maps.Copy(signed, p.spec.Properties)
	p.spec.Properties = signed
	return nil
}

// create makes the image with an ID of our choice, so that it can be found and
// removed even when the answer is lost, and with everything but its name,
// visibility and protection, so that no half-described image is ever seen. It
// is not hidden: a leftover must show in the owner's list.
func (p *publication) create(ctx context.Context) error {
	p.id, p.temporary = newID(), temporaryName(p.spec.Name)
	private := images.ImageVisibilityPrivate
	options := images.CreateOpts{
		ID: p.id, Name: p.temporary, Visibility: &private, Tags: p.spec.tags(),
		DiskFormat: p.spec.DiskFormat, ContainerFormat: p.spec.containerFormat(),
		MinDisk: p.spec.MinDisk, MinRAM: p.spec.MinRAM, Properties: p.spec.Properties,
	}
	p.progress.Step(fmt.Sprintf("creating image %q (%s)", p.temporary, p.id))
	p.uncertain = false
	err := p.persist(ctx, func() error { return p.createOnce(ctx, options) })
	if err == nil {
		return nil
	}
	if !p.uncertain {
		p.id = ""
	}
	return fmt.Errorf("create the image: %w%s", err, advice(err))
}

// createOnce takes an image for created that is there from an earlier try whose
// answer was lost. Nobody else knows its ID and name.
func (p *publication) createOnce(ctx context.Context, options images.CreateOpts) error {
	err := p.Client.create(ctx, options)
	switch {
	case err == nil:
		p.uncertain = false
		return nil
	case codeOf(err) != http.StatusConflict:
		p.uncertain = p.uncertain || (!refused(err) && !unsent(err))
		return err
	}
	if image, getErr := p.Get(ctx, p.id); getErr == nil && image.Name == p.temporary {
		return nil
	}
	return err
}

// rehearse tries the visibility that needs a permission while the image is
// still empty, so that a refusal comes before the data is sent and not after.
func (p *publication) rehearse(ctx context.Context) error {
	wanted := images.ImageVisibility(p.spec.visibility())
	if wanted != images.ImageVisibilityPublic && wanted != images.ImageVisibilityCommunity {
		return nil
	}
	for _, visibility := range []images.ImageVisibility{wanted, images.ImageVisibilityPrivate} {
		if err := p.change(ctx, images.UpdateVisibility{Visibility: visibility}); err != nil {
			return fmt.Errorf("make the image %s: %w%s", visibility, err, adviceOnVisibility(err, string(wanted)))
		}
	}
	return nil
}

// publish gives the confirmed image its name, visibility, protection and the
// hashes of its data in one change, invites its members, and reads back what Glance made of it all.
func (p *publication) publish(ctx context.Context, sums Sums) (*Image, error) {
	p.progress.Step(fmt.Sprintf("naming it %q, visibility %s", p.spec.Name, p.spec.visibility()))
	patches := []images.Patch{
		images.ReplaceImageName{NewName: p.spec.Name},
		images.UpdateVisibility{Visibility: images.ImageVisibility(p.spec.visibility())},
	}
	if p.spec.Protected {
		patches = append(patches, images.ReplaceImageProtected{NewProtected: true})
	}
	patches = append(patches, propertyPatches(nil, p.spec.ownerSpecified(sums))...)
	p.spec.Properties = p.spec.withOwnerSpecified(sums)
	if err := p.change(ctx, patches...); err != nil {
		return nil, fmt.Errorf("name the image %q with visibility %s: %w%s", p.spec.Name, p.spec.visibility(), err, adviceOnVisibility(err, p.spec.visibility()))
	}
	if err := p.invite(ctx, p.id); err != nil {
		return nil, err
	}
	image, err := p.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("read back the image: %w", err)
	}
	if err := p.spec.differences(image); err != nil {
		return nil, fmt.Errorf("the published image is not what it was to be: %w", err)
	}
	return image, nil
}

// differences compares what was asked for with what Glance says.
func (s Spec) differences(image *Image) error {
	mistakes := []error{
		differs("name", image.Name, s.Name),
		differs("visibility", image.Visibility, s.visibility()),
		differs("protected", image.Protected, s.Protected),
		differs("disk_format", image.DiskFormat, s.DiskFormat),
		differs("container_format", image.ContainerFormat, s.containerFormat()),
		differs("min_disk", image.MinDisk, s.MinDisk),
		differs("min_ram", image.MinRAM, s.MinRAM),
	}
	for name, want := range s.Properties {
		mistakes = append(mistakes, differs("property "+name, image.Properties[name], want))
	}
	kept := map[string]bool{}
	for _, tag := range image.Tags {
		kept[tag] = true
	}
	for _, tag := range s.tags() {
		mistakes = append(mistakes, differs(fmt.Sprintf("tag %q", tag), kept[tag], true))
	}
	return errors.Join(mistakes...)
}

func differs[T comparable](what string, got, want T) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s is %v, not %v", what, got, want)
}

func (p *publication) change(ctx context.Context, patches ...images.Patch) error {
	return p.persist(ctx, func() error { return p.update(ctx, p.id, patches...) })
}

// look asks for the image and bears with a server that is away for a moment.
func (p *publication) look(ctx context.Context) (*Image, error) {
	var image *Image
	err := p.persist(ctx, func() (err error) {
		image, err = p.Get(ctx, p.id)
		return err
	})
	return image, err
}

// clean removes the image after a failure, in a time of its own, since ctx may
// be what failed.
func (p *publication) clean(ctx context.Context) error {
	if p.id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.patience.Remove)
	defer cancel()
	p.progress.Step(fmt.Sprintf("removing the unfinished image %s", p.id))
	if err := p.remove(ctx); err != nil {
		return fmt.Errorf("remove the unfinished image %s from Glance: %w; it may remain there: remove it with: openstack image delete %s", p.id, err, p.id)
	}
	return nil
}

// remove deletes the image. One that is not there although Glance may be about
// to make it is asked for again, until it is certain that it does not come.
func (p *publication) remove(ctx context.Context) error {
	for tries := 0; ; tries++ {
		err := p.delete(ctx, p.id)
		switch {
		case err == nil, gone(err) && (!p.uncertain || tries >= lateTries):
			p.id = ""
			return nil
		case codeOf(err) == http.StatusForbidden && p.spec.Protected:
			// The failure came after the image was protected.
			_ = p.update(ctx, p.id, images.ReplaceImageProtected{NewProtected: false})
		case !passing(err) && !gone(err) && codeOf(err) != http.StatusConflict:
			return err
		}
		if tries >= maxRemovals || sleep(ctx, p.pause(tries, err)) != nil {
			return err
		}
	}
}

const (
	// lateTries is how often an image is looked for whose creation was not
	// answered: Glance makes an image in well under a second, and pauses grow.
	lateTries   = 3
	maxRemovals = 8
)

// newID makes a random UUID (RFC 9562, version 4).
func newID() string {
	var random [16]byte
	_, _ = rand.Read(random[:])
	random[6] = random[6]&0x0f | 0x40
	random[8] = random[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", random[0:4], random[4:6], random[6:8], random[8:10], random[10:])
}

// temporaryName says whose image it is and that it is not to be used yet.
func temporaryName(name string) string {
	var random [3]byte
	_, _ = rand.Read(random[:])
	return withSuffix(name, fmt.Sprintf(" (uploading %x)", random))
}

// withSuffix cuts the name so that it keeps to Glance's limit with an ASCII suffix.
func withSuffix(name, suffix string) string {
	characters := []rune(name)
	return string(characters[:min(len(characters), maxText-len(suffix))]) + suffix
}
