package guest

import (
	"maps"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// debian12 is Debian as its installer leaves it.
var debian12 = with(spoilt, cloudInit(), rootPartition("8386560"), ifupdown(), unit("ssh.service", ""), unit("qemu-guest-agent.service", ""),
	unit("acpid.service", ""), unit("systemd-logind.service", ""), unit("dbus.service", ""), unit("ferm.service", "multi-user.target"),
	guesttest.Installed("openssh-server 9.2", "cloud-init 22.4.2", "cloud-guest-utils 0.33", "e2fsprogs 1.47", "qemu-guest-agent 7.2", "acpid 2.0"),
	grub("quiet"), kernelWith("6.1.0-40-amd64", "boot/vmlinuz-6.1.0-40-amd64", "boot/initrd.img-6.1.0-40-amd64", "bin/sh\n"), files{
		"etc/os-release":            "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
		"run/systemd/system/":       "",
		interfaces:                  lo + "allow-hotplug enp1s0\niface enp1s0 inet dhcp\n",
		"etc/systemd/logind.conf":   "[Login]\nHandlePowerKey=ignore\n",
		"etc/default/grub":          "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n",
		"usr/sbin/update-initramfs": "", "usr/sbin/update-grub": "",
	})

var debianPrograms = files{
	"lsinitramfs": `cat "$1"`,
	"dpkg-query":  "true",
	"update-grub": ". /etc/default/grub.d/99-openstack-ready.cfg\n(" + strings.TrimPrefix(grubStandIn, ". /etc/default/grub\n") + ") >/boot/grub/grub.cfg",
	"update-initramfs": everyDriver + `grep -qsx MODULES=most /etc/initramfs-tools/conf.d/*
for image in /boot/initrd.img-*; do
  drivers "${image#*img-}" >"$image"
done`,
}

func debianMatrix(*testing.T) []unready {
	listed := files{"lsinitramfs": debianPrograms["lsinitramfs"]}
	broken := maps.Clone(debianPrograms)
	broken["update-grub"] = brokenStandIn
	return []unready{
		debianWithSysvinit,
		{
			name: "Debian 12", tree: debian12, programs: listed,
			good:  []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel},
			stuck: map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk", requirement.ConsoleLog: "has quiet"},
		},
		{
			name: "Debian 12, rebuilt", only: rebuilt, programs: debianPrograms,
			tree: with(debian12, oldKernel("boot/vmlinuz-2.6.32-old", "boot/initrd.img-2.6.32-old")),
		},
		{
			name: "Debian 12, whose menu cannot be rebuilt", only: rebuilt[:1], programs: broken, tree: debian12,
			stuck: map[requirement.ID]string{requirement.ConsoleLog: "the boot-menu could not be rebuilt: update-grub: no space left on device"},
		},
		{
			name: "Debian 12, beyond mending", programs: listed, settings: Settings{Offline: true}, immutable: immutable,
			tree: with(debian12, hopeless, guesttest.Installed("cloud-init 22.4.2", "cloud-guest-utils 0.33", "e2fsprogs 1.47"), files{
				"sbin/ifup": "-",
			}),
			stuck: hopelessReasons(map[requirement.ID]string{requirement.ConsoleLog: "has quiet"}),
		},
	}
}
