//go:build linux

package guest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// foreignPackages are those of Debian that make the container a guest of SUSE or
// Arch as far as the guest program can tell: package managers and init are real.
const foreignPackages = "systemd,systemd-sysv,dbus,libpam-systemd,udev,openssh-server,sudo,zypper,rpm," +
	"pacman-package-manager,e2fsprogs,python3-yaml,procps,iproute2"

// unreadyForeign is what unreadySUSE and unreadyArch have in common: a build
// user, secrets, an identity, a kernel without virtio in its initramfs, and an
// SSH server that makes its own host keys.
const unreadyForeign = `
rm -f /etc/os-release /etc/systemd/system/sshd.service /etc/systemd/system/multi-user.target.wants/ssh.service /lib/systemd/system/ssh*
mkdir -p /etc/kernel /boot /lib/modules/6.4.0-test /root/.ssh /var/lib/cloud
useradd -m -s /bin/bash packer
echo 'packer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/packer
echo 'ssh-ed25519 AAAA builder' >/root/.ssh/authorized_keys
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
rm -f /var/lib/dbus/machine-id
printf '[Service]\nRuntimeDirectory=sshd\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStart=/usr/sbin/sshd -D\n[Install]\nWantedBy=multi-user.target\n' >/usr/lib/systemd/system/sshd.service
for unit in NetworkManager firewalld; do
  printf '[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >/usr/lib/systemd/system/$unit.service
done
systemctl enable sshd NetworkManager firewalld
echo kernel/fs/ext4/ext4.ko >/lib/modules/6.4.0-test/modules.builtin
echo kernel/drivers/net/virtio_net.ko: >/lib/modules/6.4.0-test/modules.dep
`

// unreadySUSE makes the container a Leap 16. Its dracut and grub2-mkconfig do no
// more than what the requirements turn on.
const unreadySUSE = unreadyForeign + `
printf 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="16.0"\nPRETTY_NAME="openSUSE Leap 16.0"\n' >/etc/os-release
mkdir -p /etc/rpm
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
rpm --install --justdb --nodeps --noscripts /srv/repo/openssh-*.rpm
rm /srv/repo/openssh-*
mkdir -p /etc/zypp/repos.d /boot/grub2
printf '[local]\nname=local\nenabled=1\nbaseurl=dir:///srv/repo\ngpgcheck=0\n' >/etc/zypp/repos.d/local.repo
printf 'GRUB_CMDLINE_LINUX_DEFAULT="quiet splash=silent"\n' >/etc/default/grub
echo vmlinuz >/boot/vmlinuz-6.4.0-test
echo ahci.ko >/boot/initrd-6.4.0-test
cat >/usr/sbin/grub2-mkconfig <<'END'
#!/bin/sh
test "$1" = -o || exit 0
. /etc/default/grub
printf 'menuentry "SUSE" {\n linux /boot/vmlinuz-6.4.0-test root=UUID=1f5f %s\n}\n' "$GRUB_CMDLINE_LINUX_DEFAULT" >"$2"
END
cat >/usr/bin/dracut <<'END'
#!/bin/sh
cat /etc/dracut.conf.d/*.conf >/dev/null &&
  printf 'lib/virtio_blk.ko\nlib/virtio_pci.ko\nlib/virtio_scsi.ko\n' >/boot/initrd-6.4.0-test
END
printf '#!/bin/sh\ncat "$1"\n' >/usr/bin/lsinitrd
chmod +x /usr/sbin/grub2-mkconfig /usr/bin/dracut /usr/bin/lsinitrd
grub2-mkconfig -o /boot/grub2/grub.cfg
`

func TestUnreadyLeapIsMended(t *testing.T) {
	for _, program := range []string{"rpmbuild", "createrepo_c"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian packages rpm and createrepo-c): to mend a guest with a real zypper is left out", program)
		}
	}
	c := guesttest.NewContainerOf(t, "foreign", foreignPackages)
	guest.Ran(t, "openSUSE Leap 16.0", guest.PackageManager)
	build := []string{"rpmbuild", "-bb", "--quiet", "--define", "_topdir " + t.TempDir(), "--define", "_rpmdir " + c.Dir + "/srv/repo", "--define", "_rpmfilename %%{NAME}-%%{VERSION}.rpm"}
	runOnHost(t, append(build, spec(t, "openssh 9.6", "e2fsprogs 1.47", "growpart 0.33", "cloud-init 25.1"))...)
	runOnHost(t, "createrepo_c", "--quiet", c.Dir+"/srv/repo")
	c.Chroot(t, unreadySUSE)
	c.Listen(t)
	c.Boot(t)

	expectMissed(t, provision(t, c, report.Mend), "No provider of 'qemu-guest-agent' found")
	runOnHost(t, append(build, spec(t, "qemu-guest-agent 10.1"))...)
	runOnHost(t, "createrepo_c", "--quiet", c.Dir+"/srv/repo")
	c.Chroot(t, "zypper --non-interactive refresh --force")
	expectStillMet(t, provision(t, c, report.Mend))
	expectNothingToDo(t, c)
	expectForeignInstance(t, c, "rpm -q cloud-init growpart qemu-guest-agent", "test ! -e /var/cache/zypp/packages/local")
}

