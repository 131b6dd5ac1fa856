package glance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
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
		ID: query.ID, Name: inList(query.Name), Tags: query.Tags, Visibility: query.listed(),
		Owner: query.Owner, Status: images.ImageStatus(query.Status), Hidden: query.Hidden,
	})
	if err != nil {
		return nil, fmt.Errorf("list the images of Glance at %s: %w%s", c.Endpoint(), err, advice(err))
	}
	found := slices.DeleteFunc(query.weigh(listed), func(c candidate) bool { return len(c.differs) > 0 })
	slices.SortStableFunc(found, newestFirst)
	switch {
	case len(found) == 0:
		return nil, c.noneFound(ctx, query)
	case len(found) > 1 && !query.Newest:
		return nil, fmt.Errorf("find an image in Glance at %s: %d match; set newest = true or say more:%s", c.Endpoint(), len(found), shown(found))
	}
	return found[0].Image, nil
}

// listed is the visibility to ask for: Glance lists community images only where
// they are asked for, and an ID is asking enough.
func (q Query) listed() images.ImageVisibility {
	if q.ID != "" && q.Visibility == "" {
		return "all"
	}
	return images.ImageVisibility(q.Visibility)
}

// noneFound lists what may have been meant among all that the project sees.
func (c *Client) noneFound(ctx context.Context, query Query) error {
	listed, err := c.listHiddenToo(ctx, images.ListOpts{Visibility: "all"})
	if err != nil {
		return fmt.Errorf("find an image in Glance at %s: none matches; what there is could not be listed: %w", c.Endpoint(), err)
	}
	if len(listed) == 0 {
		return fmt.Errorf("find an image in Glance at %s: this project sees no image at all", c.Endpoint())
	}
	all := query.weigh(listed)
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(len(a.differs), len(b.differs)), cmp.Compare(b.likeness, a.likeness), newestFirst(a, b))
	})
	return fmt.Errorf("find an image in Glance at %s: none matches; closest to it are:%s", c.Endpoint(), shown(all))
}

// candidate is an image that may be the wanted one.
type candidate struct {
	*Image
	// differs names what keeps it from being so.
	differs []string
	// likeness is 1 for the wanted name and 0 for one that has nothing of it.
	likeness float64
}

func newestFirst(a, b candidate) int { return b.CreatedAt.Compare(a.CreatedAt) }

func (q Query) weigh(listed []*Image) []candidate {
	pattern := regexp.MustCompile(q.NamePattern)
	all := make([]candidate, len(listed))
	for n, image := range listed {
		all[n] = candidate{
			Image:    image,
			differs:  q.differences(image, pattern),
			likeness: levenshtein.Match(strings.ToLower(q.Name), strings.ToLower(image.Name), nil),
		}
	}
	return all
}

// inList keeps a name from being read as an operator of Glance's filters, such
// as in:a,b (glance/common/utils.py, split_filter_op).
func inList(name string) string {
	if strings.Contains(name, ":") {
		return ""
	}
	return name
}

func (q Query) differences(image *Image, pattern *regexp.Regexp) []string {
	var all []string
	differs := func(what string, wanted bool) {
		if !wanted {
			all = append(all, what)
		}
	}
	differs("id", q.ID == "" || image.ID == q.ID)
	differs("name", (q.Name == "" || image.Name == q.Name) && pattern.MatchString(image.Name))
	differs("owner", q.Owner == "" || image.Owner == q.Owner)
	differs("hash", q.Hash == "" || image.HashValue == strings.ToLower(q.Hash))
	differs("status", q.Status == "" || image.Status == q.Status)
	differs("visibility", q.Visibility == image.Visibility || q.Visibility == "" && (q.ID != "" || image.Visibility != "community"))
	differs("hidden", q.Hidden == image.Hidden)
	for _, tag := range q.Tags {
		differs("tag "+tag, slices.Contains(image.Tags, tag))
	}
	for _, name := range slices.Sorted(maps.Keys(q.Properties)) {
		got, ok := image.Properties[name]
		differs("property "+name, ok && got == q.Properties[name])
	}
	return all
}

// maxCandidates is what a person reads.
const maxCandidates = 10

// shown is a line for each of the first candidates.
func shown(all []candidate) string {
	var text strings.Builder
	for n, c := range all {
		if n == maxCandidates {
			fmt.Fprintf(&text, "\n  and %d more", len(all)-n)
			break
		}
		fmt.Fprintf(&text, "\n  %s %q, %s, %s", c.ID, c.Name, c.Status, c.Visibility)
		if c.Hidden {
			text.WriteString(", hidden")
		}
		fmt.Fprintf(&text, ", created %s", c.CreatedAt.UTC().Format(time.RFC3339))
		if len(c.differs) > 0 {
			fmt.Fprintf(&text, ", differs in %s", strings.Join(c.differs, ", "))
		}
	}
	return text.String()
}
