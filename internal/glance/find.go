package glance

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// Query says which image is wanted. What is empty is not asked for.
type Query struct {
	ID string
	// Name is the whole name, NamePattern a regular expression (RE2) for it.
	Name, NamePattern string
	// Tags and Properties are all to be there.
	Tags       []string
	Properties map[string]string
	// Visibility is private, shared, community or public.
	Visibility string
	// Owner is a project's ID.
	Owner string
	// Hash is the os_hash_value.
	Hash   string
	Status string
	// Hidden looks among hidden images only, which are not found otherwise.
	Hidden bool
	// Newest takes the newest of several.
	Newest bool
}

// Validate returns every mistake at once.
func (q Query) Validate() error {
	var mistakes []error
	if bare := (Query{Status: q.Status, Hidden: q.Hidden, Newest: q.Newest}); reflect.DeepEqual(q, bare) {
		mistakes = append(mistakes, errors.New("nothing says which image: set id, name, name_pattern, tags, properties, visibility, owner or hash"))
	}
	if q.Visibility != "" {
		mistakes = append(mistakes, checkOneOf("visibility", q.Visibility, []string{"private", "shared", "community", "public"}))
	}
	if _, err := regexp.Compile(q.NamePattern); err != nil {
		mistakes = append(mistakes, fmt.Errorf("name_pattern: %w", err))
	}
	return errors.Join(mistakes...)
}

// Find returns the one image that the query is for. None, and several without
// Newest, are errors that list what there is.
func (c *Client) Find(ctx context.Context, query Query) (*Image, error) {
	if err := query.Validate(); err != nil {
		return nil, err
	}
	listed, err := c.list(ctx, images.ListOpts{
		ID: query.ID, Name: inList(query.Name), Tags: query.Tags, Visibility: images.ImageVisibility(query.Visibility),
		Owner: query.Owner, Status: images.ImageStatus(query.Status), Hidden: query.Hidden,
	})
	if err != nil {
		return nil, fmt.Errorf("list the images of Glance at %s: %w%s", c.Endpoint(), err, advice(err))
	}
	found := slices.DeleteFunc(slices.Clone(listed), func(image *Image) bool { return !query.matches(image) })
	slices.SortStableFunc(found, func(a, b *Image) int { return b.CreatedAt.Compare(a.CreatedAt) })
	switch {
	case len(found) == 0 && len(listed) == 0:
		return nil, fmt.Errorf("find an image in Glance at %s: this project sees none that has this id, name, tags, visibility, owner and status (hidden: %v)", c.Endpoint(), query.Hidden)
	case len(found) == 0:
		return nil, fmt.Errorf("find an image in Glance at %s: none matches in all; close to it are:%s", c.Endpoint(), candidates(listed))
	case len(found) > 1 && !query.Newest:
		return nil, fmt.Errorf("find an image in Glance at %s: %d match; set newest = true or say more:%s", c.Endpoint(), len(found), candidates(found))
	}
	return found[0], nil
}

// inList keeps a name from being read as an operator of Glance's filters, such
// as in:a,b (glance/common/utils.py, split_filter_op).
func inList(name string) string {
	if strings.Contains(name, ":") {
		return ""
	}
	return name
}

func (q Query) matches(image *Image) bool {
	if q.Name != "" && image.Name != q.Name || q.Hash != "" && image.HashValue != strings.ToLower(q.Hash) {
		return false
	}
	if !regexp.MustCompile(q.NamePattern).MatchString(image.Name) {
		return false
	}
	for name, want := range q.Properties {
		if got, ok := image.Properties[name]; !ok || got != want {
			return false
		}
	}
	return true
}

// maxCandidates is what a person reads.
const maxCandidates = 10

func candidates(all []*Image) string {
	var text strings.Builder
	for n, image := range all {
		if n == maxCandidates {
			fmt.Fprintf(&text, "\n  and %d more", len(all)-n)
			break
		}
		fmt.Fprintf(&text, "\n  %s %q, %s, %s, created %s", image.ID, image.Name, image.Status, image.Visibility, image.CreatedAt.UTC().Format(time.RFC3339))
	}
	return text.String()
}
