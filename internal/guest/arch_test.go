package guest

import (
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// archAny is Arch as archinstall leaves it, with mkinitcpio's autodetect.
var archAny = with(spoilt, rootPartition("8386560"), unit("sshd.service", ""), unit("cloud-init-local.service", ""),
	unit("cloud-init-main.service", "cloud-init.target"), unit("cloud-init-network.service", "cloud-init.target"),
	unit("cloud-config.service", "cloud-init.target"), unit("cloud-final.service", "cloud-init.target"),
	unit("systemd-networkd.service", ""), unit("systemd-resolved.service", ""), unit("systemd-logind.service", ""), unit("dbus-broker.service", ""),
	unit("qemu-guest-agent.service", ""), unit("iptables.service", "multi-user.target"), unit("acpid.service", ""),
	pacmanPackages("openssh-10.2p1-2", "cloud-init-25.3-1", "cloud-guest-utils-0.33-2", "e2fsprogs-1.47.3-1", "qemu-guest-agent-10.1.2-1", "gtk-update-icon-cache-1:4.20.2-1"),
	files{
		"etc/os-release":                       "NAME=\"Arch Linux\"\nPRETTY_NAME=\"Arch Linux\"\nID=arch\nBUILD_ID=rolling\n",
		"run/systemd/system/":                  "",
		"etc/systemd/logind.conf.d/a.conf":     "[Login]\nHandlePowerKey=ignore\n",
		"etc/cloud/cloud.cfg":                  strings.NewReplacer("distro: suse", "distro: arch", "name: suse", "name: arch").Replace(suseCloudConfig),
		"lib/systemd/system/sshd.service":      "[Unit]\nWants=sshdgenkeys.service\n[Install]\nWantedBy=multi-user.target\n",
		"etc/ssh/sshd_config":                  "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM no\n",
		"etc/systemd/network/20-wired.network": "[Match]\nName=enp1s0\n[Network]\nDHCP=yes\n",
		"usr/bin/mkinitcpio":                   "",
		"etc/mkinitcpio.conf":                  "MODULES=()\n# HOOKS=(base udev autodetect block)\nHOOKS=(base udev autodetect microcode modconf block filesystems fsck)\n",
		"etc/mkinitcpio.conf.d/mine.conf":      "HOOKS=( base systemd autodetect )\n",
		"lib/modules/6.17.8-arch1-1/pkgbase":   "linux\n",
		"lib/modules/6.17.8-arch1-1/vmlinuz":   "kernel",
	}, kernelWith("6.17.8-arch1-1", "boot/vmlinuz-linux", "boot/initramfs-linux.img", "usr/lib/modules/6.17.8-arch1-1/kernel/drivers/ata/ahci.ko.zst\n"))

// archEntries boots with systemd-boot, by entries that are written by hand.
var archEntries = with(archAny, files{
	"boot/loader/loader.conf":         "default arch.conf\n",
	"boot/loader/entries/arch.conf":   "title   Arch Linux\nlinux   /vmlinuz-linux\ninitrd  /initramfs-linux.img\noptions root=PARTUUID=1f5f rw\noptions	quiet  ifname=eth0:52:54:00:aa:bb:cc loglevel=3\n",
	"boot/loader/entries/rescue.conf": "title   Rescue\nlinux   /vmlinuz-linux\noptions root=PARTUUID=1f5f single\n",
})

// archUnified boots a unified kernel image.
var archUnified = with(archAny, files{
	"boot/vmlinuz-linux": "-", "boot/initramfs-linux.img": "-",
	"efi/EFI/systemd/systemd-bootx64.efi": "x",
	"efi/EFI/Linux/arch-linux.efi":        unifiedImage("root=PARTUUID=1f5f rw quiet\n"),
})

// archSyslinux boots with syslinux.
var archSyslinux = with(archAny, files{
	"boot/syslinux/syslinux.cfg": "DEFAULT arch\nAPPEND root=/dev/vda1 quiet\nLABEL arch\n    MENU LABEL Arch Linux\n    LINUX ../vmlinuz-linux\n    APPEND root=/dev/vda1 rw splash\n" +
		"LABEL other\n    LINUX ../vmlinuz-linux\nLABEL reboot\n    COM32 reboot.c32\n",
})

func pacmanPackages(names ...string) files {
	f := files{}
	for _, name := range names {
		f["var/lib/pacman/local/"+name+"/desc"] = "%NAME%\n"
	}
	return f
}

// archPrograms stand in for what reads an initramfs.
var archPrograms = files{"lsinitcpio": `grep -a usr/lib/modules "$1" || true`}

var (
	archGood  = []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel}
	archStuck = map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk"}
)

