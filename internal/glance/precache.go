package glance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/aggregates"
)

// precacheVersion is the compute API's first version that fetches images
// beforehand; Nova has it since Ussuri (21.0.0).
const precacheVersion = "2.81"

// Precache asks Nova to fetch the image to the image cache of every host of the
// aggregates, which are named by name, ID or UUID. Nova does so afterwards and
// by itself. It returns the names of the aggregates that it was asked for; one
// that is not known, or that Nova refuses, does not keep the others from it, and
// the error joins what was wrong.
func (c *Client) Precache(ctx context.Context, imageID string, wanted []string) ([]string, error) {
	nova, err := c.compute()
	if err != nil {
		return nil, fmt.Errorf("find Nova: %w", err)
	}
	known, err := c.aggregates(ctx, nova)
	if err != nil {
		return nil, fmt.Errorf("list the host aggregates of Nova at %s: %w%s", nova.Endpoint, err, adviceOnPrecaching(err))
	}
	var asked []string
	var failures []error
	for _, name := range wanted {
		aggregate, err := aggregateNamed(known, name)
		if err == nil {
			err = c.precache(ctx, nova, imageID, aggregate.ID)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("cache image %s on the hosts of aggregate %q: %w%s", imageID, name, err, adviceOnPrecaching(err)))
			continue
		}
		asked = append(asked, aggregate.Name)
	}
	return asked, errors.Join(failures...)
}

// computeVersion is what nearly all catalogues append to Nova's endpoint, some
// with the project's ID behind it.
var computeVersion = regexp.MustCompile(`/v\d+(\.\d+)?(/|$)`)

// compute is Nova, as the same catalogue names it that names Glance.
func (c *Client) compute() (*gophercloud.ServiceClient, error) {
	url, err := c.catalogued("compute", "Nova")
	if err != nil {
		return nil, err
	}
	url = gophercloud.NormalizeURL(url)
	if !computeVersion.MatchString(url) {
		url += "v2.1/"
	}
	return &gophercloud.ServiceClient{ProviderClient: c.service.ProviderClient, Endpoint: url, Type: "compute", Microversion: precacheVersion}, nil
}

func (c *Client) aggregates(ctx context.Context, nova *gophercloud.ServiceClient) ([]aggregates.Aggregate, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	pages, err := aggregates.List(nova).AllPages(ctx)
	if err != nil {
		return nil, translated("Nova", err)
	}
	known, err := aggregates.ExtractAggregates(pages)
	if err != nil {
		return nil, fmt.Errorf("read Nova's list of aggregates: %w", err)
	}
	return known, nil
}

// aggregateNamed prefers a name to an ID, since a name may be a number.
func aggregateNamed(known []aggregates.Aggregate, name string) (aggregates.Aggregate, error) {
	var names []string
	for _, aggregate := range known {
		if aggregate.Name == name {
			return aggregate, nil
		}
		names = append(names, aggregate.Name)
	}
	for _, aggregate := range known {
		if strconv.Itoa(aggregate.ID) == name || aggregate.UUID == name {
			return aggregate, nil
		}
	}
	if len(names) == 0 {
		return aggregates.Aggregate{}, errors.New("the cloud has no aggregates at all")
	}
	return aggregates.Aggregate{}, fmt.Errorf("there is no such aggregate; there are %s", quoted(names))
}

// precache is a request that gophercloud does not have.
func (c *Client) precache(ctx context.Context, nova *gophercloud.ServiceClient, imageID string, aggregate int) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	body := map[string]any{"cache": []map[string]string{{"id": imageID}}}
	response, err := nova.Post(ctx, nova.ServiceURL("os-aggregates", strconv.Itoa(aggregate), "images"), body, nil,
		&gophercloud.RequestOpts{OkCodes: []int{http.StatusAccepted}})
	if err == nil {
		err = response.Body.Close()
	}
	return translated("Nova", err)
}

func adviceOnPrecaching(err error) string {
	switch codeOf(err) {
	case http.StatusForbidden:
		return "; most clouds let only administrators do that: leave precache_aggregates out, or ask for the policies os_compute_api:os-aggregates:index and compute:aggregates:images"
	case http.StatusNotFound, http.StatusNotAcceptable:
		return fmt.Sprintf("; it takes the compute API %s, which Nova has since Ussuri (21.0.0)", precacheVersion)
	}
	return ""
}
