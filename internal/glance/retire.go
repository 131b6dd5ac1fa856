package glance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// Retirement says what becomes of the images that a new one takes the place of.
type Retirement struct {
	// Keep is how many of the newest stay as they are, the new one among them; 1
	// or more.
	Keep int
	// Rename puts the date and time of an image's creation behind its name.
	Rename bool
	// Hide takes an image out of the lists; it still boots by its ID.
	Hide bool
	// Deactivate keeps everyone but administrators from reading an image's data,
	// and so from booting it. Most clouds let only administrators do it.
	Deactivate bool
	// Delete removes an image for good. It excludes the others.
	Delete bool
}

// Validate returns every mistake at once.
func (r Retirement) Validate() error {
	var mistakes []error
	if r.Keep < 1 {
		mistakes = append(mistakes, fmt.Errorf("keep is %d; it must be 1 or more, since it counts the new image too", r.Keep))
	}
	gentle := r.Rename || r.Hide || r.Deactivate
	if r.Delete && gentle {
		mistakes = append(mistakes, errors.New("delete leaves nothing to rename, hide or deactivate: set delete alone, or leave it out"))
	}
	if !r.Delete && !gentle {
		mistakes = append(mistakes, errors.New("nothing is asked for: set rename, hide, deactivate or delete"))
	}
	return errors.Join(mistakes...)
}

// Retired is an older image and what became of it.
type Retired struct {
	ID string
	// Name is the one that it has now, or had when it was deleted.
	Name string
	// Done lists in their order: renamed, hidden, deactivated, deleted.
	Done []string
	// Left says why the image was left as it is, or was not done with.
	Left string
}

// String tells a person what became of the image.
func (r Retired) String() string {
	text := fmt.Sprintf("older image %q (%s)", r.Name, r.ID)
	if len(r.Done) > 0 {
		text += " is " + strings.Join(r.Done, ", ")
	}
	if r.Left != "" {
		text += ": left alone, since " + r.Left
	}
	return text
}

// Retire deals with the predecessors of a published image: those of the same
// project that carry ManagedTag, are called as it is or as an earlier
// retirement renamed them, and were created before it. A protected one is left.
// What one image refuses does not keep the others from being retired; the error
// joins all refusals. What an earlier call did is not done again, so that a
// later call completes one that was cut off.
func (c *Client) Retire(ctx context.Context, how Retirement, published *Image) ([]Retired, error) {
	if err := how.Validate(); err != nil {
		return nil, err
	}
	older, err := c.predecessors(ctx, published)
	if err != nil {
		return nil, fmt.Errorf("find the images that %s takes the place of in Glance at %s: %w", published.ID, c.Endpoint(), err)
	}
	var all []Retired
	var failures []error
	for _, image := range older[min(how.Keep-1, len(older)):] {
		r := retiree{publication: &publication{Client: c, id: image.ID}, image: image, name: published.Name, now: Retired{ID: image.ID, Name: image.Name}}
		switch err := r.retire(ctx, how); {
		case gone(err):
			r.now.Left = "somebody deleted it meanwhile"
		case err != nil:
			r.now.Left = err.Error()
			failures = append(failures, fmt.Errorf("retire image %q (%s): %w", image.Name, image.ID, err))
		}
		if len(r.now.Done) > 0 || r.now.Left != "" {
			all = append(all, r.now)
		}
	}
	return all, errors.Join(failures...)
}

// predecessors returns the images that the published one takes the place of,
// the newest first.
func (c *Client) predecessors(ctx context.Context, published *Image) ([]*Image, error) {
	all, err := c.listHiddenToo(ctx, images.ListOpts{Owner: published.Owner, Tags: []string{ManagedTag}})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(image *Image) bool { return !image.precedes(published) })
	slices.SortFunc(all, func(a, b *Image) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, nil
}

// precedes asks Glance's answer once more for all that it was asked for: what is
// retired wrongly hurts others. Images of the same second, Glance's finest
// measure, come from builds side by side, of which neither precedes the other.
func (i *Image) precedes(published *Image) bool {
	return i.ID != published.ID && i.Owner == published.Owner && slices.Contains(i.Tags, ManagedTag) &&
		(i.Status == "active" || i.Status == "deactivated") &&
		(i.Name == published.Name || i.Name == i.retiredName(published.Name)) &&
		i.CreatedAt.Before(published.CreatedAt)
}

// retiredName can be told from the image alone, so that a later build knows the
// image by it.
func (i *Image) retiredName(name string) string {
	return withSuffix(name, " ("+i.CreatedAt.UTC().Format("2006-01-02T150405Z")+")")
}

// retiree is an image that is being retired.
type retiree struct {
	*publication
	image *Image
	// name is the one that the published image has.
	name string
	now  Retired
}

func (r *retiree) retire(ctx context.Context, how Retirement) error {
	if r.image.Protected {
		r.now.Left = "it is protected"
		return nil
	}
	if how.Delete {
		return r.step(r.deleteOlder(ctx), "deleted")
	}
	if retired := r.image.retiredName(r.name); how.Rename && r.image.Name != retired {
		if err := r.step(r.change(ctx, images.ReplaceImageName{NewName: retired}), "renamed"); err != nil {
			return err
		}
		r.now.Name = retired
	}
	if how.Hide && !r.image.Hidden {
		if err := r.step(r.change(ctx, images.ReplaceImageHidden{NewHidden: true}), "hidden"); err != nil {
			return err
		}
	}
	if how.Deactivate && r.image.Status != "deactivated" {
		deactivate := func() error { return r.deactivate(ctx, r.id) }
		return r.step(r.persist(ctx, deactivate), "deactivated")
	}
	return nil
}

// deleteOlder takes an image that is gone for deleted, as after a lost answer.
func (r *retiree) deleteOlder(ctx context.Context) error {
	return r.persist(ctx, func() error {
		if err := r.delete(ctx, r.id); !gone(err) {
			return err
		}
		return nil
	})
}

func (r *retiree) step(err error, done string) error {
	switch {
	case err == nil:
		r.now.Done = append(r.now.Done, done)
		return nil
	case codeOf(err) == http.StatusConflict:
		return fmt.Errorf("it can not be %s while it is in use: %w", done, err)
	}
	return fmt.Errorf("it can not be %s: %w%s", done, err, adviceOnRetirement(err, done))
}

func adviceOnRetirement(err error, done string) string {
	switch {
	case codeOf(err) != http.StatusForbidden:
		return ""
	case done == "deactivated":
		return "; most clouds let only administrators do that: leave deactivate out, or sign in as an administrator"
	}
	return "; the cloud's policy does not let this user do that, or the image is protected meanwhile"
}

// deactivate is a request that gophercloud does not have.
func (c *Client) deactivate(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	response, err := c.service.Post(ctx, c.service.ServiceURL("images", id, "actions", "deactivate"), nil, nil,
		&gophercloud.RequestOpts{OkCodes: []int{http.StatusNoContent}})
	if err == nil {
		err = response.Body.Close()
	}
	return translated("Glance", err)
}