// spec writes a file for rpmbuild with the given packages, "name version" each.
// Their services do nothing, and cloud-init's configuration is what matters of it.
func spec(t *testing.T, packages ...string) string {
	t.Helper()
	var b strings.Builder
	for i, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		head := "%package -n " + name + "\n"
		if i == 0 {
			head = "Name: " + name + "\nRelease: 1\nLicense: x\nBuildArch: noarch\n"
		}
		b.WriteString(head + "Version: " + version + "\nSummary: x\n")
		if i == 0 {
			b.WriteString("%description\nx\n%files\n")
		} else {
			b.WriteString("%description -n " + name + "\nx\n%files -n " + name + "\n")
		}
		for path := range packageFiles(name, "suse") {
			b.WriteString("/" + path + "\n")
		}
	}
	b.WriteString("%install\n")
	for _, p := range packages {
		name, _, _ := strings.Cut(p, " ")
		for path, text := range packageFiles(name, "suse") {
			b.WriteString("mkdir -p %{buildroot}/$(dirname " + path + ")\ncat >%{buildroot}/" + path + " <<'END'\n" + text + "END\n")
		}
	}
	file := t.TempDir() + "/all.spec"
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// packageFiles are those of a package that matter, for the distribution that
// cloud-init is made for.
func packageFiles(name, distro string) map[string]string {
	service := "[Unit]\nConditionPathExists=!/etc/cloud/cloud-init.disabled\n[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
	units := "usr/lib/systemd/system/"
	switch name {
	case "cloud-init":
		return map[string]string{
			units + "cloud-init-local.service": service, units + "cloud-init.service": service,
			units + "cloud-config.service": service, units + "cloud-final.service": service,
			"etc/cloud/cloud.cfg": "users: [default]\ncloud_init_modules: [growpart, resizefs, set_hostname, users_groups, ssh]\n" +
				"cloud_final_modules: [scripts_user]\nsystem_info:\n  distro: " + distro + "\n  default_user: {name: " + distro + "}\n",
		}
	case "qemu-guest-agent":
		return map[string]string{units + "qemu-guest-agent.service": service}
	}
	return nil
}

func runOnHost(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
}

// expectMissed looks at a run whose repository lacks the guest agent, which
// costs no other package, and whose reason is the package manager's.
func expectMissed(t *testing.T, rep *report.Report, reason string) {
	t.Helper()
	for _, f := range rep.Findings {
		said := strings.Join(f.Evidence, "\n")
		switch {
		case f.ID == requirement.PartitionLayout:
		case f.ID != requirement.GuestAgent && !f.Verdict.OK():
			t.Errorf("%s without a package for the guest agent: %s: %s", f.ID, f.Verdict, said)
		case f.ID == requirement.GuestAgent && (f.Verdict != requirement.Unmet || !strings.Contains(said, reason)):
			t.Errorf("guest agent: got %s: %s", f.Verdict, said)
		}
	}
}

func expectNothingToDo(t *testing.T, c *guesttest.Container) {
	t.Helper()
	last := provision(t, c, report.Mend)
	if len(last.Changes) > 0 {
		t.Errorf("a run with nothing to do changed something: %v", last.Changes)
	}
	expectStillMet(t, last)
}

// expectForeignInstance boots the guest again as an instance.
func expectForeignInstance(t *testing.T, c *guesttest.Container, commands ...string) {
	t.Helper()
	c.Shutdown(t)
	if b, err := os.ReadFile(c.Dir + "/etc/machine-id"); err != nil || len(b) > 0 {
		t.Errorf("/etc/machine-id: got %q, %v; want it empty", b, err)
	}
	c.Boot(t)
	for _, command := range append(commands,
		"test -s /etc/ssh/ssh_host_ed25519_key", "systemctl is-active sshd.service",
		"! systemctl is-enabled firewalld.service", "test ! -e /root/.ssh/authorized_keys") {
		if _, err := c.As("root").Output(command); err != nil {
			t.Error(err)
		}
	}
}
