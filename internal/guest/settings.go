package guest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values of Settings.Initialisation.
const (
	// InitialisationAuto takes cloud-init where the guest can have it, and the
	// plugin's own boot scripts elsewhere.
	InitialisationAuto = "auto"
	// InitialisationCloudInit takes cloud-init, which must be had.
	InitialisationCloudInit = "cloud-init"
	// InitialisationScripts takes the plugin's own boot scripts.
	InitialisationScripts = "scripts"
)

// The time for which the boot scripts look for metadata.
const (
	// DefaultScriptsWait is enough for a cloud whose network comes up late.
	DefaultScriptsWait = 2 * time.Minute
	// MaxScriptsWait is the most that they take.
	MaxScriptsWait = 9999 * time.Second
)

// Values of Settings.Network.
const (
	// NetworkCloudInit leaves the network to what initialises the instance: it
	// takes away what the installer configured by name or MAC address.
	NetworkCloudInit = "cloud-init"
	// NetworkDHCPAll configures every Ethernet card by DHCP.
	NetworkDHCPAll = "dhcp-all"
	// NetworkEth0 gives network cards the kernel's names (net.ifnames=0) and
	// configures eth0 by DHCP.
	NetworkEth0 = "eth0"
	// NetworkKeep changes no network configuration.
	NetworkKeep = "keep"
)

// Values of Settings.Firewall.
const (
	// FirewallDisable keeps firewalls from starting at the next boot.
	FirewallDisable = "disable"
	// FirewallKeep leaves firewalls on.
	FirewallKeep = "keep"
)

// Parts of Settings.Cleanup.
const (
	CleanupLogs           = "logs"
	CleanupPackageCache   = "package-cache"
	CleanupTemporaryFiles = "temporary-files"
	CleanupBackups        = "backups"
	CleanupSpools         = "spools"
	CleanupRegistration   = "registration"
	CleanupManagement     = "management"
)

var (
	// CleanupParts lists every part of the clean-up that can be chosen.
	CleanupParts = []string{
		CleanupLogs, CleanupPackageCache, CleanupTemporaryFiles, CleanupBackups,
		CleanupSpools, CleanupRegistration, CleanupManagement,
	}
	// DefaultCleanup are the parts that are done when none is named.
	DefaultCleanup = []string{CleanupLogs, CleanupPackageCache, CleanupTemporaryFiles}
	// DefaultDatasources is cloud-init's list of data sources. ConfigDrive comes
	// first, as ds-identify then needs no metadata service where there is a
	// config drive.
	DefaultDatasources = []string{"ConfigDrive", "OpenStack", "None"}
)

// Settings say how the guest is to be. The zero value is what most people want.
type Settings struct {
	// Initialisation is one of the constants; empty means InitialisationAuto.
	Initialisation string
	// DefaultUser is the account that gets the instance's SSH key. Empty means
	// the one that the distribution's cloud-init has.
	DefaultUser string
	// Datasources is cloud-init's datasource_list; empty means
	// DefaultDatasources, or only OpenStack with ForceDatasource.
	Datasources []string
	// ForceDatasource makes cloud-init try its data sources although the
	// machine does not say that it is in OpenStack, as on Ironic, VMware and
	// Hyper-V.
	ForceDatasource bool
	// Network is one of the constants; empty means NetworkCloudInit.
	Network string
	// Consoles are values of the kernel argument console=, in order; empty
	// means tty0 and the serial port of the architecture.
	Consoles []string
	// Firewall is one of the constants; empty means FirewallDisable.
	Firewall string
	// NoScriptsUserData keeps the plugin's own boot scripts from running user
	// data.
	NoScriptsUserData bool
	// ScriptsWait is how long the boot scripts look for metadata at a boot, in
	// whole seconds from 1 to 9999; 0 means DefaultScriptsWait.
	ScriptsWait time.Duration
	// Packages are installed besides those that requirements need.
	Packages []string
	// Offline keeps the program from installing packages.
	Offline bool
	// Cleanup lists parts of CleanupParts; nil means DefaultCleanup.
	Cleanup []string
	// KeepPasswords leaves passwords that were set during the build.
	KeepPasswords bool
	// ZeroFreeSpace writes zeros over free space where the disk takes no trim.
	ZeroFreeSpace bool
	// Xen asks for drivers of Xen guests, of every kernel.
	Xen bool
	// WholeLog makes the program say everything that was printed in the guest.
	WholeLog bool
}

// plainWords is what a setting may be made of, so that it cannot be mistaken
// for anything else in the guest's files and commands.
var plainWords = regexp.MustCompile(`^[A-Za-z0-9_@/.,:+=~^ -]*$`)

// script returns the settings as assignments of the shell, in defaults too.
func (s Settings) script() (string, error) {
	datasources := s.Datasources
	switch {
	case len(datasources) == 0 && s.ForceDatasource:
		datasources = []string{"OpenStack"}
	case len(datasources) == 0:
		datasources = DefaultDatasources
	}
	cleanup := s.Cleanup
	if cleanup == nil {
		cleanup = DefaultCleanup
	}
	var b strings.Builder
	for _, v := range []struct{ name, value string }{
		{"INITIALISATION", cmp.Or(s.Initialisation, InitialisationAuto)},
		{"DEFAULT_USER", s.DefaultUser},
		{"DATASOURCES", strings.Join(datasources, " ")},
		{"FORCE_DATASOURCE", yes(s.ForceDatasource)},
		{"NETWORK", cmp.Or(s.Network, NetworkCloudInit)},
		{"CONSOLES", strings.Join(s.Consoles, " ")},
		{"FIREWALL", cmp.Or(s.Firewall, FirewallDisable)},
		{"SCRIPTS_USER_DATA", strconv.FormatBool(!s.NoScriptsUserData)},
		{"SCRIPTS_WAIT", strconv.Itoa(int(cmp.Or(s.ScriptsWait, DefaultScriptsWait).Seconds()))},
		{"PACKAGES", strings.Join(s.Packages, " ")},
		{"OFFLINE", yes(s.Offline)},
		{"CLEAN_UP", strings.Join(slices.Compact(slices.Clone(cleanup)), " ")},
		{"KEEP_PASSWORDS", yes(s.KeepPasswords)},
		{"ZERO_FREE_SPACE", yes(s.ZeroFreeSpace)},
		{"XEN", yes(s.Xen)},
		{"WHOLE_LOG", yes(s.WholeLog)},
	} {
		if !plainWords.MatchString(v.value) {
			return "", fmt.Errorf("setting %s: %q has characters that are not allowed", strings.ToLower(v.name), v.value)
		}
		fmt.Fprintf(&b, "SET_%s='%s'\n", v.name, v.value)
	}
	return b.String(), nil
}

// yes is true or false in the program: "yes", or nothing.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
