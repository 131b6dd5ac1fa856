package guest

import (
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// The trees of SUSE hold what YaST and Agama leave, as far as it matters. A
// file named rpms is no part of a guest: it lists the packages of its rpm
// database.

const suseCloudConfig = `users:
  - default
cloud_init_modules: [seed_random, growpart, resizefs, set_hostname, update_hostname, users_groups, ssh]
cloud_final_modules: [scripts_user, final_message]
system_info:
  distro: suse
  default_user:
    name: suse
`

// suseAny is common to all.
var suseAny = with(spoilt, rootPartition("8386560"), unit("sshd.service", ""), unit("cloud-init-local.service", ""),
	unit("cloud-init.service", "cloud-init.target"), unit("cloud-config.service", "cloud-init.target"), unit("cloud-final.service", "cloud-init.target"),
	unit("systemd-logind.service", ""), unit("dbus.service", ""), unit("qemu-guest-agent.service", ""), unit("acpid.service", ""),
	files{
		"run/systemd/system/":                 "",
		"etc/systemd/logind.conf":             "[Login]\nHandlePowerKey=ignore\n",
		"etc/cloud/cloud.cfg":                 suseCloudConfig,
		"usr/lib/systemd/system/sshd.service": "[Service]\nExecStartPre=/usr/sbin/sshd-gen-keys-start\n[Install]\nWantedBy=multi-user.target\n",
		"lib/systemd/system/sshd.service":     "[Service]\nExecStartPre=/usr/sbin/sshd-gen-keys-start\n[Install]\nWantedBy=multi-user.target\n",
		"usr/bin/dracut":                      "",
		"usr/sbin/grub2-mkconfig":             "#!/bin/sh\n. ${sysconfdir}/default/grub\n",
		"etc/default/grub":                    "GRUB_CMDLINE_LINUX_DEFAULT=\"splash=silent quiet mitigations=auto\"\nGRUB_CMDLINE_LINUX=\"\"\n",
		"boot/grub2/grub.cfg":                 "menuentry 'openSUSE' {\n\tlinux /boot/vmlinuz-6.4.0-default root=UUID=1f5f splash=silent quiet mitigations=auto\n}\n",
		"var/lib/zypp/AnonymousUniqueId":      "0123\n",
	}, kernelWith("6.4.0-default", "boot/vmlinuz-6.4.0-default", "boot/initrd-6.4.0-default", "lib/modules/6.4.0-default/kernel/fs/btrfs/btrfs.ko.zst\n"))

// suseWicked has wicked's configuration of a card by name and MAC address.
var suseWicked = with(unit("wicked.service", ""), files{
	"etc/sysconfig/network/config":         "AUTO6_WAIT_AT_BOOT=\"\"\n",
	"etc/sysconfig/network/ifcfg-lo":       "IPADDR=127.0.0.1/8\n",
	"etc/sysconfig/network/ifcfg-enp1s0":   "BOOTPROTO='dhcp'\nSTARTMODE='auto'\nLLADDR='52:54:00:aa:bb:cd'\n",
	"etc/sysconfig/network/ifcfg-wg0":      "BOOTPROTO='static'\nLLADDR='52:54:00:00:00:01'\nSTARTMODE='manual'\n",
	"etc/sysconfig/network/ifcfg.template": "# LLADDR=52:54:00:00:00:01\n",
	"usr/sbin/ifup":                        "",
	"var/lib/wicked/lease-eth0-dhcp.xml":   "<lease/>\n",
})

// leap15 has wicked, firewalld and a root on Btrfs with snapshots.
var leap15 = with(suseAny, suseWicked, unit("firewalld.service", "multi-user.target"), files{
	"etc/os-release":       osRelease("opensuse-leap", "suse opensuse", "15.6", "openSUSE Leap 15.6"),
	"rpms":                 "openssh-server-9.6 cloud-init-23.3 growpart-0.33 btrfsprogs-6.5 qemu-guest-agent-8.2 wicked-0.6",
	"proc/self/mountinfo":  "35 1 0:31 /@/.snapshots/1/snapshot / rw,relatime shared:1 - btrfs /dev/vda1 rw,space_cache\n",
	"sys/class/block/vda1": "-> ../../block/vda/vda1",
})

// sles12 has SuSEfirewall2, an XFS root and no openssh-server.
var sles12 = with(suseAny, suseWicked, unit("SuSEfirewall2.service", "multi-user.target"), unit("SuSEfirewall2_init.service", "multi-user.target"), files{
	"etc/os-release":                      osRelease("sles", "", "12.5", "SUSE Linux Enterprise Server 12 SP5"),
	"rpms":                                "openssh-7.2 cloud-init-20.2 growpart-0.31 e2fsprogs-1.43 qemu-guest-agent-3.1",
	"etc/ssh/sshd_config":                 "# comment\nUsePAM yes\n",
	"usr/lib/systemd/system/sshd.service": "[Service]\nExecStartPre=/usr/sbin/sshd-gen-keys-start\n",
})

// tumbleweed has NetworkManager, and the vendor's sshd_config in /usr/etc.
var tumbleweed = with(suseAny, unit("NetworkManager.service", "multi-user.target"), unit("nftables.service", "sysinit.target"), files{
	"etc/os-release":          osRelease("opensuse-tumbleweed", "opensuse suse", "20251120", "openSUSE Tumbleweed"),
	"rpms":                    "openssh-server-10.2 cloud-init-25.1 growpart-0.33 e2fsprogs-1.47 qemu-guest-agent-10.1",
	"usr/etc/ssh/sshd_config": "UsePAM yes\n",
	"usr/bin/nmcli":           "",
	"etc/NetworkManager/system-connections/a.nmconnection": "[connection]\nid=a\ninterface-name=enp1s0\n[ethernet]\nmac-address=52:54:00:AA:BB:CC\n",
})

// susePrograms stand in for what reads a guest's rpm database and initramfs.
var susePrograms = files{
	"rpm":      `tr ' ' '\n' <"$ROOT/rpms" | sed -E 's/-([0-9.]+)$/ \1-1/'`,
	"lsinitrd": `cat "$1"`,
	"btrfs":    `echo 'Label: none  uuid: 1f5f'; echo '	devid    1 size 4293918720 used 1 path /dev/vda1'`,
	"xfs_info": "exit 1",
}

// suseGood are what YaST and Agama get right. Without a new menu and a new
// initramfs, which no tree gets, the old ones stay as they are.
var (
	suseGood  = []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel}
	suseStuck = map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk", requirement.ConsoleLog: "has quiet"}
)

