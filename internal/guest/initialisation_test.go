package guest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
		{"auto cannot have cloud-init", Settings{}, requirement.UserData, bare(), requirement.Met, "runs user data that begin with #!"},
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
