package guest

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// bare is a guest that has what the boot program needs, and no cloud-init.
func bare() files { return bareOn(rootPartition("8386560")) }

func bareOn(root files) files {
	return with(root, guesttest.Installed("e2fsprogs 1.47", "ifupdown 0.8"), ifupdown(), files{
		"usr/bin/curl": "", "usr/bin/sudo": "", "usr/sbin/sfdisk": "", "etc/ssh/": "",
	})
}

const settingsOfDebian = "# Written by packer-plugin-openstack-ready, for /usr/libexec/openstack-ready/boot.\n" +
	"# user gets the SSH keys; budget is how many seconds metadata are waited for.\nuser=debian\nuser_data=true\nbudget=120\n"

// otherInits make the tree one of another init; place is where its services are.
var otherInits = []struct {
	name, place string
	tree        files
}{
	{"systemd", "etc/systemd/system/%.service", files{}},
	{"sysvinit", "etc/init.d/%", files{"run/systemd/system/": "-", "etc/inittab": "id:2:initdefault:\n", "etc/rc2.d/": ""}},
	{"openrc", "etc/init.d/%", files{"run/systemd/system/": "-", "run/openrc/": ""}},
}

// TestBootProgramStandsInForCloudInit mends each requirement that rests on
// cloud-init, with every init.
func TestBootProgramStandsInForCloudInit(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query", "systemctl")
	services := map[requirement.ID]string{
		requirement.RootResize: "openstack-ready-grow", requirement.SSHKey: "openstack-ready-boot",
		requirement.Datasource: "openstack-ready-boot", requirement.UserData: "openstack-ready-user-data",
	}
	for _, init := range otherInits {
		for id, service := range services {
			t.Run(init.name+" "+string(id), func(t *testing.T) {
				t.Parallel()
				root := guesttest.NewTree(t, bare(), init.tree)
				expectMendWith(t, Settings{Initialisation: InitialisationScripts}, []string{"dash"}, root, "", id)
				expectBootFile(t, root, "usr/libexec/openstack-ready/boot", "boot.sh")
				source := map[string]string{"systemd": "systemd/" + service + ".service"}[init.name]
				if source == "" {
					source = init.name + "/" + service
				}
				expectBootFile(t, root, strings.ReplaceAll(init.place, "%", service), source)
				if id != requirement.RootResize {
					expectFile(t, filepath.Join(root, "etc/openstack-ready/boot.conf"), settingsOfDebian)
				}
			})
		}
	}
}

// expectBootFile expects a file of scripts/boot in the tree, to be executed
// unless it is a unit.
func expectBootFile(t *testing.T, root, name, source string) {
	t.Helper()
	want, err := fs.ReadFile(scripts, "scripts/boot/"+source)
	if err != nil {
		t.Fatal(err)
	}
	expectFile(t, filepath.Join(root, name), string(want))
	info, err := os.Stat(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o755)
	if strings.HasSuffix(name, ".service") {
		mode = 0o644
	}
	if info.Mode().Perm() != mode {
		t.Errorf("%s: got mode %o, want %o", name, info.Mode().Perm(), mode)
	}
}

// TestRootOnLVMGrowsBesideCloudInit: cloud-init alone would leave it.
func TestRootOnLVMGrowsBesideCloudInit(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query", "systemctl")
	root := guesttest.NewTree(t, cloudInit(), volume("LVM-abc"))
	expectMendWith(t, Settings{}, []string{"dash"}, root, "", requirement.RootResize)
	expectBootFile(t, root, "etc/systemd/system/openstack-ready-grow.service", "systemd/openstack-ready-grow.service")
	expectFile(t, filepath.Join(root, "etc/systemd/system/openstack-ready-boot.service"), "-")
}

// ancient is a cloud-init from before it knew OpenStack.
var ancient = files{
	"usr/lib/python2.7/dist-packages/cloudinit/sources/__init__.py":              "",
	"usr/lib/python2.7/dist-packages/cloudinit/sources/DataSourceConfigDrive.py": "",
}

