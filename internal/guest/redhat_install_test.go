package guest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// A tree is never rebuilt and gets no package, so these calls are tested by
// themselves. Programs log how they are called.
func TestRedHatProgramsAreCalledAsTheirVersionsNeed(t *testing.T) {
	needPrograms(t, "dash")
	const logged = `echo "${0##*/} $*" >>"$LOG"; `
	for _, test := range []struct {
		name, call string
		tree       files
		programs   files
		want       []string
		complaint  string
		fails      bool
	}{
		{"dracut", "dracut_rebuild", el6, files{"dracut": logged}, []string{
			"dracut -f /boot/initramfs-2.6.32-754.el6.x86_64.img 2.6.32-754.el6.x86_64",
		}, "", false},
		{"dracut where kernel-install copies", "dracut_rebuild", with(el6, files{
			"boot/efi/0123/2.6.32-754.el6.x86_64/initrd": "stale",
		}), files{"dracut": logged}, []string{
			"dracut -f /boot/efi/0123/2.6.32-754.el6.x86_64/initrd 2.6.32-754.el6.x86_64",
		}, "", false},
		{"dracut without an initramfs before", "dracut_rebuild", with(el6, files{
			"boot/initramfs-2.6.32-754.el6.x86_64.img": "-",
		}), files{"dracut": logged}, []string{"dracut -f --kver 2.6.32-754.el6.x86_64"}, "", false},
		{"dracut that fails for a kernel", "dracut_rebuild", el6, files{"dracut": logged + "false"}, []string{
			"dracut -f /boot/initramfs-2.6.32-754.el6.x86_64.img 2.6.32-754.el6.x86_64",
		}, "", true},
		{"menus of BIOS and UEFI", "grub_rebuild", with(el7, files{"boot/efi/EFI/centos/grub.cfg": el7["boot/grub2/grub.cfg"]}), files{"grub2-mkconfig": logged}, []string{
			"grub2-mkconfig -o /boot/grub2/grub.cfg", "grub2-mkconfig -o /boot/efi/EFI/centos/grub.cfg",
		}, "", false},
		{"a stub stays one", "grub_rebuild", with(el7, files{"boot/efi/EFI/rocky/grub.cfg": el9["boot/efi/EFI/rocky/grub.cfg"]}), files{"grub2-mkconfig": logged}, []string{
			"grub2-mkconfig -o /boot/grub2/grub.cfg",
		}, "", false},
		{"dnf", "redhat_install a b", with(el9, files{"usr/bin/dnf": ""}), files{"dnf": logged, "rpm": logged}, []string{
			"dnf -y --setopt=install_weak_deps=False install a b", "rpm -q a", "rpm -q b",
		}, "", false},
		{"yum that says all is well", "redhat_install a b", el7, files{"yum": logged + "echo 'No package b available.'", "rpm": logged + `[ "$2" != b ]`}, []string{
			"yum -y install a b", "rpm -q a", "rpm -q b",
		}, "Error: no repository of the guest has b", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := guesttest.NewTreeOf(t, with(test.tree, files{"rpms": "-", "system": "-"}))
			said, calls, err := callInTree(t, root, test.call, test.programs)
			if (err != nil) != test.fails {
				t.Errorf("got error %v, want one: %t", err, test.fails)
			}
			if got, want := calls, strings.Join(test.want, "\n"); got != want {
				t.Errorf("got calls\n%s\nwant\n%s", got, want)
			}
			if !strings.Contains(said, test.complaint) {
				t.Errorf("got %q, want %q", said, test.complaint)
			}
		})
	}
}

