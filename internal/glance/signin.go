package glance

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// SignIn reads the configuration, takes a token from Keystone, finds Glance in
// the catalogue and makes sure that it answers. Nothing is read or asked before
// it is called. An error names the URL and the user, never a secret.
func SignIn(ctx context.Context, access Access) (*Client, error) {
	found, err := access.settings()
	if err != nil {
		return nil, err
	}
	identity, endpoint, tlsConfig, err := found.parse(access)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", found.label, err)
	}
	client := newClient(access, tlsConfig)
	if err := client.authenticate(ctx, identity, found.label); err != nil {
		return nil, err
	}
	client.endpoint = endpoint
	if err := client.locate(); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, found.label)
	}
	if err := client.reach(ctx); err != nil {
		return nil, err
	}
	return client, nil
}

// parse lets gophercloud merge clouds.yaml, secure.yaml and a public profile,
// and has the last word where the template says something else.
func (s settings) parse(access Access) (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	options, err := s.options(access)
	if err != nil {
		return gophercloud.AuthOptions{}, gophercloud.EndpointOpts{}, nil, err
	}
	identity, endpoint, tlsConfig, err := clouds.Parse(options...)
	if err != nil {
		return identity, endpoint, nil, err
	}
	identity = overridden(identity, access.Config)
	if identity.IdentityEndpoint == "" {
		return identity, endpoint, nil, errors.New("auth_url is missing")
	}
	// A token can not be renewed by itself; everything else can, and must, since
	// an upload may outlive its token.
	identity.AllowReauth = identity.TokenID == ""
	return identity, endpoint, tlsConfig, nil
}

// options settles what template, entry and environment may all say, in this
// order: gophercloud by itself puts the environment before the entry.
func (s settings) options(access Access) ([]clouds.ParseOption, error) {
	insecure, err := s.insecure(access)
	if err != nil {
		return nil, err
	}
	options := []clouds.ParseOption{
		clouds.WithCloudName(s.name),
		clouds.WithCloudsYAML(strings.NewReader(s.clouds.Reveal())),
		clouds.WithRegion(cmp.Or(access.Region, s.entry.Region, os.Getenv("OS_REGION_NAME"))),
		clouds.WithEndpointType(cmp.Or(access.Interface, access.EndpointType, s.entry.EndpointType, s.entry.Interface, environment("OS_INTERFACE", "OS_ENDPOINT_TYPE"))),
		clouds.WithCACertPath(cmp.Or(access.CACertFile, s.entry.CACert, os.Getenv("OS_CACERT"))),
		clouds.WithClientCertPath(cmp.Or(access.ClientCertFile, s.entry.Cert, os.Getenv("OS_CERT"))),
		clouds.WithClientKeyPath(cmp.Or(access.ClientKeyFile, s.entry.Key, os.Getenv("OS_KEY"))),
		clouds.WithInsecure(insecure),
	}
	if s.secure != "" {
		options = append(options, clouds.WithSecureYAML(strings.NewReader(s.secure.Reveal())))
	}
	return options, nil
}

func (s settings) insecure(access Access) (bool, error) {
	if access.Insecure {
		return true, nil
	}
	if s.entry.Verify != nil {
		return !*s.entry.Verify, nil
	}
	return environmentBool("OS_INSECURE")
}

func (c *Client) authenticate(ctx context.Context, identity gophercloud.AuthOptions, label string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	provider, err := openstack.NewClient(identity.IdentityEndpoint)
	if err != nil {
		return fmt.Errorf("use auth_url %q of %s: %w", identity.IdentityEndpoint, label, err)
	}
	provider.HTTPClient = *c.requests
	c.service = &gophercloud.ServiceClient{ProviderClient: provider, Type: "image"}
	doing := fmt.Sprintf("sign in to Keystone at %s as %s (%s)", identity.IdentityEndpoint, who(identity), label)
	if err := openstack.Authenticate(ctx, provider, identity); err != nil {
		return keystoneError(doing, err)
	}
	return nil
}

