//go:generate packer-sdc struct-markdown

// Package access holds the options that say as whom, and where, a component
// signs in to a cloud. It is plain data that any component can squash into its
// own options.
package access

import (
	"errors"
	"fmt"
	"slices"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/secret"
)

// Config says as whom to sign in. What it sets wins over the cloud's entry in
// clouds.yaml and secure.yaml, and these win over the OS_* variables. Whatever
// it leaves empty is taken from there, except that one way to sign in replaces
// another whole: a token is never mixed with somebody else's password.
type Config struct {
	// The `clouds.yaml` to read, with the `secure.yaml` beside it. Default: what
	// `OS_CLIENT_CONFIG_FILE` says, or else the first of `./clouds.yaml`,
	// `~/.config/openstack/clouds.yaml` and `/etc/openstack/clouds.yaml`.
	CloudsFile string `mapstructure:"clouds_file"`
	// Keystone's URL, such as `https://keystone.example.org:5000/v3`.
	// Default: the cloud's, or `OS_AUTH_URL`.
	AuthURL string `mapstructure:"auth_url"`
	// The user's name, such as `builder`. Default: the cloud's, or
	// `OS_USERNAME`.
	Username string `mapstructure:"username"`
	// The user's ID, in the place of `username` and the user's domain. Default:
	// the cloud's, or `OS_USER_ID`.
	UserID string `mapstructure:"user_id"`
	// The user's password. Better left to `secure.yaml` or `OS_PASSWORD`, which
	// are its default.
	Password secret.Secret `mapstructure:"password"`
	// The ID of the user's domain. Default: the cloud's, or `OS_USER_DOMAIN_ID`,
	// or `default`.
	UserDomainID string `mapstructure:"user_domain_id"`
	// The name of the user's domain, such as `Default`. Default: the cloud's, or
	// `OS_USER_DOMAIN_NAME`.
	UserDomainName string `mapstructure:"user_domain_name"`
	// The ID of the project that is to own the image. Default: the cloud's, or
	// `OS_PROJECT_ID`.
	ProjectID string `mapstructure:"project_id"`
	// The name of the project, such as `images`. Default: the cloud's, or
	// `OS_PROJECT_NAME`.
	ProjectName string `mapstructure:"project_name"`
	// The ID of the project's domain. Default: the cloud's, or
	// `OS_PROJECT_DOMAIN_ID`, or `default`.
	ProjectDomainID string `mapstructure:"project_domain_id"`
	// The name of the project's domain. Default: the cloud's, or
	// `OS_PROJECT_DOMAIN_NAME`.
	ProjectDomainName string `mapstructure:"project_domain_name"`
	// The ID of an application credential, which replaces user, password and
	// project. Default: the cloud's, or `OS_APPLICATION_CREDENTIAL_ID`.
	ApplicationCredentialID string `mapstructure:"application_credential_id"`
	// The name of an application credential; its user must be said too.
	// Default: the cloud's, or `OS_APPLICATION_CREDENTIAL_NAME`.
	ApplicationCredentialName string `mapstructure:"application_credential_name"`
	// The application credential's secret. Better left to `secure.yaml` or
	// `OS_APPLICATION_CREDENTIAL_SECRET`, which are its default.
	ApplicationCredentialSecret secret.Secret `mapstructure:"application_credential_secret"`
	// A token, in the place of all other ways to sign in. It can not be renewed:
	// an upload that outlives it fails. Default: `OS_TOKEN`.
	Token secret.Secret `mapstructure:"token"`
	// The region whose Glance is used, such as `RegionOne`. Default: the
	// cloud's, or `OS_REGION_NAME`, or the only one that there is.
	Region string `mapstructure:"region"`
	// Which of Glance's addresses is used: `public`, `internal` or `admin`.
	// Default: the cloud's, or `OS_INTERFACE`, or `public`.
	Interface string `mapstructure:"interface"`
	// An older name of `interface`, as openrc files have it; also
	// `publicURL` and the like. Default: none.
	EndpointType string `mapstructure:"endpoint_type"`
	// A file with the certificates of the authorities to trust, as PEM. Default:
	// the cloud's `cacert`, or `OS_CACERT`, or the machine's own.
	CACertFile string `mapstructure:"cacert_file"`
	// A client certificate for TLS, as PEM; needs `key_file`. Default: the
	// cloud's `cert`, or `OS_CERT`.
	ClientCertFile string `mapstructure:"cert_file"`
	// The client certificate's key, as PEM. Default: the cloud's `key`, or
	// `OS_KEY`.
	ClientKeyFile string `mapstructure:"key_file"`
	// Whether any server certificate is taken for good, which lets whoever is
	// between read the password. Default: the cloud's `verify`, or
	// `OS_INSECURE`, or false.
	Insecure bool `mapstructure:"insecure"`
}

// Validate returns every mistake at once, each naming its option. It reads no
// file and asks no server.
func (c Config) Validate() error {
	return errors.Join(
		notBoth("username", c.Username, "user_id", c.UserID),
		notBoth("user_domain_id", c.UserDomainID, "user_domain_name", c.UserDomainName),
		notBoth("project_id", c.ProjectID, "project_name", c.ProjectName),
		notBoth("project_domain_id", c.ProjectDomainID, "project_domain_name", c.ProjectDomainName),
		notBoth("application_credential_id", c.ApplicationCredentialID, "application_credential_name", c.ApplicationCredentialName),
		c.validateWay(),
		c.validateInterface(),
		needs("cert_file", c.ClientCertFile, "key_file", c.ClientKeyFile),
		needs("key_file", c.ClientKeyFile, "cert_file", c.ClientCertFile),
	)
}

// validateWay refuses two ways to sign in at once.
func (c Config) validateWay() error {
	var ways []string
	if c.Token != "" {
		ways = append(ways, "token")
	}
	if c.Password != "" {
		ways = append(ways, "password")
	}
	if c.HasApplicationCredential() {
		ways = append(ways, "application_credential_*")
	}
	if len(ways) > 1 {
		return fmt.Errorf("%s: %s are two ways to sign in: give one", ways[1], ways[:2])
	}
	return nil
}

func (c Config) validateInterface() error {
	known := []string{"", "public", "internal", "admin"}
	if !slices.Contains(known, c.Interface) {
		return fmt.Errorf("interface: %q: want public, internal or admin", c.Interface)
	}
	if !slices.Contains(append(known, "publicURL", "internalURL", "adminURL"), c.EndpointType) {
		return fmt.Errorf("endpoint_type: %q: want publicURL, internalURL or adminURL", c.EndpointType)
	}
	return notBoth("interface", c.Interface, "endpoint_type", c.EndpointType)
}

// HasApplicationCredential reports whether any option of an application
// credential is set.
func (c Config) HasApplicationCredential() bool {
	return c.ApplicationCredentialID != "" || c.ApplicationCredentialName != "" || c.ApplicationCredentialSecret != ""
}

func notBoth(first, one, second, other string) error {
	if one != "" && other != "" {
		return fmt.Errorf("%s: %s says the same: give one of the two", second, first)
	}
	return nil
}

func needs(first, one, second, other string) error {
	if one != "" && other == "" {
		return fmt.Errorf("%s: needs %s too", first, second)
	}
	return nil
}