// callInTree calls one function of the program, and returns what it said and
// how it called the given programs.
func callInTree(t *testing.T, root, call string, programs files) (said, calls string, err error) {
	t.Helper()
	code, err := program(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	code = append(bytes.TrimSuffix(code, []byte("main \"$@\"\n")), call+"\n"...)
	if err := os.WriteFile(dir+"/program", code, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dash", dir+"/program")
	cmd.Env = []string{
		"ROOT=" + root, "WORK=" + dir, "LOG=" + dir + "/calls",
		"PATH=" + guesttest.Stubs(t, programs) + ":" + os.Getenv("PATH"),
	}
	out, err := cmd.CombinedOutput()
	log, readErr := os.ReadFile(filepath.Join(dir, "calls"))
	if readErr != nil {
		t.Fatalf("%v: %s", readErr, out)
	}
	return string(out), strings.TrimSpace(string(log)), err
}

func TestEditsKeepTheModeOfKeyfiles(t *testing.T) {
	needPrograms(t, "dash", "rpm", "rpmbuild")
	root := redhatTree(t, el9)
	path := root + "/etc/NetworkManager/system-connections/ens192.nmconnection"
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	redhatRun(t, dash, root, requirement.NoHardcodedMAC)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for root only", info.Mode(), err)
	}
}

// TestEveryPythonMergesAlike: EL 6 and 7 run cloud-init with Python 2. It has no
// yaml here, so that the configuration is JSON and its reader a stand-in.
func TestEveryPythonMergesAlike(t *testing.T) {
	needPrograms(t, "dash")
	root := guesttest.NewTreeOf(t, files{
		"yaml.py":                       "import json\ndef safe_load(f):\n    return json.loads(f.read())\n",
		"etc/cloud/cloud.cfg":           `{"users": ["default", {"name": "böb"}], "cloud_init_modules": [["growpart", "always"], "users-groups"], "system_info": {"default_user": {"name": "x"}}, "ssh_genkeytypes": null}`,
		"etc/cloud/cloud.cfg.d/50.cfg":  `{"preserve_hostname": true, "system_info": {"default_user": {"name": "centos"}}}`,
		"etc/cloud/cloud.cfg.d/zz.text": "no configuration",
	})
	want := mergedBy(t, root, "python3")
	for _, line := range []string{"users\tdefault b?b", "init_modules\tgrowpart users_groups", "default_user\tcentos", "ssh_genkeytypes\tnull", "preserve_hostname\ttrue"} {
		if !strings.Contains(want, line+"\n") {
			t.Errorf("got %q, want in it %q", want, line)
		}
	}
	for _, python := range []string{"python2.6", "python2.7", "python3.6"} {
		t.Run(python, func(t *testing.T) {
			if got := mergedBy(t, root, python); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// mergedBy returns the sorted configuration of a tree whose cloud-init names the
// interpreter.
func mergedBy(t *testing.T, root, python string) string {
	t.Helper()
	path, err := exec.Command(python, "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Skipf("needs %s: whether it understands the program's lines of Python is left out", python)
	}
	link := root + "/usr/bin/" + python
	if err := errors.Join(os.MkdirAll(root+"/usr/bin", 0o755), os.Symlink(strings.TrimSpace(string(path)), link),
		os.WriteFile(root+"/usr/bin/cloud-init", []byte("#!/usr/bin/"+python+" -s\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	said, _, err := callInTree(t, root, `: >"$LOG"; export PYTHONPATH="$ROOT"; merged_cloud_config`, nil)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	lines := strings.SplitAfter(said, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestReleasesBeforeOsReleaseAreTold(t *testing.T) {
	needPrograms(t, "dash")
	for _, test := range []struct {
		tree files
		want string
	}{
		{files{"etc/redhat-release": "CentOS release 6.10 (Final)\n"}, "centos 6.10 redhat"},
		{files{"etc/redhat-release": "Red Hat Enterprise Linux Server release 6.9 (Santiago)\n"}, "rhel 6.9 redhat"},
		{files{"etc/redhat-release": "Scientific Linux release 6.10 (Carbon)\n"}, "rhel 6.10 redhat"},
		{files{"etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n", "etc/oracle-release": "Oracle Linux Server release 6.10\n"}, "ol 6.10 redhat"},
		{files{"etc/issue": "x"}, " "},
	} {
		said, _, err := callInTree(t, guesttest.NewTreeOf(t, test.tree), `: >"$LOG"; read_os_release; find_family; echo "$OS_ID $OS_VERSION $FAMILY"`, nil)
		if got := strings.TrimRight(said, "\n "); err != nil || got != strings.TrimRight(test.want, " ") {
			t.Errorf("%v: got %q, %v, want %q", test.tree, got, err, test.want)
		}
	}
}
