package glance

import (
	"github.com/gophercloud/gophercloud/v2"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
)

// defaultDomain is the ID of the domain that every Keystone has, which the
// openstack client takes too where none is said.
const defaultDomain = "default"

// overridden returns the identity with what the template says of it. One way to
// sign in replaces another whole, so that no secret goes to a place that it was
// not made for.
func overridden(identity gophercloud.AuthOptions, own access.Config) gophercloud.AuthOptions {
	if own.AuthURL != "" {
		identity.IdentityEndpoint = own.AuthURL
	}
	switch {
	case own.Token != "":
		identity = gophercloud.AuthOptions{IdentityEndpoint: identity.IdentityEndpoint, TokenID: own.Token.Reveal(), Scope: identity.Scope}
	case own.HasApplicationCredential():
		identity = withApplicationCredential(identity, own)
	case own.Username != "" || own.UserID != "" || own.Password != "":
		identity = withoutOtherWays(identity)
	}
	identity = withUser(identity, own)
	if identity.Scope = scope(identity, own); identity.Scope != nil {
		identity.TenantID, identity.TenantName = identity.Scope.ProjectID, identity.Scope.ProjectName
	}
	if identity.Username != "" && identity.DomainID == "" && identity.DomainName == "" {
		identity.DomainID = defaultDomain
	}
	return identity
}

// withApplicationCredential drops the project, which the credential holds, and
// keeps the user, whom a credential's name needs.
func withApplicationCredential(identity gophercloud.AuthOptions, own access.Config) gophercloud.AuthOptions {
	identity.Password, identity.TokenID = "", ""
	identity.TenantID, identity.TenantName, identity.Scope = "", "", nil
	if own.ApplicationCredentialID != "" {
		identity.ApplicationCredentialID, identity.ApplicationCredentialName = own.ApplicationCredentialID, ""
	}
	if own.ApplicationCredentialName != "" {
		identity.ApplicationCredentialID, identity.ApplicationCredentialName = "", own.ApplicationCredentialName
	}
	if own.ApplicationCredentialSecret != "" {
		identity.ApplicationCredentialSecret = own.ApplicationCredentialSecret.Reveal()
	}
	return identity
}

func withoutOtherWays(identity gophercloud.AuthOptions) gophercloud.AuthOptions {
	identity.TokenID = ""
	identity.ApplicationCredentialID, identity.ApplicationCredentialName, identity.ApplicationCredentialSecret = "", "", ""
	return identity
}

func withUser(identity gophercloud.AuthOptions, own access.Config) gophercloud.AuthOptions {
	if own.Username != "" {
		identity.Username, identity.UserID = own.Username, ""
	}
	if own.UserID != "" {
		identity.Username, identity.UserID, identity.DomainID, identity.DomainName = "", own.UserID, "", ""
	}
	if own.Password != "" {
		identity.Password = own.Password.Reveal()
	}
	if own.UserDomainID != "" || own.UserDomainName != "" {
		identity.DomainID, identity.DomainName = own.UserDomainID, own.UserDomainName
	}
	return identity
}

// scope returns the project that the token is for, nil for the user's own or
// the application credential's.
func scope(identity gophercloud.AuthOptions, own access.Config) *gophercloud.AuthScope {
	wanted := identity.Scope
	switch {
	case identity.ApplicationCredentialID != "" || identity.ApplicationCredentialName != "":
		return nil
	case own.ProjectID != "":
		return &gophercloud.AuthScope{ProjectID: own.ProjectID}
	case own.ProjectName != "":
		wanted = &gophercloud.AuthScope{ProjectName: own.ProjectName}
		if identity.Scope != nil {
			wanted.DomainID, wanted.DomainName = identity.Scope.DomainID, identity.Scope.DomainName
		}
	}
	if wanted == nil || wanted.ProjectName == "" {
		return wanted
	}
	if own.ProjectDomainID != "" || own.ProjectDomainName != "" {
		wanted.DomainID, wanted.DomainName = own.ProjectDomainID, own.ProjectDomainName
	}
	if wanted.DomainID == "" && wanted.DomainName == "" {
		wanted.DomainID = defaultDomain
	}
	return wanted
}