var archGuests = []unready{
	{
		name: "Arch Linux", tree: archEntries, programs: archPrograms, good: archGood, stuck: archStuck,
		after: files{
			"boot/loader/entries/arch.conf": "title   Arch Linux\nlinux   /vmlinuz-linux\ninitrd  /initramfs-linux.img\noptions root=PARTUUID=1f5f rw loglevel=3 console=tty0 console=ttyS0,115200n8\n",
			"etc/mkinitcpio.conf":           "MODULES=()\n# HOOKS=(base udev autodetect block)\nHOOKS=(base udev microcode modconf block filesystems fsck)\n",
			"etc/ssh/sshd_config":           "UsePAM yes\nInclude /etc/ssh/sshd_config.d/*.conf\n",
			"etc/kernel/cmdline":            "-", "etc/systemd/network/20-wired.network": "-",
			"etc/systemd/system/openstack-ready-hostkeys.service": "-",
		},
	},
	{
		name: "Arch Linux, unified kernel image", tree: archUnified, programs: archPrograms, good: archGood,
		stuck: map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk", requirement.ConsoleLog: "has quiet"},
		after: files{"etc/kernel/cmdline": "root=PARTUUID=1f5f rw console=tty0 console=ttyS0,115200n8\n"},
	},
	{
		name: "Arch Linux, syslinux", tree: archSyslinux, programs: archPrograms, good: archGood, stuck: archStuck,
		after: files{"boot/syslinux/syslinux.cfg": "DEFAULT arch\nAPPEND root=/dev/vda1 console=tty0 console=ttyS0,115200n8\nLABEL arch\n    MENU LABEL Arch Linux\n    LINUX ../vmlinuz-linux\n" +
			"APPEND root=/dev/vda1 rw console=tty0 console=ttyS0,115200n8\nLABEL other\n    LINUX ../vmlinuz-linux\nLABEL reboot\n    COM32 reboot.c32\n"},
	},
}

func TestUnreadyArchIsMended(t *testing.T) {
	expectReady(t, otherShells, archGuests[0])
}

// unifiedImage is the least of a PE file that has arguments for the kernel.
func unifiedImage(arguments string) string {
	const at = 512
	b := make([]byte, at)
	copy(b, "MZ")
	b[60] = 64 // where the PE header is
	copy(b[64:], "PE\x00\x00")
	b[64+6] = 2   // sections
	b[64+20] = 16 // size of the optional header
	section := func(n int, name string, size, offset int) {
		h := b[64+24+16+40*n:]
		copy(h, name)
		h[8], h[9] = byte(size), byte(size>>8)
		h[20], h[21] = byte(offset), byte(offset>>8)
	}
	section(0, ".osrel", 4, at-4)
	section(1, ".cmdline", len(arguments)+1, at)
	return string(b) + arguments + "\x00usr/lib/modules/6.17.8-arch1-1/kernel/drivers/ata/ahci.ko\n"
}

func archMatrix(*testing.T) []unready {
	makers := with(archPrograms, files{
		"systemctl": "true",
		"mkinitcpio": everyDriver + `test "$1" = -P || exit 2
grep -qs '^HOOKS=.*autodetect' /etc/mkinitcpio.conf && exit 0
drivers 6.17.8-arch1-1 >/boot/initramfs-linux.img
drivers 2.6.32-old >/boot/initramfs-2.6.32-old.img
sed -i 's,^lib,usr/lib,' /boot/initramfs-*`,
	})
	makers["lsinitcpio"] = `cat "$1"`
	return append(slices.Clone(archGuests),
		unready{
			name: "Arch Linux, rebuilt", only: rebuilt, programs: makers,
			tree: with(archEntries, oldKernel("boot/vmlinuz-2.6.32-old", "boot/initramfs-2.6.32-old.img")),
		},
		unready{
			name: "Arch Linux, whose unified image cannot be rebuilt", only: rebuilt[:1], tree: archUnified,
			programs: with(makers, files{"mkinitcpio": brokenStandIn}),
			stuck:    map[requirement.ID]string{requirement.ConsoleLog: "the boot-menu could not be rebuilt: mkinitcpio: no space left on device"},
		},
		unready{
			name: "Arch Linux, beyond mending", programs: archPrograms, settings: Settings{Offline: true}, immutable: immutable,
			tree: with(archUnified, hopeless, files{
				"var/lib/pacman/local/openssh-10.2p1-2/desc": "-", "var/lib/pacman/local/qemu-guest-agent-10.1.2-1/desc": "-",
				"lib/systemd/system/systemd-networkd.service": "-",
			}),
			stuck: hopelessReasons(map[requirement.ID]string{requirement.ConsoleLog: "has quiet"}),
		},
	)
}