// who names the account without its secret.
func who(identity gophercloud.AuthOptions) string {
	switch {
	case identity.ApplicationCredentialID != "":
		return fmt.Sprintf("application credential %q", identity.ApplicationCredentialID)
	case identity.ApplicationCredentialName != "":
		return fmt.Sprintf("application credential %q of user %q", identity.ApplicationCredentialName, identity.Username+identity.UserID)
	case identity.TokenID != "":
		return "the bearer of a token"
	}
	return fmt.Sprintf("user %q", identity.Username+identity.UserID)
}

func keystoneError(doing string, err error) error {
	err = translated("Keystone", err)
	var answer *ServerError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s: %w%s", doing, err, adviceOnReaching(err, "; check that auth_url is right and that Keystone can be reached from here"))
	}
	switch answer.Code {
	case http.StatusUnauthorized:
		return fmt.Errorf("%s: %w; check user name, password, domains and project", doing, err)
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w; check that auth_url is that of a Keystone with the v3 API", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// versionSuffix is what some catalogues append to Glance's endpoint.
var versionSuffix = regexp.MustCompile(`/v\d+(\.\d+)?/?$`)

// locate finds Glance in the catalogue.
func (c *Client) locate() error {
	url, err := c.catalogued("image", "Glance")
	if err != nil {
		return fmt.Errorf("find Glance: %w", err)
	}
	c.service.Endpoint = gophercloud.NormalizeURL(versionSuffix.ReplaceAllString(url, ""))
	c.service.ResourceBase = c.service.Endpoint + "v2/"
	return nil
}

// catalogued returns the address of a service in the catalogue that came with
// the token. It asks no server, unlike gophercloud's own look-up, which does and
// can not be cancelled.
func (c *Client) catalogued(kind, name string) (string, error) {
	result, ok := c.service.GetAuthResult().(interface {
		ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
	})
	if !ok {
		return "", errors.New("this Keystone speaks only the v2 API, which is not supported")
	}
	catalogue, err := result.ExtractServiceCatalog()
	if err != nil {
		return "", fmt.Errorf("read the catalogue: %w", err)
	}
	availability := string(c.endpoint.Availability)
	byRegion := endpoints(catalogue, kind, availability)
	if len(byRegion) == 0 {
		return "", fmt.Errorf("the catalogue has no %s endpoint of type %s; does the user's project have access to %s?", availability, kind, name)
	}
	return choose(byRegion, c.endpoint.Region, availability+" "+kind)
}

// endpoints returns the first endpoint of a kind of service in each region.
func endpoints(catalogue *tokens.ServiceCatalog, kind, availability string) map[string]string {
	urls := map[string]string{}
	for _, entry := range catalogue.Entries {
		if entry.Type != kind {
			continue
		}
		for _, endpoint := range entry.Endpoints {
			// Old catalogues have region, new ones region_id.
			region := endpoint.RegionID
			if region == "" {
				region = endpoint.Region
			}
			if _, known := urls[region]; !known && endpoint.Interface == availability {
				urls[region] = endpoint.URL
			}
		}
	}
	return urls
}

// choose takes the region's endpoint, or the only one; what says which kind they
// are of.
func choose(byRegion map[string]string, region, what string) (string, error) {
	regions := slices.Sorted(maps.Keys(byRegion))
	if region == "" && len(regions) == 1 {
		region = regions[0]
	}
	url, ok := byRegion[region]
	switch {
	case ok:
		return url, nil
	case region == "":
		return "", fmt.Errorf("the catalogue has %s endpoints in the regions %s: say which one with region", what, quoted(regions))
	}
	return "", fmt.Errorf("the catalogue has no %s endpoint in region %q; it has them in %s", what, region, quoted(regions))
}

// reach makes sure that Glance is there and takes the token.
func (c *Client) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	onlyOne := func(context.Context, pagination.Page) (bool, error) { return false, nil }
	err := images.List(c.service, images.ListOpts{Limit: 1}).EachPage(ctx, onlyOne)
	if err == nil {
		return nil
	}
	err = translated("Glance", err)
	var answer *ServerError
	if errors.As(err, &answer) {
		return fmt.Errorf("list images of Glance at %s: %w", c.service.Endpoint, err)
	}
	return fmt.Errorf("reach Glance at %s, which the catalogue names: %w%s", c.service.Endpoint, err,
		adviceOnReaching(err, "; check that this address can be reached from here, or choose another interface or region"))
}
