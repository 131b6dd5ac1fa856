// Package glance publishes a disk image in OpenStack's image service: sign in,
// create, send, confirm, publish, and remove what did not come to be whole.
package glance

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// Client is a signed-in user of one Glance. It may be used by several
// goroutines at once.
type Client struct {
	service *gophercloud.ServiceClient
	// endpoint says which of a service's addresses in the catalogue is used.
	endpoint gophercloud.EndpointOpts
	requests *http.Client
	transfer *http.Client
	patience Patience
}

// Patience bounds every wait. A zero field takes its default.
type Patience struct {
	// Request is for one request other than the data; default 60 s.
	Request time.Duration
	// Idle is how long Glance may accept no byte of the data; default 2 min.
	Idle time.Duration
	// Answer is how long Glance may take to answer after the last byte, while
	// its store takes them in; default 10 min.
	Answer time.Duration
	// Settle is how long an image may take to become active, or to leave
	// "saving" after a broken transfer; default 5 min.
	Settle time.Duration
	// Import is how long an import may go on in the cloud without a sign of life;
	// a download by Glance gives none until it is whole; default 1 h.
	Import time.Duration
	// Remove is for removing a failed image, also after a cancel; default 60 s.
	Remove time.Duration
	// Pause is the first pause before something is tried again; it doubles each
	// time up to 30 times itself; default 1 s.
	Pause time.Duration
	// Attempts is how often the data is sent at most; default 5.
	Attempts int
}

func (p Patience) withDefaults() Patience {
	return Patience{
		Request:  cmp.Or(p.Request, time.Minute),
		Idle:     cmp.Or(p.Idle, 2*time.Minute),
		Answer:   cmp.Or(p.Answer, 10*time.Minute),
		Settle:   cmp.Or(p.Settle, 5*time.Minute),
		Import:   cmp.Or(p.Import, time.Hour),
		Remove:   cmp.Or(p.Remove, time.Minute),
		Pause:    cmp.Or(p.Pause, time.Second),
		Attempts: cmp.Or(p.Attempts, 5),
	}
}

const (
	connectTimeout = 15 * time.Second
	// continueTimeout is how long a server may think about the headers before
	// the data is sent without its leave; some proxies never give it.
	continueTimeout = 5 * time.Second
	// socketBuffer saves system calls: the default of 4 KiB is made for pages.
	socketBuffer = 256 << 10
)

func newClient(access Access, tlsConfig *tls.Config) *Client {
	patience := access.Patience.withDefaults()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = tlsConfig
	transport.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	transport.ExpectContinueTimeout = continueTimeout
	transport.WriteBufferSize = socketBuffer
	logged := &wire{next: transport, log: access.Log}
	return &Client{
		requests: &http.Client{Transport: logged, CheckRedirect: stayOnHost, Timeout: patience.Request},
		transfer: &http.Client{Transport: logged, CheckRedirect: stayOnHost},
		patience: patience,
	}
}

// stayOnHost keeps the token from following a redirect to somebody else:
// net/http strips Authorization there, but not X-Auth-Token.
func stayOnHost(request *http.Request, via []*http.Request) error {
	if request.URL.Host != via[0].URL.Host || request.URL.Scheme != via[0].URL.Scheme || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// Endpoint is the URL of this Glance, without a version.
func (c Client) Endpoint() string {
	return c.service.Endpoint
}

// Format implements fmt.Formatter: the client holds a token and a password.
func (c Client) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "Glance at "+c.Endpoint())
}

// Get returns an image as Glance describes it now.
func (c *Client) Get(ctx context.Context, id string) (*Image, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	got, err := images.Get(ctx, c.service, id).Extract()
	if err != nil {
		return nil, translated("Glance", err)
	}
	return imageOf(got), nil
}

// pageImages is how many images a page may have: Glance's own default is 25,
// which takes hundreds of requests in a large cloud.
const pageImages = 100

// list returns the images that Glance has for the query, page by page.
func (c *Client) list(ctx context.Context, query images.ListOpts) ([]*Image, error) {
	query.Limit = pageImages
	var pages pagination.Page
	err := c.persist(ctx, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
		defer cancel()
		pages, err = images.List(c.service, query).AllPages(ctx)
		return translated("Glance", err)
	})
	if err != nil {
		return nil, err
	}
	got, err := images.ExtractImages(pages)
	if err != nil {
		return nil, fmt.Errorf("read Glance's list of images: %w", err)
	}
	all := make([]*Image, len(got))
	for n := range got {
		all[n] = imageOf(&got[n])
	}
	return all, nil
}

// listHiddenToo asks twice, since a list is of either kind, never of both
// (glance/api/v2/images.py).
func (c *Client) listHiddenToo(ctx context.Context, query images.ListOpts) ([]*Image, error) {
	query.Hidden = false
	shown, err := c.list(ctx, query)
	if err != nil {
		return nil, err
	}
	query.Hidden = true
	hidden, err := c.list(ctx, query)
	return append(shown, hidden...), err
}

func (c *Client) create(ctx context.Context, options images.CreateOpts) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	_, err := images.Create(ctx, c.service, options).Extract()
	return translated("Glance", err)
}

func (c *Client) update(ctx context.Context, id string, patches ...images.Patch) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	_, err := images.Update(ctx, c.service, id, images.UpdateOpts(patches)).Extract()
	return translated("Glance", err)
}

// Delete removes an image for good. One that is not there is no error.
func (c *Client) Delete(ctx context.Context, id string) error {
	if err := c.delete(ctx, id); err != nil && !gone(err) {
		return fmt.Errorf("delete image %s from Glance at %s: %w%s", id, c.Endpoint(), err, advice(err))
	}
	return nil
}

func (c *Client) delete(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	return translated("Glance", images.Delete(ctx, c.service, id).ExtractErr())
}

// target is where the data go: file for a store, stage for the staging area.
type target struct {
	id    string
	place string
	// store is the store of a file, empty for the default one.
	store string
}

// put sends the body to the image once, by a request of our own: gophercloud
// sends no length, and sends an empty body when it tries again.
func (c *Client) put(ctx context.Context, to target, body io.ReadCloser, size int64, token string) error {
	url := c.service.ServiceURL("images", to.id, to.place)
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.ContentLength = size
	if size == 0 {
		request.Body = http.NoBody
	}
	request.Header.Set("X-Auth-Token", token)
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("Accept", "application/json")
	// So that a refusal comes before the data.
	request.Header.Set("Expect", "100-continue")
	// Glance 31.0.0 refuses a transfer that is shorter than this says.
	request.Header.Set("x-openstack-image-size", fmt.Sprint(size))
	if to.store != "" {
		request.Header.Set("X-Image-Meta-Store", to.store)
	}
	response, err := c.transfer.Do(request)
	if err != nil {
		return unwrapURL(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusNoContent {
		return nil
	}
	words, _ := io.ReadAll(io.LimitReader(response.Body, maxWordsBytes))
	return newServerError("Glance", response.StatusCode, response.Header, words)
}

func (c *Client) token() string {
	return c.service.Token()
}

// renew takes a new token in the place of the one that was refused.
func (c *Client) renew(ctx context.Context, refused string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	if c.service.ReauthFunc == nil {
		return fmt.Errorf("the token has expired and there is only a token to sign in with")
	}
	if err := c.service.Reauthenticate(ctx, refused); err != nil {
		return keystoneError("sign in to Keystone again", err)
	}
	return nil
}
