package guest

import (
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// sysvinit is Debian 12 with sysvinit in place of systemd.
var sysvinit = with(spoilt, rootPartition("8386560"), kernelWith("6.1.0-40-amd64", "boot/vmlinuz-6.1.0-40-amd64", "boot/initrd.img-6.1.0-40-amd64", "bin/sh\n"),
	grub("quiet"), initScripts("rc2.d/S01", "ferm"), initScripts("rcS.d/S10", "networking"),
	initScripts("", "ssh", "cloud-init-local", "cloud-init", "cloud-config", "cloud-final", "acpid", "qemu-guest-agent"),
	guesttest.Installed("openssh-server 9.2", "cloud-init 22.4.2", "cloud-guest-utils 0.33", "e2fsprogs 1.47", "qemu-guest-agent 7.2", "sysvinit-core 3.06"),
	files{
		"etc/os-release":             "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"etc/rc2.d/K01ssh":           "-> ../init.d/ssh",
		"etc/cloud/cloud.cfg":        cloudConfig,
		"etc/ssh/sshd_not_to_be_run": "",
		"etc/inittab":                "id:2:initdefault:\n1:2345:respawn:/sbin/getty --noclear 38400 tty1\n#T0:23:respawn:/sbin/getty -L ttyS0 9600 vt100\n#T1:23:respawn:/sbin/getty -L ttyS1 9600 vt100\n",
		interfaces:                   "auto eth0\niface eth0 inet dhcp\n",
		"sbin/ifup":                  "", "sbin/dhclient": "", "usr/sbin/update-initramfs": "",
		"etc/default/grub":            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n",
		"var/lib/urandom/random-seed": "x",
	})

// initScripts are scripts of sysvinit, with links where a runlevel is named.
func initScripts(link string, names ...string) files {
	f := files{}
	for _, name := range names {
		f["etc/init.d/"+name] = "#!/bin/sh\n"
		if link != "" {
			f["etc/"+link+name] = "-> ../init.d/" + name
		}
	}
	return f
}

var debianWithSysvinit = unready{
	name: "Debian 12 with sysvinit", tree: sysvinit, programs: files{"lsinitramfs": `cat "$1"`},
	good:  []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel},
	stuck: map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk", requirement.ConsoleLog: "has quiet"},
	after: files{
		"etc/inittab":      "id:2:initdefault:\n1:2345:respawn:/sbin/getty --noclear 38400 tty1\nT0:23:respawn:/sbin/getty -L ttyS0 115200 vt100\n#T1:23:respawn:/sbin/getty -L ttyS1 9600 vt100\n",
		"etc/rc2.d/K01ssh": "-", "etc/rc2.d/S01ferm": "-", "etc/machine-id": "-", "etc/systemd": "-",
		interfaces: sourceLine, "var/lib/urandom/random-seed": "-",
	},
}

func TestUnreadyDebianWithSysvinitIsMended(t *testing.T) {
	needPrograms(t, "dpkg-query")
	expectReady(t, otherShells, debianWithSysvinit)
}
