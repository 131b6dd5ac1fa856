//go:build linux

package guest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// sysvinitPackages are a Debian without systemd, as an installer leaves it. It
// has no kernel: how those are made ready is not the init's affair.
const sysvinitPackages = "sysvinit-core,initscripts,insserv,udev,openssh-server,sudo,ifupdown,isc-dhcp-client," +
	"iproute2,nftables,acpid,ferm,e2fsprogs,extlinux,ca-certificates,kmod,procps"

// unreadySysvinit makes the container lack what the image guide asks for.
const unreadySysvinit = `
useradd -m -s /bin/bash packer
echo 'packer:packer' | chpasswd
echo 'packer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/packer
mkdir -p /home/packer/.ssh /boot/extlinux /var/lib/dhcp
echo 'ssh-ed25519 AAAA builder' >/home/packer/.ssh/authorized_keys
printf 'auto lo\niface lo inet loopback\nallow-hotplug enp0s99\niface enp0s99 inet dhcp\n  hwaddress ether 52:54:00:12:34:56\n' >>/etc/network/interfaces
printf 'default l0\nlabel l0\n  menu label Debian\n  linux /vmlinuz\n  append root=UUID=1f5f ro quiet\nlabel l0r\n  menu label Debian (recovery mode)\n  linux /vmlinuz\n  append root=UUID=1f5f ro single\n' >/boot/extlinux/extlinux.conf
update-rc.d acpid disable
update-rc.d ferm defaults
printf 'domain ip table filter chain INPUT policy ACCEPT;\n' >/etc/ferm/ferm.conf
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
rm -f /var/lib/dbus/machine-id
`

// withoutKernel are the requirements that a container without a disk and a
// kernel cannot show.
var withoutKernel = []requirement.ID{requirement.PartitionLayout, requirement.Virtio, requirement.XenPVKernel}

func TestUnreadySysvinitIsMended(t *testing.T) {
	c := guesttest.NewContainerOf(t, "debian-12-sysvinit", sysvinitPackages)
	guest.Ran(t, "Debian 12 with sysvinit", guest.Booted)
	c.Chroot(t, unreadySysvinit)
	expectMendedWithoutSystemd(t, c, "ls /etc/rc2.d/S*cloud-init-local /etc/rc2.d/S*acpid /etc/rc2.d/S*qemu-guest-agent", "! ls /etc/rc?.d/S*ferm", "pgrep -x acpid")
}

func TestUnreadyOpenRCIsMended(t *testing.T) {
	c := guesttest.NewContainerOf(t, "debian-12-openrc", sysvinitPackages+",openrc")
	guest.Ran(t, "Debian 12 with OpenRC", guest.Booted)
	c.Chroot(t, unreadySysvinit)
	expectMendedWithoutSystemd(t, c, "/sbin/rc-update show default | grep -w acpid", "! /sbin/rc-update show | grep -w ferm", "pgrep -x acpid")
}

// expectMendedWithoutSystemd mends the guest, and boots it again as an
// instance, where the commands must succeed.
func expectMendedWithoutSystemd(t *testing.T, c *guesttest.Container, commands ...string) {
	t.Helper()
	c.Listen(t)
	c.Boot(t)
	expectMetWithoutKernel(t, provision(t, c, report.Mend))
	second := provision(t, c, report.Mend)
	if len(second.Changes) > 0 {
		t.Errorf("the second run changed something: %v", second.Changes)
	}
	expectMetWithoutKernel(t, second)
	c.Shutdown(t)
	for _, pattern := range []string{"/etc/ssh/ssh_host_*", "/etc/machine-id", "/var/lib/urandom/random-seed", "/var/lib/misc/random-seed", "/var/lib/seedrng/*", "/home/packer/.ssh/*"} {
		left, err := filepath.Glob(c.Dir + pattern)
		if err != nil || len(left) > 0 {
			t.Errorf("left in the image: %v, %v", left, err)
		}
	}
	if b, err := os.ReadFile(c.Dir + "/boot/extlinux/extlinux.conf"); err != nil || !strings.Contains(string(b), "append root=UUID=1f5f ro console=tty0 console=ttyS0,115200n8") {
		t.Errorf("extlinux.conf: %v\n%s", err, b)
	}
	c.Boot(t)
	for _, command := range append(commands, "test -s /etc/ssh/ssh_host_ed25519_key", "pgrep -x sshd") {
		if _, err := c.As("root").Output(command); err != nil {
			t.Error(err)
		}
	}
}

func expectMetWithoutKernel(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, f := range rep.Findings {
		if !f.Verdict.OK() && !slices.Contains(withoutKernel, f.ID) {
			t.Errorf("%s is %s: %v", f.ID, f.Verdict, f.Evidence)
		}
	}
}