// noCloudInit are guests whose package manager knows no cloud-init, and what it
// says when a repository does not answer.
var noCloudInit = []struct {
	family        string
	tree          files
	programs      files
	manager       string
	known, silent string
}{
	{
		"debian", with(debian12, files{"var/lib/apt/lists/x_Packages": ""}),
		files{"dpkg-query": "echo installed openssh-server 9.2"},
		"apt-get",
		`case $* in *update*) ;; *) echo "E: Unable to locate package cloud-init"; exit 100 ;; esac`,
		`case $* in *update*) echo "W: Failed to fetch http://deb.example.org/x  Could not connect" ;; *) echo "E: Unable to locate package cloud-init"; exit 100 ;; esac`,
	},
	{
		"redhat", with(el9, files{"rpms": "-", "system": "-"}),
		files{"rpm": "test $1 != -q"},
		"dnf",
		"echo 'Error: Unable to find a match: cloud-init'; exit 1",
		"echo 'Error: Failed to download metadata for repo baseos: Cannot prepare internal mirrorlist'; exit 1",
	},
	{
		"suse", leap15,
		files{"rpm": "true"},
		"zypper",
		`echo "No provider of 'cloud-init' found."; exit 104`,
		"echo \"Repository 'repo-oss' is invalid.\"; echo \"No provider of 'cloud-init' found.\"; exit 104",
	},
	{
		"arch", with(archEntries, files{"var/lib/pacman/local/cloud-init-25.3-1/desc": "-"}),
		files{},
		"pacman",
		"echo 'error: target not found: cloud-init'; exit 1",
		"echo \"error: failed retrieving file 'core.db' from example.org\"; echo 'error: target not found: cloud-init'; exit 1",
	},
	{
		"alpine", with(alpine320, files{"lib/apk/db/installed": ""}),
		files{},
		"apk",
		"printf 'ERROR: unable to select packages:\\n  cloud-init (no such package):\\n'; exit 1",
		"printf 'WARNING: fetching https://example.org/APKINDEX.tar.gz: temporary error\\n  cloud-init (no such package):\\n'; exit 1",
	},
	{
		"gentoo", with(gentoo, files{"var/db/pkg/app-emulation/cloud-init-25.2/PF": "-"}),
		files{},
		"emerge",
		`echo 'emerge: there are no ebuilds to satisfy "app-emulation/cloud-init".'; exit 1`,
		`echo '!!! Repository gentoo is missing'; echo 'emerge: there are no ebuilds to satisfy "app-emulation/cloud-init".'; exit 1`,
	},
}

// enablers are what enables a service, as far as its files tell.
var enablers = files{
	"systemctl": `for name in "$@"; do :; done
case $* in *enable*)
  mkdir -p /etc/systemd/system/multi-user.target.wants
  ln -sf "../$name" "/etc/systemd/system/multi-user.target.wants/$name"
  ;;
esac`,
	"rc-update": `mkdir -p "/etc/runlevels/$3"
ln -s "/etc/init.d/$2" "/etc/runlevels/$3/$2"`,
}

// TestBootProgramStandsInOnlyWhereNoRepositoryHasCloudInit: one that did not
// answer may have it.
func TestBootProgramStandsInOnlyWhereNoRepositoryHasCloudInit(t *testing.T) {
	ids := []requirement.ID{requirement.Datasource}
	for _, test := range noCloudInit {
		t.Run(test.family, func(t *testing.T) {
			g := unready{only: ids, tree: test.tree, programs: with(test.programs, enablers, files{"curl": "true", test.manager: test.known})}
			_, comm := guesttest.NewBox(t, g.tree, g.programs)
			expectFinding(t, g.runInBox(t, comm).Findings[0], requirement.Met, "the guest's package repositories have no cloud-init, so the boot program stands in")
			expectNoChange(t, g.runInBox(t, comm))

			g.programs[test.manager] = test.silent
			_, comm = guesttest.NewBox(t, g.tree, g.programs)
			expectFinding(t, g.runInBox(t, comm).Findings[0], requirement.Unmet, "cloud-init could not be installed: ")
		})
	}
}

// TestMeansOfTheBootProgramAreInstalledWithIt: in the run that finds that there
// is no cloud-init.
func TestMeansOfTheBootProgramAreInstalledWithIt(t *testing.T) {
	manager := `case $* in *install*cloud-init*) echo "E: Unable to locate package cloud-init"; exit 100 ;;
*install*) for name in "$@"; do :; done; echo "#!/bin/sh" >"/usr/sbin/$name"; chmod +x "/usr/sbin/$name"; echo "$name" >>/installed ;; esac`
	g := unready{
		only: []requirement.ID{requirement.SSHKey}, tree: with(debian12, files{"var/lib/apt/lists/x_Packages": "", "installed": "openssh-server\n"}),
		programs: with(enablers, files{"dpkg-query": `sed "s/.*/installed & 1/" /installed`, "apt-get": manager}),
	}
	_, comm := guesttest.NewBox(t, g.tree, g.programs)
	rep := g.runInBox(t, comm)
	expectFinding(t, rep.Findings[0], requirement.Met, "gives the keys to the account debian")
	if !slices.ContainsFunc(rep.Changes, func(c report.Change) bool { return c.Text == "installed sudo 1" }) {
		t.Errorf("sudo was not installed: %v", rep.Changes)
	}
}