var suseGuests = []unready{
	{
		name: "openSUSE Leap 15.6", tree: leap15, programs: susePrograms, good: suseGood, stuck: suseStuck,
		after: files{
			"etc/sysconfig/network/ifcfg-enp1s0": "-", "etc/sysconfig/network/ifcfg-wg0": "BOOTPROTO='static'\nSTARTMODE='manual'\n",
			"etc/default/grub":                   "GRUB_CMDLINE_LINUX_DEFAULT=\"mitigations=auto console=tty0 console=ttyS0,115200n8\"\nGRUB_CMDLINE_LINUX=\"\"\n",
			"var/lib/wicked/lease-eth0-dhcp.xml": "-", "etc/systemd/system/multi-user.target.wants/firewalld.service": "-",
		},
	},
	{
		name: "SLES 12", tree: sles12, programs: susePrograms, good: suseGood, stuck: suseStuck,
		after: files{"etc/systemd/system/multi-user.target.wants/SuSEfirewall2_init.service": "-", "etc/ssh/sshd_config": "# comment\nUsePAM yes\n"},
	},
	{
		name: "openSUSE Tumbleweed", tree: tumbleweed, programs: susePrograms, good: suseGood, stuck: suseStuck,
		after: files{"etc/NetworkManager/system-connections/a.nmconnection": "-", "etc/ssh/sshd_config": "-"},
	},
}

func TestUnreadySUSEIsMended(t *testing.T) {
	expectReady(t, otherShells, suseGuests[0])
}

func TestReadOnlyRootIsRefused(t *testing.T) {
	needPrograms(t, "dash")
	root := guesttest.NewTreeOf(t, leap15, files{
		"proc/self/mountinfo":           "35 1 0:31 /@/.snapshots/1/snapshot / ro,relatime shared:1 - btrfs /dev/vda1 rw\n",
		"usr/sbin/transactional-update": "",
	})
	tr, err := attempt(t, Settings{}, []string{"dash"}, root, report.Mend, "", []requirement.ID{requirement.SSHServer}, susePrograms)
	if err == nil || !strings.Contains(tr.failure, "the root file system is read-only") {
		t.Errorf("got %v, %q", err, tr.failure)
	}
}

// grub2Makers stand in for the programs of Red Hat and SUSE.
var grub2Makers = files{
	"rpm":      "true",
	"lsinitrd": `cat "$1"`,
	"dracut":   dracutStandIn,
	"grub2-mkconfig": `test "$1" = -o || exit 2
(` + grubStandIn + `
) >"$2"`,
}

func suseMatrix(*testing.T) []unready {
	broken := with(grub2Makers, files{"grub2-mkconfig": brokenStandIn})
	return append(slices.Clone(suseGuests),
		unready{
			name: "openSUSE Leap 15.6, rebuilt", only: rebuilt, programs: grub2Makers,
			tree: with(leap15, oldKernel("boot/vmlinuz-2.6.32-old", "boot/initrd-2.6.32-old")),
		},
		unready{
			name: "openSUSE Leap 15.6, whose menu cannot be rebuilt", only: rebuilt[:1], programs: broken, tree: leap15,
			stuck: map[requirement.ID]string{requirement.ConsoleLog: "the boot-menu could not be rebuilt: grub2-mkconfig: no space left on device"},
		},
		unready{
			name: "openSUSE Leap 15.6, beyond mending", programs: susePrograms, settings: Settings{Offline: true}, immutable: immutable,
			tree: with(leap15, hopeless, files{
				"rpms": without(leap15["rpms"], "openssh-server", "qemu-guest-agent"), "usr/sbin/ifup": "-",
			}),
			stuck: hopelessReasons(map[requirement.ID]string{requirement.ConsoleLog: "has quiet"}),
		},
	)
}
