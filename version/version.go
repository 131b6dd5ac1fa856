// Package version holds the plugin's version, set at link time for releases.
package version

import "github.com/hashicorp/packer-plugin-sdk/version"

var (
	// Version is the release, without a leading v.
	Version = "0.1.0"
	// VersionPrerelease is empty in a release, "dev" elsewhere.
	VersionPrerelease = "dev"
)

// Plugin returns the version in the form that Packer asks a plugin for.
func Plugin() *version.PluginVersion {
	return version.NewPluginVersion(Version, VersionPrerelease, "")
}