// TestInitialisationDecides looks at and mends trees whose verdict depends on
// who initialises the instance.
func TestInitialisationDecides(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query", "systemctl")
	scripts := Settings{Initialisation: InitialisationScripts}
	for _, test := range []struct {
		name     string
		settings Settings
		id       requirement.ID
		tree     files
		want     requirement.Verdict
		evidence string
	}{
		{"auto has cloud-init", Settings{}, requirement.UserData, cloudInit(), requirement.Met, "cloud_final_modules runs scripts-user"},
		{"auto may not install cloud-init", Settings{Offline: true}, requirement.UserData, bare(), requirement.Met, "there is no cloud-init, and install = false, so the boot program stands in"},
		{"auto has an old cloud-init", Settings{}, requirement.Datasource, with(cloudInit(), bare(), cloudInit(), ancient), requirement.Met, "cloud-init 22.4.2 is too old to know OpenStack"},
		{"no user data", Settings{Initialisation: InitialisationScripts, NoScriptsUserData: true}, requirement.UserData, bare(), requirement.NotApplicable, "scripts_user_data = false asks for"},
		{"a short wait", Settings{Initialisation: InitialisationScripts, ScriptsWait: time.Minute}, requirement.Datasource, bare(), requirement.Met, "asks the config drive"},
		{"cloud-init cannot be had", Settings{Initialisation: InitialisationCloudInit}, requirement.UserData, bare(), requirement.Unmet, "package cloud-init is not installed"},
		{"cloud-init is switched off", scripts, requirement.SSHKey, with(cloudInit(), bare(), cloudInit()), requirement.Met, "gives the keys to the account debian"},
		{"another account", Settings{Initialisation: InitialisationScripts, DefaultUser: "me"}, requirement.SSHKey, bare(), requirement.Met, "gives the keys to the account me"},
		{"nothing to ask with", scripts, requirement.Datasource, with(bare(), files{"usr/bin/curl": "-"}), requirement.Unmet, "no program that can ask the metadata service"},
		{"no way to become root", scripts, requirement.SSHKey, with(bare(), files{"usr/bin/sudo": "-"}), requirement.Unmet, "package sudo is not installed"},
		{"root needs no sudo", Settings{Initialisation: InitialisationScripts, DefaultUser: "root"}, requirement.SSHKey, with(bare(), files{"usr/bin/sudo": "-"}), requirement.Met, "account root"},
		{"nothing to write the table with", scripts, requirement.RootResize, with(bare(), files{"usr/sbin/sfdisk": "-"}), requirement.Unmet, "cloud-guest-utils is not installed"},
		{"a plain root", scripts, requirement.RootResize, bare(), requirement.Met, "boot grows it at boot"},
		{"a root on LVM", scripts, requirement.RootResize, bareOn(volume("LVM-abc")), requirement.Met, "LVM volume dm-0"},
		{"an encrypted root", scripts, requirement.RootResize, bareOn(volume("CRYPT-LUKS2-abc")), requirement.Unmet, "encrypted volume"},
		{"every card by DHCP", scripts, requirement.DHCP, bare(), requirement.Met, "configures every Ethernet card by DHCP"},
		{"an instance's state", scripts, requirement.IdentityReset, with(bare(), files{"var/lib/openstack-ready/ssh-keys.done": "i-1\n"}), requirement.Met, "host keys come back"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := guesttest.NewTree(t, test.tree)
			rep, err := runWith(t, test.settings, []string{"dash"}, root, report.Mend, "", test.id).report(report.Mend)
			if err != nil {
				t.Fatal(err)
			}
			expectFinding(t, rep.Findings[0], test.want, test.evidence)
			if left, err := filepath.Glob(root + "/var/lib/openstack-ready/*"); err != nil || len(left) > 0 {
				t.Errorf("left in the image: %v, %v", left, err)
			}
		})
	}
}
