package guest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// A tree is never rebuilt and gets no package, so these calls are tested by
// themselves. Programs log how they are called.
func TestRedHatProgramsAreCalledAsTheirVersionsNeed(t *testing.T) {
	needPrograms(t, "dash")
	const logged = `echo "${0##*/} $*" >>"$LOG"; `
	newDracut := logged + `[ "$1" != --help ] || echo '  --regenerate-all'`
	for _, test := range []struct {
		name, call string
		tree       files
		programs   files
		want       []string
		complaint  string
		fails      bool
	}{
		{"dracut", "dracut_rebuild", el9, files{"dracut": newDracut}, []string{"dracut --help", "dracut -f --regenerate-all"}, "", false},
		{"dracut of EL 6", "dracut_rebuild", el6, files{"dracut": logged}, []string{
			"dracut --help", "dracut -f /boot/initramfs-2.6.32-754.el6.x86_64.img 2.6.32-754.el6.x86_64",
		}, "", false},
		{"dracut that fails for a kernel", "dracut_rebuild", el6, files{"dracut": logged + `[ "$1" = --help ]`}, []string{
			"dracut --help", "dracut -f /boot/initramfs-2.6.32-754.el6.x86_64.img 2.6.32-754.el6.x86_64",
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
