package inspect

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect/packages"
)

// TestPackagesAreNamedAsTheGuestProgramDoes asks the guest program's own files,
// so that both sides stay of one mind.
func TestPackagesAreNamedAsTheGuestProgramDoes(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs sh: whether the guest program names the packages alike is not tested")
	}
	files, err := filepath.Glob("../guest/scripts/families/*.sh")
	if err != nil || len(files) != len(families()) {
		t.Fatalf("the guest program knows the families %v, %v; want as many as the disk side, %d", files, err, len(families()))
	}
	systems := map[string][]OS{
		"alpine": {{ID: "alpine", VersionID: "3.20.3"}, {ID: "alpine", VersionID: "3.9"}, {ID: "alpine", VersionID: "3.23.0"}, {ID: "alpine", VersionID: "3.24"}}, "arch": {{ID: "arch"}, {ID: "endeavouros", IDLike: "arch"}},
		"debian": {
			{ID: "debian", VersionID: "12"},
			{ID: "debian", VersionID: "13"},
			{ID: "debian"},
			{ID: "ubuntu", IDLike: "debian", VersionID: "16.04"},
			{ID: "ubuntu", IDLike: "debian", VersionID: "24.04"},
			{ID: "ubuntu", IDLike: "debian", VersionID: "25.10"},
			{ID: "linuxmint", IDLike: "ubuntu debian", VersionID: "22"},
		},
		"gentoo": {{ID: "gentoo", VersionID: "2.17"}},
		"redhat": {
			{ID: "centos", IDLike: "rhel fedora", VersionID: "7"},
			{ID: "rocky", IDLike: "rhel centos fedora", VersionID: "9.4"},
			{ID: "fedora", VersionID: "41"},
			{ID: "amzn", IDLike: "centos rhel fedora", VersionID: "2"},
			{ID: "amzn", IDLike: "fedora", VersionID: "2023"},
			{ID: "ol", IDLike: "fedora", VersionID: "8.10"},
		},
		"suse": {{ID: "opensuse-leap", IDLike: "suse opensuse", VersionID: "15.6"}, {ID: "sles", IDLike: "suse", VersionID: "15.5"}, {ID: "opensuse-tumbleweed", IDLike: "opensuse suse"}},
	}
	for name, list := range systems {
		for _, os := range list {
			if got := familyOf(os).name; got != name {
				t.Errorf("%+v: got the family %q, want %s", os, got, name)
			}
			for _, ours := range []string{
				"cloud-init", "growpart", "growroot", "ssh-server", "ext-tools", "xfs-tools", "btrfs-tools", "gpt-tools",
				"dhcp-client", "acpid", "qemu-guest-agent", "datasources",
			} {
				want := askGuestProgram(t, name, os, ours)
				if got := familyOf(os).packageOf(os, ours); got != want {
					t.Errorf("%s of %s %s: got %q, and the guest program says %q", ours, os.ID, os.VersionID, got, want)
				}
			}
		}
	}
}

func askGuestProgram(t *testing.T, family string, system OS, name string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", `
		in_words() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac; }
		installed() { return 1; }
		. "$1"
		"$2_package" "$3"`, "sh", "../guest/scripts/families/"+family+".sh", family, name)
	cmd.Env = append(os.Environ(), "OS_ID="+system.ID, "OS_VERSION="+system.VersionID)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("asking the guest program for %s of %s: %v", name, family, err)
	}
	return strings.TrimSpace(string(out))
}

func TestUnknownDistributionHasTheCommonNames(t *testing.T) {
	os := OS{ID: "void"}
	if f := familyOf(os); f.name != "" || f.packageOf(os, "ext-tools") != "e2fsprogs" || f.packageOf(os, "acpid") != "acpid" {
		t.Errorf("got %+v", f)
	}
}

func TestSUSEsServerHasTwoNames(t *testing.T) {
	i := installed{os: OS{ID: "sles"}, family: familyOf(OS{ID: "sles"})}
	if got := i.packageOf("ssh-server"); got != "openssh" {
		t.Errorf("without a database: got %q", got)
	}
	i.db = &packages.Database{Packages: []packages.Package{{Name: "openssh", Version: "9.6"}, {Name: "openssh-server", Version: "9.6"}}}
	if got := i.as("ssh-server"); got != " (package openssh-server 9.6)" {
		t.Errorf("got %q", got)
	}
}

func TestInstalledIsReadOverTheGuestsMounts(t *testing.T) {
	tr := newTree(files{"var/": "", "lib": "-> usr/lib"}.fs())
	tr.mount("/var", files{"lib/dpkg/status": "Package: cloud-init\nStatus: install ok installed\nVersion: 1\n"}.fs(), "")
	if i := loadInstalled(tr, OS{ID: "debian"}); i.err != nil || i.version("cloud-init") != "1" {
		t.Errorf("got %+v", i)
	}
	tr = newTree(files{"lib": "-> usr/lib", "usr/lib/apk/db/installed": "P:cloud-init\nV:2\n"}.fs())
	if i := loadInstalled(tr, OS{ID: "alpine"}); i.err != nil || i.version("cloud-init") != "2" {
		t.Errorf("apk over a link: got %+v", i)
	}
	tr = newTree(files{"var/": ""}.fs())
	tr.mount("/var", nil, "partition 3: LUKS")
	if i := loadInstalled(tr, OS{ID: "debian"}); i.err == nil || !strings.Contains(i.err.Error(), "partition 3: LUKS") {
		t.Errorf("an unread /var: got %+v", i)
	}
	if i := loadInstalled(newTree(files{}.fs()), OS{}); i.err != nil || i.version("x") != "" {
		t.Errorf("no database: got %+v", i)
	}
}
