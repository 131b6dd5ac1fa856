package guest

import (
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// gentoo is Gentoo with OpenRC and netifrc, which cloud-init cannot configure.
var gentoo = with(spoilt, rootPartition("8386560"), services("", "sshd", "cloud-init-local", "cloud-init", "cloud-config", "cloud-final", "acpid", "qemu-guest-agent", "dhcpcd"),
	services("default", "net.enp1s0", "nftables", "shorewall"), services("boot", "net.lo"),
	portagePackages("net-misc/openssh-10.0_p2-r1", "app-emulation/cloud-init-25.2", "sys-fs/growpart-0.33", "sys-fs/e2fsprogs-1.47.3", "app-emulation/qemu-guest-agent-10.0.5-r1", "net-misc/netifrc-0.7.12", "x11-libs/gtk+-3.24.51-r1"),
	files{
		"etc/os-release": "NAME=Gentoo\nID=gentoo\nPRETTY_NAME=\"Gentoo Linux\"\nVERSION_ID=\"2.18\"\n",
		"etc/passwd":     "root:x:0:0:root:/root:/bin/sh\ndaemon:x:2:2:daemon:/sbin:/sbin/nologin\n",
		"sbin/openrc":    "#!/bin/sh\nOS_RELEASE=x\n", "sbin/openrc-run": "x",
		"run/openrc/":              "",
		"etc/init.d/sshd":          "#!/sbin/openrc-run\ncheckconfig() {\n\tssh-keygen -A || return 2\n}\n",
		"etc/cloud/cloud.cfg":      strings.NewReplacer("distro: suse", "distro: gentoo", "name: suse", "name: gentoo").Replace(suseCloudConfig),
		"etc/ssh/sshd_config":      "UsePAM no\n",
		"etc/conf.d/net":           "# mine\nconfig_enp1s0=\"10.0.2.15/24\nfd00::15/64\"\nroutes_enp1s0=\"default via 10.0.2.2\"\nmac_enp1s0=\"52:54:00:aa:bb:cd\"\nconfig_wg0=\"10.1.0.1/24\"\nmac_wg0=\"52:54:00:00:00:01\"\n",
		"etc/inittab":              "id:3:initdefault:\nc1:12345:respawn:/sbin/agetty --noclear 38400 tty1 linux\n# SERIAL CONSOLES\n#s0:12345:respawn:/sbin/agetty -L 9600 ttyS0 vt100\n",
		"usr/bin/dracut":           "",
		"usr/bin/grub-mkconfig":    "#!/bin/sh\n. ${sysconfdir}/default/grub\n",
		"etc/default/grub":         "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n",
		"boot/grub/grub.cfg":       "menuentry 'Gentoo GNU/Linux' {\n\tlinux /vmlinuz-6.12.58-gentoo-dist root=UUID=1f5f ro quiet\n}\n",
		"var/lib/misc/random-seed": "x",
	}, kernelWith("6.12.58-gentoo-dist", "boot/vmlinuz-6.12.58-gentoo-dist", "boot/initramfs-6.12.58-gentoo-dist.img", "lib/modules/6.12.58-gentoo-dist/kernel/drivers/ata/ahci.ko\n"))

func portagePackages(names ...string) files {
	f := files{}
	for _, name := range names {
		f["var/db/pkg/"+name+"/PF"] = name + "\n"
	}
	return f
}

var gentooGuests = []unready{{
	name: "Gentoo", tree: gentoo, programs: files{"lsinitrd": `cat "$1"`},
	good:  []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel},
	stuck: map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk", requirement.ConsoleLog: "has quiet"},
	after: files{
		"sbin/openrc": "#!/bin/sh\nOS_RELEASE=x\n", "sbin/openrc-run": "x",
		"etc/conf.d/net":                   "# mine\nconfig_wg0=\"10.1.0.1/24\"\n",
		"etc/inittab":                      "id:3:initdefault:\nc1:12345:respawn:/sbin/agetty --noclear 38400 tty1 linux\n# SERIAL CONSOLES\ns0:12345:respawn:/sbin/agetty -L 115200 ttyS0 vt100\n",
		"etc/default/grub":                 "GRUB_CMDLINE_LINUX_DEFAULT=\"console=tty0 console=ttyS0,115200n8\"\n",
		"etc/runlevels/default/net.enp1s0": "-", "etc/runlevels/default/nftables": "-",
		"etc/ssh/sshd_config": "UsePAM yes\n", "var/lib/misc/random-seed": "-",
	},
}}

func TestUnreadyGentooIsMended(t *testing.T) {
	expectReady(t, append([][]string{busybox}, otherShells...), gentooGuests[0])
}

func gentooMatrix(*testing.T) []unready {
	makers := files{
		"lsinitrd": `cat "$1"`, "dracut": dracutStandIn,
		"grub-mkconfig": grub2Makers["grub2-mkconfig"],
	}
	return append(slices.Clone(gentooGuests),
		unready{
			name: "Gentoo, rebuilt", only: rebuilt, programs: makers,
			tree: with(gentoo, oldKernel("boot/vmlinuz-2.6.32-old", "boot/initramfs-2.6.32-old.img")),
		},
		unready{
			name: "Gentoo, whose menu cannot be rebuilt", only: rebuilt[:1], tree: gentoo,
			programs: with(makers, files{"grub-mkconfig": brokenStandIn}),
			stuck:    map[requirement.ID]string{requirement.ConsoleLog: "the boot-menu could not be rebuilt: grub-mkconfig: no space left on device"},
		},
		unready{
			name: "Gentoo, beyond mending", programs: gentooGuests[0].programs, settings: Settings{Offline: true}, immutable: immutable,
			tree: with(gentoo, hopeless, files{
				"var/db/pkg/net-misc/openssh-10.0_p2-r1/PF": "-", "var/db/pkg/app-emulation/qemu-guest-agent-10.0.5-r1/PF": "-", "etc/init.d/dhcpcd": "-",
			}),
			stuck: hopelessReasons(map[requirement.ID]string{requirement.ConsoleLog: "has quiet"}),
		},
	)
}
