package inspect

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect/packages"
)

// family is a kind of distribution and how it names the packages that the
// requirements need. The guest program has the same names, one file a family.
type family struct {
	name string
	// ids are the values of ID and ID_LIKE by which it is told, a * at the end
	// standing for anything.
	ids []string
	// packages: our name to the distribution's, several with spaces between.
	packages map[string]string
}

// families are in the order in which they are asked.
func families() []family {
	return []family{
		{"alpine", []string{"alpine"}, map[string]string{
			"growpart": "cloud-utils-growpart sfdisk partx", "ssh-server": "openssh-server-pam", "ext-tools": "e2fsprogs-extra",
			"xfs-tools": "xfsprogs-extra", "sfdisk": "sfdisk", "gpt-tools": "sgdisk", "dhcp-client": "dhcpcd",
		}},
		{"arch", []string{"arch", "archarm"}, map[string]string{
			"growpart": "cloud-guest-utils", "ssh-server": "openssh", "gpt-tools": "gptfdisk", "dhcp-client": "dhcpcd",
		}},
		{"debian", []string{"debian", "ubuntu"}, map[string]string{
			"growpart": "cloud-guest-utils", "growroot": "cloud-initramfs-growroot", "sfdisk": "fdisk", "gpt-tools": "gdisk",
		}},
		{"gentoo", []string{"gentoo"}, map[string]string{
			"cloud-init": "app-emulation/cloud-init", "growpart": "sys-fs/growpart", "ssh-server": "net-misc/openssh",
			"ext-tools": "sys-fs/e2fsprogs", "xfs-tools": "sys-fs/xfsprogs", "btrfs-tools": "sys-fs/btrfs-progs",
			"sfdisk": "sys-apps/util-linux", "gpt-tools": "sys-apps/gptfdisk", "dhcp-client": "net-misc/dhcpcd", "acpid": "sys-power/acpid",
			"qemu-guest-agent": "app-emulation/qemu-guest-agent",
		}},
		{"redhat", []string{"fedora", "rhel", "centos"}, map[string]string{
			"growpart": "cloud-utils-growpart", "growroot": "dracut-modules-growroot", "gpt-tools": "gdisk",
		}},
		{"suse", []string{"suse*", "opensuse*", "sles*", "sled*"}, map[string]string{
			"ssh-server": "openssh", "btrfs-tools": "btrfsprogs", "gpt-tools": "gptfdisk",
		}},
	}
}

// common are the names that most families agree on.
func common() map[string]string {
	return map[string]string{
		"ssh-server": "openssh-server", "ext-tools": "e2fsprogs", "xfs-tools": "xfsprogs", "btrfs-tools": "btrfs-progs",
		"sfdisk": "util-linux",
	}
}

// familyOf returns the family that os-release names, by ID first; an empty one
// where none is known, with the names that most agree on.
func familyOf(os OS) family {
	for _, id := range append([]string{os.ID}, strings.Fields(os.IDLike)...) {
		for _, f := range families() {
			if slices.ContainsFunc(f.ids, func(pattern string) bool { ok, err := path.Match(pattern, id); return ok && err == nil }) {
				return f
			}
		}
	}
	return family{}
}

// packageOf returns what the family calls the package that holds what we call
// name.
func (f family) packageOf(os OS, name string) string {
	switch {
	case name == "dhcp-client" && f.name == "debian":
		return debianDHCPClient(os)
	case name == "dhcp-client" && f.name == "redhat":
		return redhatDHCPClient(os)
	case name == "datasources" && f.name == "alpine" && compareVersions(os.VersionID, "3.23") >= 0:
		return "cloud-init-datasource-configdrive cloud-init-datasource-openstack"
	case name == "datasources":
		return "" // they come with cloud-init
	}
	if theirs, ok := f.packages[name]; ok {
		return theirs
	}
	if theirs, ok := common()[name]; ok {
		return theirs
	}
	return name
}

// debianDHCPClient: Debian 13 and what came after moved to dhcpcd.
func debianDHCPClient(os OS) string {
	major, _, _ := strings.Cut(os.VersionID, ".")
	old := (os.ID == "debian" && (len(major) == 1 || major == "10" || major == "11" || major == "12")) ||
		(os.ID == "ubuntu" && len(major) == 2 && major < "25")
	if old {
		return "isc-dhcp-client"
	}
	return "dhcpcd-base"
}

// redhatDHCPClient: it is needed for the service network; NetworkManager has
// its own.
func redhatDHCPClient(os OS) string {
	major, _, _ := strings.Cut(os.VersionID, ".")
	if major == "6" || major == "7" || (os.ID == "amzn" && (major == "2" || strings.HasPrefix(major, "201"))) {
		return "dhclient"
	}
	return "dhcp-client"
}

// installed knows the packages of a guest.
type installed struct {
	os     OS
	family family
	db     *packages.Database
	// err says why the database could not be read.
	err error
}

func loadInstalled(t *tree, os OS) installed {
	i := installed{os: os, family: familyOf(os)}
	i.db, i.err = packages.Read(guestFS{t})
	if errors.Is(i.err, diskerr.ErrNotFound) {
		i.err = nil
	}
	return i
}

// packageOf returns what the guest's family calls a package, by our name. SUSE's
// openssh is the server, and since Leap 15.4 what brings it.
func (i installed) packageOf(name string) string {
	if _, split := i.db.Version("openssh-server"); split && name == "ssh-server" {
		return "openssh-server"
	}
	return i.family.packageOf(i.os, name)
}

// version returns the version of the package that we call name; empty where it
// is not installed, or where the database says nothing.
func (i installed) version(name string) string {
	first, _, _ := strings.Cut(i.packageOf(name), " ")
	version, _ := i.db.Version(first)
	return version
}

// as names the package that we call name for evidence, in brackets and with its
// version; it is empty where the database does not have it.
func (i installed) as(name string) string {
	if version := i.version(name); version != "" {
		first, _, _ := strings.Cut(i.packageOf(name), " ")
		return " (package " + quote(first+" "+version) + ")"
	}
	return ""
}

// guestFS is the guest's tree as io/fs has it.
type guestFS struct{ *tree }

func (g guestFS) Open(name string) (fs.File, error) {
	f, err := g.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (g guestFS) Stat(name string) (fs.FileInfo, error) { return g.stat(name) }

func (g guestFS) ReadDir(name string) ([]fs.DirEntry, error) { return g.entries(name) }
