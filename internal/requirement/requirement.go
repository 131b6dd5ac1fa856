// Package requirement is the catalogue of what a Linux image must be to be
// ready for OpenStack, and the language in which every part of this project
// says whether it is: requirement, verdict, finding.
package requirement

import (
	"fmt"
	"slices"
	"strings"
)

// ID names a requirement. It is stable: reports, templates and scripts use it.
type ID string

// The requirements, in the order in which reports list them.
const (
	RootResize      ID = "root-resize"
	PartitionLayout ID = "partition-layout"
	NoHardcodedMAC  ID = "no-hardcoded-mac"
	SSHServer       ID = "ssh-server"
	NoFirewall      ID = "no-firewall"
	SSHKey          ID = "ssh-key"
	UserData        ID = "user-data"
	ConsoleLog      ID = "console-log"
	XenPVKernel     ID = "xen-pv-kernel"
	Datasource      ID = "datasource"
	Virtio          ID = "virtio"
	DHCP            ID = "dhcp"
	IdentityReset   ID = "identity-reset"
	NoSecrets       ID = "no-secrets"
	ACPIShutdown    ID = "acpi-shutdown"
	GuestAgent      ID = "guest-agent"
	ImageFormat     ID = "image-format"
)

// Level says what an unmet requirement means for the image.
type Level string

// The levels.
const (
	// Required: an instance misbehaves without it; the gate counts it.
	Required Level = "required"
	// Recommended: the guide's example pages ask for it.
	Recommended Level = "recommended"
	// Informational: it only decides an image property.
	Informational Level = "informational"
)

// Side is where a requirement can be looked at.
type Side string

// The sides.
const (
	// Guest: in the running build VM, over the communicator.
	Guest Side = "guest"
	// Disk: in the disk image, without booting or mounting it.
	Disk Side = "disk"
	// Boot: in an instance that was started from a copy of the image.
	Boot Side = "boot"
)

// Sides lists the sides in the order in which reports show them.
func Sides() []Side { return []Side{Guest, Disk, Boot} }

// Requirement is one row of the catalogue.
type Requirement struct {
	ID    ID     `json:"id"`
	Title string `json:"title"`
	Level Level  `json:"level"`
	// Source is the section of the OpenStack image guide, or the other
	// specification, that asks for it.
	Source string `json:"source"`
	// Quote is what the OpenStack image guide says of it, in its own words;
	// empty where it says nothing.
	Quote string `json:"quote,omitempty"`
	// Remedy says in words what makes an image meet it.
	Remedy string `json:"remedy"`
	// Sides lists where it can be looked at.
	Sides []Side `json:"sides"`
}

// SeenFrom reports whether the requirement can be looked at from side s.
func (r Requirement) SeenFrom(s Side) bool { return slices.Contains(r.Sides, s) }

// All returns the whole catalogue in report order. The caller may change it.
func All() []Requirement { return slices.Clone(catalogue) }

// SeenFrom returns, in report order, the requirements that side s can look at.
func SeenFrom(s Side) []Requirement {
	return slices.DeleteFunc(All(), func(r Requirement) bool { return !r.SeenFrom(s) })
}

// ByID returns the requirement named id.
func ByID(id ID) (Requirement, bool) {
	for _, r := range catalogue {
		if r.ID == id {
			return r, true
		}
	}
	return Requirement{}, false
}

// ParseIDs turns the names of a template into IDs. The error names every
// unknown one and lists the known ones.
func ParseIDs(names []string) ([]ID, error) {
	var ids []ID
	var unknown []string
	for _, name := range names {
		if _, ok := ByID(ID(name)); !ok {
			unknown = append(unknown, fmt.Sprintf("%q", name))
			continue
		}
		ids = append(ids, ID(name))
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("unknown requirement %s; known are: %s", strings.Join(unknown, ", "), knownIDs())
	}
	return ids, nil
}

func knownIDs() string {
	names := make([]string, len(catalogue))
	for i, r := range catalogue {
		names[i] = string(r.ID)
	}
	return strings.Join(names, ", ")
}
