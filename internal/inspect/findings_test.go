package inspect

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

const (
	version  = "6.1.0-9-amd64"
	mib      = int64(1) << 20
	readyMAC = "52:54:00:12:34:56"
)

// readyFiles is a guest that meets every requirement.
func readyFiles() files {
	return files{
		"etc/os-release": "-> ../usr/lib/os-release",
		"usr/lib/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n" +
			"ID=debian\nVERSION_ID=\"12\"\n",
		"lib": "-> usr/lib", "bin": "-> usr/bin", "sbin": "-> usr/sbin",
		"usr/sbin/init":           "-> /lib/systemd/systemd",
		"usr/lib/systemd/systemd": elfHeaderOf(62),
		"etc/fstab":               "UUID=1111 / ext4 defaults 0 1\n",
		"etc/passwd":              "root:x:0:0:root:/root:/bin/sh\ndebian:x:1000:1000::/home/debian:/bin/sh\n",
		"etc/shadow":              "root:*:1::::::\ndebian:!:1::::::\nlocked:!$6$salt$hash:1::::::\n",
		"etc/machine-id":          "",
		"root/":                   "", "home/debian/.bashrc": "PS1=x\n",
		"var/lib/dpkg/status": "Package: cloud-init\nStatus: install ok installed\nVersion: 22.4.2-1\n\n" +
			"Package: removed\nStatus: deinstall ok config-files\nVersion: 1\n",

		"boot/vmlinuz-" + version:                                  "kernel",
		"boot/initrd.img-" + version:                               cpioOf("early/microcode") + "\x00\x00\x00\x00" + cpioOf(moduleFiles("virtio_blk", "virtio_pci", "virtio_scsi")...),
		"usr/lib/modules/" + version + "/modules.builtin":          "kernel/drivers/block/loop.ko\n",
		"usr/lib/modules/" + version + "/modules.dep":              "kernel/net/virtio_net.ko: kernel/x.ko\nkernel/sr_mod.ko:\nkernel/isofs.ko.xz:\nkernel/ata_piix.ko:\nkernel/ahci.ko:\n",
		"usr/lib/modules/" + version + "/kernel/net/virtio_net.ko": "x",
		"usr/lib/modules/" + version + "/kernel/sr_mod.ko":         "x",
		"usr/lib/modules/" + version + "/kernel/isofs.ko.xz":       "x",
		"usr/lib/modules/" + version + "/kernel/ata_piix.ko":       "x",
		"usr/lib/modules/" + version + "/kernel/ahci.ko":           "x",
		"boot/grub/grub.cfg":                                       grubConfig("console=tty0 console=ttyS0,115200n8"),

		"usr/lib/systemd/system/default.target":                                 "-> graphical.target",
		"usr/lib/systemd/system/graphical.target":                               "[Unit]\nRequires=multi-user.target\n",
		"usr/lib/systemd/system/multi-user.target":                              "[Unit]\nRequires=basic.target\n",
		"usr/lib/systemd/system/basic.target":                                   "[Unit]\nRequires=sysinit.target\nWants=sockets.target\n",
		"usr/lib/systemd/system/sysinit.target":                                 "[Unit]\n",
		"usr/lib/systemd/system/sockets.target":                                 "[Unit]\n",
		"usr/lib/systemd/system/ssh.service":                                    "[Install]\nWantedBy=multi-user.target\n",
		"usr/lib/systemd/system/ssh.socket":                                     "[Install]\nWantedBy=sockets.target\n",
		"usr/lib/systemd/system/networking.service":                             "[Install]\nWantedBy=multi-user.target\n",
		"usr/lib/systemd/system/dbus.service":                                   "[Service]\n",
		"usr/lib/systemd/system/systemd-logind.service":                         "[Service]\n",
		"usr/lib/systemd/system/systemd-networkd.service":                       "[Install]\nWantedBy=multi-user.target\n",
		"usr/lib/systemd/system/qemu-guest-agent.service":                       "[Unit]\nBindsTo=dev-virtio.device\n[Install]\n",
		"usr/lib/systemd/system/cloud-init.target":                              "[Unit]\n",
		"usr/lib/systemd/system/cloud-init-local.service":                       "[Install]\nWantedBy=cloud-init.target\n",
		"usr/lib/systemd/system/cloud-init.service":                             "[Unit]\nWants=sshd-keygen.service\n[Install]\nWantedBy=cloud-init.target\n",
		"usr/lib/systemd/system/cloud-config.service":                           "[Install]\nWantedBy=cloud-init.target\n",
		"usr/lib/systemd/system/cloud-final.service":                            "[Install]\nWantedBy=cloud-init.target\n",
		"usr/lib/systemd/system-generators/cloud-init-generator":                "#!/bin/sh\n",
		"usr/lib/systemd/system/multi-user.target.wants/dbus.service":           "-> ../dbus.service",
		"usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service": "-> ../systemd-logind.service",
		"etc/systemd/system/multi-user.target.wants/ssh.service":                "-> /lib/systemd/system/ssh.service",
		"etc/systemd/system/multi-user.target.wants/networking.service":         "-> /lib/systemd/system/networking.service",
		"etc/systemd/system/cloud-init.target.wants/cloud-init-local.service":   "-> /lib/systemd/system/cloud-init-local.service",
		"etc/systemd/system/cloud-init.target.wants/cloud-init.service":         "-> /lib/systemd/system/cloud-init.service",
		"etc/systemd/system/cloud-init.target.wants/cloud-config.service":       "-> /lib/systemd/system/cloud-config.service",
		"etc/systemd/system/cloud-init.target.wants/cloud-final.service":        "-> /lib/systemd/system/cloud-final.service",
		"usr/lib/udev/rules.d/60-qemu-guest-agent.rules":                        "SUBSYSTEM==\"virtio-ports\", \\\n  ENV{SYSTEMD_WANTS}=\"qemu-guest-agent.service\"\n",
		"usr/lib/udev/rules.d/80-net-setup-link.rules":                          "NAME=\"$env{ID_NET_NAME}\"\n",
		"usr/sbin/qemu-ga":  "x",
		"usr/sbin/sshd":     "x",
		"usr/sbin/growpart": "x", "usr/sbin/resize2fs": "x", "usr/sbin/sfdisk": "x",
		"usr/sbin/ifup": "x", "usr/sbin/ifquery": "x", "usr/sbin/dhclient": "x",
		"usr/bin/cloud-init":     "x",
		"etc/network/interfaces": "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n",

		"etc/cloud/cloud.cfg":                             cloudCfg,
		"etc/cloud/cloud.cfg.d/05_logging.cfg":            "_log:\n - &base |\n   [x]\nlog_cfgs:\n - [ *base ]\n",
		"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": "datasource_list: [ ConfigDrive, OpenStack, None ]\n",
		"usr/lib/cloud-init/ds-identify": "DI_DEFAULT_POLICY=\"search,found=all,maybe=none,notfound=${DI_DISABLED}\"\n" +
			"DI_DEFAULT_POLICY_NO_DMI=\"search,found=all,maybe=none,notfound=${DI_DISABLED}\"\n",
	}
}

const cloudCfg = `users:
   - default
disable_root: true
preserve_hostname: false
cloud_init_modules:
 - seed_random
 - growpart
 - resizefs
 - set_hostname
 - users-groups
 - ssh
cloud_final_modules:
 - [scripts-user, always]
system_info:
   default_user:
     name: debian
`

func grubConfig(args string) string {
	return "set default=0\nmenuentry 'Debian GNU/Linux' --class debian {\n" +
		"\tlinux\t/boot/vmlinuz-" + version + " root=UUID=1111 ro " + args + "\n}\n" +
		"submenu 'Advanced options' {\n\tmenuentry 'Debian (recovery mode)' {\n" +
		"\t\tlinux /boot/vmlinuz-" + version + " root=UUID=1111 ro single quiet\n\t}\n}\n" +
		"menuentry 'Memory test' {\n\tlinux /boot/memtest86+x64.bin\n}\n"
}

// readyLayout is a disk with one ext4 partition that fills it.
func readyLayout() layout {
	part := partition.Partition{Number: 1, Start: mib, Size: 2047 * mib, Type: "0x83", TypeName: "Linux filesystem", UUID: "aabbccdd-01"}
	root := &volume{part: part, kind: "ext4", fs: &filesystem.FS{Geometry: filesystem.Geometry{
		Type: "ext4", BlockSize: 4096, Bytes: 2047 * mib, Step: 128 * mib, UUID: "1111", Clean: true,
	}}}
	return layout{
		size:    2048 * mib,
		table:   &partition.Table{Kind: partition.MBR, Partitions: []partition.Partition{part}},
		volumes: []*volume{root}, root: root,
	}
}

// look inspects a small guest and returns what was found of one requirement.
func look(t *testing.T, id requirement.ID, f files, l layout) requirement.Finding {
	t.Helper()
	for _, found := range lookAll(t, f, l) {
		if found.ID == id {
			return found
		}
	}
	t.Fatalf("no finding for %s", id)
	return requirement.Finding{}
}

func lookAll(t *testing.T, f files, l layout) []requirement.Finding {
	t.Helper()
	tr := newTree(f.fs())
	os, err := readOS(tr)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuest(tr, l, &Facts{Root: l.rootFacts(), OS: os})
	return g.findings(context.Background())
}

func TestReadyGuestMeetsEveryRequirement(t *testing.T) {
	want := map[requirement.ID]requirement.Verdict{requirement.XenPVKernel: requirement.NotApplicable}
	seen := 0
	for _, f := range lookAll(t, readyFiles(), readyLayout()) {
		seen++
		verdict := want[f.ID]
		if verdict == "" {
			verdict = requirement.Met
		}
		if f.Verdict != verdict || f.Side != requirement.Disk || len(f.Evidence) == 0 {
			t.Errorf("%s: got %s, want %s: %s", f.ID, f.Verdict, verdict, strings.Join(f.Evidence, "\n\t"))
		}
	}
	// image-format is not about the guest.
	if want := len(requirement.SeenFrom(requirement.Disk)) - 1; seen != want {
		t.Errorf("%d findings, want %d", seen, want)
	}
}

const (
	met           = requirement.Met
	unmet         = requirement.Unmet
	unknown       = requirement.Unknown
	notApplicable = requirement.NotApplicable
)

// judged is one change to the ready guest and what it does to a requirement.
type judged struct {
	name    string
	change  files
	layout  func(*layout)
	verdict requirement.Verdict
	// evidence must be found in one entry.
	evidence string
}

func judge(t *testing.T, id requirement.ID, rows []judged) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			l := readyLayout()
			if row.layout != nil {
				row.layout(&l)
			}
			got := look(t, id, readyFiles().with(row.change), l)
			shown := slices.ContainsFunc(got.Evidence, func(e string) bool { return strings.Contains(e, row.evidence) })
			if got.Verdict != row.verdict || !shown {
				t.Errorf("got %s, want %s with %q in:\n\t%s", got.Verdict, row.verdict, row.evidence, strings.Join(got.Evidence, "\n\t"))
			}
		})
	}
}

// Changes that several requirements share.
var (
	noCloudInit       = files{"usr/bin/cloud-init": gone}
	cloudInitDisabled = files{"etc/cloud/cloud-init.disabled": ""}
	brokenCloudConfig = files{"etc/cloud/cloud.cfg.d/50.cfg": "a: [\n"}
)

// cloudCfgWithout is cloud.cfg without the line that holds text.
func cloudCfgWithout(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(cloudCfg) {
		if !strings.Contains(line, text) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func dropIn(text string) files { return files{"etc/cloud/cloud.cfg.d/50.cfg": text} }

func TestRootResize(t *testing.T) {
	growroot := files{"usr/share/initramfs-tools/scripts/local-bottom/growroot": "x"}
	judge(t, requirement.RootResize, []judged{
		{"growpart and resizefs", nil, nil, met, "/etc/cloud/cloud.cfg:7: cloud_init_modules names the module growpart"},
		{"the other program is named", nil, nil, met, "/usr/sbin/resize2fs is there"},
		{"no cloud-init", noCloudInit, nil, unmet, "not installed"},
		{"cloud-init disabled", cloudInitDisabled, nil, unmet, "/etc/cloud/cloud-init.disabled is there"},
		{"no growpart", files{"usr/sbin/growpart": gone}, nil, unmet, "no program growpart"},
		{"no resize2fs", files{"usr/sbin/resize2fs": gone}, nil, unmet, "no program resize2fs"},
		{"no sfdisk", files{"usr/sbin/sfdisk": gone}, nil, unmet, "no program sfdisk"},
		{"sgdisk on GPT", files{"usr/sbin/sfdisk": gone, "usr/sbin/sgdisk": "x"}, func(l *layout) { l.table.Kind = partition.GPT }, met, "/usr/sbin/sgdisk is there"},
		{"sgdisk on MBR", files{"usr/sbin/sfdisk": gone, "usr/sbin/sgdisk": "x"}, nil, unmet, "no program sfdisk"},
		{"module growpart off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("growpart")}, nil, unmet, "does not name the module growpart"},
		{"module resizefs off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("resizefs")}, nil, unmet, "does not name the module resizefs"},
		{"wrong order", dropIn("cloud_init_modules: [resizefs, growpart]\n"), nil, unmet, "resizefs comes before growpart"},
		{"mode off", dropIn("growpart:\n  mode: off\n"), nil, unmet, "/etc/cloud/cloud.cfg.d/50.cfg:2: growpart: mode: off"},
		{"mode auto", dropIn("growpart:\n  mode: auto\n  devices: ['/']\n"), nil, met, "growpart"},
		{"resize_rootfs off", dropIn("resize_rootfs: false\n"), nil, unmet, "50.cfg:1: resize_rootfs: false"},
		{"other devices", dropIn("growpart: {devices: [/dev/vda3]}\n"), nil, unknown, "does not name /"},
		{"growroot-disabled", files{"etc/growroot-disabled": ""}, nil, unmet, "/etc/growroot-disabled is there"},
		{"growroot-disabled ignored", files{"etc/growroot-disabled": ""}.with(dropIn("growpart: {ignore_growroot_disabled: true}\n")), nil, met, "growpart"},
		{"initramfs growroot", growroot.with(files{"usr/sbin/sfdisk": gone}), nil, met, "grows the partition in the initramfs"},
		{"initramfs growroot disabled", growroot.with(files{"etc/growroot-disabled": ""}), nil, unmet, "/etc/growroot-disabled"},
		{"initramfs growroot without resizefs", growroot.with(files{"etc/cloud/cloud.cfg": cloudCfgWithout("resizefs")}), nil, unmet, "resizefs"},
		{"initramfs growroot with resizefs off", growroot.with(dropIn("resize_rootfs: no\n")), nil, unmet, "resize_rootfs: no"},
		{"broken configuration", brokenCloudConfig, nil, unknown, "50.cfg: not YAML"},
	})
}

func TestPartitionLayout(t *testing.T) {
	add := func(p partition.Partition) func(*layout) {
		return func(l *layout) { l.table.Partitions = append(l.table.Partitions, p) }
	}
	judge(t, requirement.PartitionLayout, []judged{
		{"one partition", nil, nil, met, "one ext4 partition, number 1, no LVM (mbr table)"},
		{"fills its partition", nil, nil, met, "the file system has 2146435072 bytes of its partition's 2146435072"},
		{"the last of two", nil, add(partition.Partition{Number: 14, Start: 512, Size: 512, TypeName: "BIOS boot"}), met, "the last of 2 partitions"},
		{"swap behind it", nil, func(l *layout) {
			l.size += 512 * mib
			add(partition.Partition{Number: 2, Start: 2048 * mib, Size: 512 * mib, TypeName: "Linux swap"})(l)
		}, unmet, "behind it lies partition 2 (Linux swap)"},
		{"inside an extended partition", nil, func(l *layout) {
			l.table.Partitions[0].Number, l.root.part.Number = 5, 5
			add(partition.Partition{Number: 2, Start: mib - 512, Size: 2047*mib + 512, Type: "0x05"})(l)
		}, unmet, "inside the extended partition 2"},
		{"disk grown, table not", nil, func(l *layout) { l.size = 4096 * mib }, unmet, "2 GiB of the disk are described by no partition"},
		{"slack for alignment", nil, func(l *layout) { l.size += 2 * mib }, met, "of the disk's 2149580800"},
		{"partition grown, file system not", nil, func(l *layout) { l.root.fs.Geometry.Bytes = 1024 * mib }, unmet, "1023 MiB are unused"},
		{"less than a step", nil, func(l *layout) { l.root.fs.Geometry.Bytes -= 100 * mib }, met, "less than 134217728 may stay unused"},
		{"file system larger than its partition", nil, func(l *layout) { l.root.fs.Geometry.Bytes += mib }, unmet, "has only"},
		{"broken table", nil, func(l *layout) { l.table.Problems = []string{"the backup GPT is not at the end"} }, unmet, "the backup GPT is not at the end"},
		{"no table", nil, func(l *layout) {
			l.table.Kind, l.table.Partitions, l.root.part = partition.None, nil, partition.Partition{Size: 2047 * mib}
		}, met, "fills the whole disk"},
	})
}

func TestNoHardcodedMAC(t *testing.T) {
	rows := []judged{
		{"none", nil, nil, met, "no MAC address in"},
		{"no boot entries", files{"boot/grub/grub.cfg": gone}, nil, unknown, "no boot entry was found"},
		{"kernel command line", files{"boot/grub/grub.cfg": grubConfig("ifname=lan:" + readyMAC)}, nil, unmet, "/boot/grub/grub.cfg:3"},
		{"comment", files{"etc/udev/rules.d/70-persistent-net.rules": "# ATTR{address}==\"" + readyMAC + "\"\n"}, nil, met, "no MAC"},
		{"zero address", files{"etc/network/interfaces": "source /etc/network/interfaces.d/*\nhwaddress 00:00:00:00:00:00\n"}, nil, met, "no MAC"},
		{"UUID", files{"etc/NetworkManager/system-connections/lan": "uuid=0a1b2c3d-0000-1111-2222-aabbccddeeff\n"}, nil, met, "no MAC"},
		{"udev rule about a disk", files{"etc/udev/rules.d/50.rules": "ENV{ID_WWN}==\"" + readyMAC + "\"\n"}, nil, met, "no MAC"},
		{"generator of old udevs", files{"usr/lib/udev/rules.d/75-persistent-net-generator.rules": "x\n"}, nil, unmet, "75-persistent-net-generator.rules writes"},
		{"generator overridden", files{
			"usr/lib/udev/rules.d/75-persistent-net-generator.rules": "x\n",
			"etc/udev/rules.d/75-persistent-net-generator.rules":     "",
		}, nil, met, "no MAC"},
		{"a directory in place of a file", files{"etc/netplan/00.yaml/": ""}, nil, met, "no MAC"},
	}
	for name, line := range map[string]string{
		"etc/udev/rules.d/70-persistent-net.rules":    `SUBSYSTEM=="net", ATTR{address}=="%", NAME="eth0"`,
		"etc/network/interfaces":                      "hwaddress ether %",
		"etc/network/interfaces.d/lan":                "hwaddress ether %",
		"etc/netplan/50-cloud-init.yaml":              "macaddress: %",
		"etc/systemd/network/10.link":                 "MACAddress=%",
		"etc/systemd/network/10.network":              "PermanentMACAddress=%",
		"etc/NetworkManager/system-connections/a.nmc": "mac-address=%",
		"etc/sysconfig/network-scripts/ifcfg-eth0":    "HWADDR=%",
		"etc/iftab":                              "eth0 mac %",
		"etc/default/grub":                       "GRUB_CMDLINE_LINUX=BOOTIF=%",
		"etc/cloud/cloud.cfg.d/99-installer.cfg": "x: {mac_address: '%'}",
	} {
		for form, mac := range map[string]string{"colons": readyMAC, "dashes": "52-54-00-AB-34-56"} {
			text := strings.Replace(line, "%", mac, 1)
			rows = append(rows, judged{name + " " + form, files{name: text + "\n"}, nil, unmet, "/" + name + ":1: " + text})
		}
	}
	judge(t, requirement.NoHardcodedMAC, rows)
}

func TestSSHServer(t *testing.T) {
	judge(t, requirement.SSHServer, []judged{
		{"service", nil, nil, met, "ssh.service is started by /etc/systemd/system/multi-user.target.wants/ssh.service"},
		{"program", nil, nil, met, "/usr/sbin/sshd is installed"},
		{"socket", files{
			"etc/systemd/system/multi-user.target.wants/ssh.service": gone,
			"etc/systemd/system/sockets.target.wants/ssh.socket":     "-> /lib/systemd/system/ssh.socket",
		}, nil, met, "ssh.socket is started by"},
		{"init script", files{
			"usr/lib/systemd/system/ssh.service": gone, "etc/systemd/system/multi-user.target.wants/ssh.service": gone,
			"etc/init.d/ssh": "x", "etc/rc2.d/S01ssh": "-> ../init.d/ssh",
		}, nil, met, "ssh.service is started by /etc/rc2.d/S01ssh"},
		{"dropbear", files{
			"etc/systemd/system/multi-user.target.wants/ssh.service": gone,
			"usr/sbin/sshd": gone, "usr/sbin/dropbear": "x", "usr/lib/systemd/system/dropbear.service": "[Unit]\n",
			"etc/systemd/system/multi-user.target.wants/dropbear.service": "-> x",
		}, nil, met, "dropbear.service is started by"},
		{"not installed", files{"usr/sbin/sshd": gone}, nil, unmet, "no program sshd"},
		{"not enabled", files{"etc/systemd/system/multi-user.target.wants/ssh.service": gone}, nil, unmet, "nothing that starts at boot pulls it in"},
		{"wanted by a target that does not start", files{
			"etc/systemd/system/multi-user.target.wants/ssh.service": gone,
			"etc/systemd/system/other.target.wants/ssh.service":      "-> /lib/systemd/system/ssh.service",
		}, nil, unmet, "nothing starts it at boot"},
		{"link to a unit that is gone", files{"usr/lib/systemd/system/ssh.service": gone, "usr/lib/systemd/system/ssh.socket": gone}, nil, unmet, "is in none of"},
		{"masked", files{"etc/systemd/system/ssh.service": "-> /dev/null"}, nil, unmet, "masked by /etc/systemd/system/ssh.service"},
		{"masked by an empty file", files{"etc/systemd/system/ssh.service": ""}, nil, unmet, "masked by"},
		{"not to be run", files{"etc/ssh/sshd_not_to_be_run": ""}, nil, unmet, "sshd_not_to_be_run"},
		{"no systemd", files{"usr/lib/systemd/system/default.target": gone}, nil, unknown, "no systemd unit default.target"},
		{"unreadable unit", files{"usr/lib/systemd/system/basic.target": gone, "usr/lib/systemd/system/basic.target/": ""}, nil, unknown, "basic.target"},
	})
}

func TestNoFirewall(t *testing.T) {
	nftables := files{"usr/lib/systemd/system/nftables.service": "[Install]\nWantedBy=sysinit.target\n"}
	ufw := files{
		"usr/lib/systemd/system/ufw.service":                     "[Install]\nWantedBy=multi-user.target\n",
		"etc/systemd/system/multi-user.target.wants/ufw.service": "-> /lib/systemd/system/ufw.service",
	}
	enabled := nftables.with(files{"etc/systemd/system/sysinit.target.wants/nftables.service": "-> /lib/systemd/system/nftables.service"})
	uninitialized := files{"etc/machine-id": "uninitialized\n"}
	preset := files{"etc/systemd/system-preset/00.preset": "disable nftables.service\n", "usr/lib/systemd/system-preset/90.preset": "enable nftables.*\n"}
	judge(t, requirement.NoFirewall, []judged{
		{"none", nil, nil, met, "none of 25 known firewalls"},
		{"disabled", nftables, nil, met, "nftables.service: nothing that starts at boot pulls it in"},
		{"enabled", enabled, nil, unmet, "nftables.service is started by /etc/systemd/system/sysinit.target.wants/nftables.service"},
		{"masked", enabled.with(files{"etc/systemd/system/nftables.service": "-> /dev/null"}), nil, met, "masked by"},
		{"init script", files{"etc/init.d/ferm": "x", "etc/rcS.d/S05ferm": "-> ../init.d/ferm"}, nil, unmet, "ferm.service is started by /etc/rcS.d/S05ferm"},
		{"ufw on", ufw.with(files{"etc/ufw/ufw.conf": "ENABLED=yes\n"}), nil, unmet, "ufw.service is started"},
		{"ufw off", ufw.with(files{"etc/ufw/ufw.conf": "# x\nENABLED=no\n"}), nil, met, "/etc/ufw/ufw.conf:2: ENABLED=no"},
		{"ufw without a switch", ufw, nil, met, "no line ENABLED=yes"},
		{"comes back at the first boot", nftables.with(uninitialized), nil, unmet, "/etc/machine-id:1: uninitialized makes the first boot"},
		{"comes back without machine-id", nftables.with(files{"etc/machine-id": gone}), nil, unmet, "a missing /etc/machine-id"},
		{"kept off by a preset", nftables.with(uninitialized).with(preset), nil, met, "nothing that starts at boot"},
		{"brought back by a preset", nftables.with(uninitialized).with(preset).with(files{"etc/systemd/system-preset/00.preset": gone}), nil, unmet, "90.preset:1: enable nftables.*"},
		{"masked at the first boot", nftables.with(uninitialized).with(files{"etc/systemd/system/nftables.service": "-> /dev/null"}), nil, met, "masked"},
		{"nothing to enable", files{"usr/lib/systemd/system/nftables.service": "[Unit]\n"}.with(uninitialized), nil, met, "nothing that starts"},
		{"rules by ifupdown", files{"etc/network/interfaces.d/lan": "  pre-up iptables-restore < /etc/iptables.up.rules\n"}, nil, unmet, "/etc/network/interfaces.d/lan:1"},
		{"rules by rc.local", files{"etc/rc.local": "#!/bin/sh\n/usr/sbin/nft -f /etc/rules\n"}, nil, unmet, "/etc/rc.local:2"},
		{"unreadable ufw.conf", ufw.with(files{"etc/ufw/ufw.conf/": ""}), nil, unknown, "/etc/ufw/ufw.conf"},
		{"unreadable machine-id", nftables.with(files{"etc/machine-id": gone, "etc/machine-id/": ""}), nil, unknown, "/etc/machine-id"},
		{"no systemd", files{"usr/lib/systemd/system/default.target": gone}, nil, unknown, "no systemd unit default.target"},
	})
}

func TestSSHKey(t *testing.T) {
	judge(t, requirement.SSHKey, []judged{
		{"default user", nil, nil, met, "/etc/cloud/cloud.cfg:16: the key goes to the account debian"},
		{"other default user", dropIn("system_info: {default_user: {name: admin}}\n"), nil, met, "50.cfg:1: the key goes to the account admin"},
		{"root", dropIn("users: []\ndisable_root: false\n"), nil, met, "the key goes to root"},
		{"no cloud-init", noCloudInit, nil, unmet, "not installed"},
		{"cloud-init disabled", cloudInitDisabled, nil, unmet, "cloud-init.disabled"},
		{"disabled on the command line", files{"boot/grub/grub.cfg": grubConfig("cloud-init=disabled")}, nil, unmet, "grub.cfg:3"},
		{"disabled by policy", files{"etc/cloud/ds-identify.cfg": "policy: disabled\n"}, nil, unmet, "/etc/cloud/ds-identify.cfg:1: policy: disabled"},
		{"no generator", files{"usr/lib/systemd/system-generators/cloud-init-generator": gone}, nil, unmet, "cloud-init.target"},
		{"generator masked", files{"etc/systemd/system-generators/cloud-init-generator": "-> /dev/null"}, nil, unmet, "no generator adds it"},
		{"a stage masked", files{"etc/systemd/system/cloud-final.service": "-> /dev/null"}, nil, unmet, "cloud-final.service is masked"},
		{"a stage not enabled", files{"etc/systemd/system/cloud-init.target.wants/cloud-init.service": gone}, nil, unmet, "cloud-init.service: nothing that starts"},
		{"stages of 24.3", files{
			"usr/lib/systemd/system/cloud-init.service":                             gone,
			"etc/systemd/system/cloud-init.target.wants/cloud-init.service":         gone,
			"usr/lib/systemd/system/cloud-init-network.service":                     "[Unit]\n",
			"etc/systemd/system/cloud-init.target.wants/cloud-init-network.service": "-> x",
		}, nil, met, "the account debian"},
		{"users without default", dropIn("users: [bob]\n"), nil, unmet, "users does not name default"},
		{"no name", files{"etc/cloud/cloud.cfg": cloudCfgWithout("name: debian")}, nil, unmet, "default_user has no name"},
		{"module ssh off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("- ssh")}, nil, unmet, "module ssh"},
		{"module users-groups off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("users-groups")}, nil, unmet, "module users_groups"},
		{"never again", dropIn("manual_cache_clean: true\n"), nil, unmet, "manual_cache_clean"},
		{"keys refused", dropIn("allow_public_ssh_keys: false\n"), nil, unmet, "allow_public_ssh_keys: false"},
		{"server takes no keys", files{"etc/ssh/sshd_config": "#x\nPubkeyAuthentication no\n"}, nil, unmet, "/etc/ssh/sshd_config:2"},
		{"first setting counts", files{
			"etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nPubkeyAuthentication no\nUsePAM yes\n", "etc/ssh/sshd_config.d/1.conf": "PubkeyAuthentication yes\n",
		}, nil, met, "the account debian"},
		{"a file that is not included", files{
			"etc/ssh/sshd_config": "PubkeyAuthentication no\nUsePAM yes\n", "etc/ssh/sshd_config.d/1.conf": "PubkeyAuthentication yes\n",
		}, nil, unmet, "/etc/ssh/sshd_config:1"},
		{"for some logins only", files{"etc/ssh/sshd_config": "UsePAM=yes\nMatch User a\n  PubkeyAuthentication no\n"}, nil, met, "the account debian"},
		{"files that include each other", files{"etc/ssh/sshd_config": "Include sshd_config\n"}, nil, unknown, "include each other"},
		{"without PAM", files{"etc/ssh/sshd_config": "#x\nUsePAM no\n"}, nil, unmet, "/etc/ssh/sshd_config:2: UsePAM no: the SSH server refuses"},
		{"without PAM by default", files{"etc/ssh/sshd_config": "Port 22\n"}, nil, unmet, "has no UsePAM yes"},
		{"SUSE's configuration", files{"usr/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nInclude /usr/etc/ssh/sshd_config.d/*.conf\nUsePAM no\n", "usr/etc/ssh/sshd_config.d/50-suse.conf": "UsePAM yes\n"}, nil, met, "the account debian"},
		{"broken configuration", brokenCloudConfig, nil, unknown, "50.cfg: not YAML"},
		{"a template", dropIn("## template: jinja\na: b\n"), nil, unknown, "50.cfg:1: a template"},
	})
}

func TestUserData(t *testing.T) {
	judge(t, requirement.UserData, []judged{
		{"on", nil, nil, met, "cloud_final_modules names the module scripts_user"},
		{"no cloud-init", noCloudInit, nil, unmet, "not installed"},
		{"module scripts-user off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("scripts-user")}, nil, unmet, "module scripts_user"},
		{"module set_hostname off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("set_hostname")}, nil, unmet, "module set_hostname"},
		{"host name kept", dropIn("preserve_hostname: yes\n"), nil, unmet, "preserve_hostname: yes"},
		{"user data refused", dropIn("allow_userdata: false\n"), nil, unmet, "allow_userdata: false"},
		{"never again", dropIn("manual_cache_clean: true\n"), nil, unmet, "manual_cache_clean"},
		{"broken configuration", brokenCloudConfig, nil, unknown, "not YAML"},
	})
}

func TestDatasource(t *testing.T) {
	list := func(text string) files { return files{"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": text} }
	arm := files{"usr/lib/systemd/systemd": elfHeaderOf(183)}
	lax := files{"usr/lib/cloud-init/ds-identify": "DI_DEFAULT_POLICY_NO_DMI=\"search,found=all,maybe=none,notfound=${DI_ENABLED}\"\n"}
	judge(t, requirement.Datasource, []judged{
		{"both", nil, nil, met, "99_zz_openstack_ready.cfg:1: datasource_list: [ ConfigDrive, OpenStack, None ]"},
		{"no list", list(""), nil, met, "cloud-init looks for all data sources"},
		{"the last line counts", list("datasource_list: [ NoCloud ]\ndatasource_list: [ConfigDrive,'OpenStack']\n"), nil, met, ":2:"},
		{"a later file counts", files{"etc/cloud/cloud.cfg.d/99_zzz.cfg": "datasource_list: [None]\n"}, nil, unmet, "99_zzz.cfg:1: datasource_list: [None]: OpenStack is not in the list"},
		{"a comment does not", files{"etc/cloud/cloud.cfg.d/99_zzz.cfg": "# datasource_list: [None]\n"}, nil, met, "99_zz_openstack_ready"},
		{"no config drive", list("datasource_list: [ OpenStack ]\n"), nil, unmet, "ConfigDrive is not in the list"},
		{"no metadata service", list("datasource_list: [ ConfigDrive, None ]\n"), nil, unmet, "OpenStack is not in the list"},
		{"over several lines", list("datasource_list:\n  - NoCloud\n"), nil, met, "ds-identify reads only lists on one line"},
		{"over several lines, without ds-identify", list("datasource_list:\n  - NoCloud\n").with(files{"etc/cloud/ds-identify.cfg": "policy: enabled\n"}), nil, unmet, "[NoCloud]: ConfigDrive"},
		{"forced by ds-identify.cfg", files{"etc/cloud/ds-identify.cfg": "datasource: Ec2\n"}, nil, unmet, "ds-identify.cfg:1: datasource: Ec2"},
		{"forced on the command line", files{"boot/grub/grub.cfg": grubConfig("ds=nocloud;s=/x")}, nil, unmet, "forces the one data source nocloud"},
		{"no cloud-init", noCloudInit, nil, unmet, "not installed"},
		{"arm, strict", arm, nil, unmet, "DI_DEFAULT_POLICY_NO_DMI"},
		{"arm, lax cloud-init", arm.with(lax), nil, met, "on aarch64: /usr/lib/cloud-init/ds-identify:1"},
		{"arm, maybe=all", arm.with(files{"etc/cloud/ds-identify.cfg": "policy: search,found=all,maybe=all,notfound=disabled\n"}), nil, met, "ds-identify.cfg:1"},
		{"arm, notfound=disabled", arm.with(lax).with(files{"boot/grub/grub.cfg": grubConfig("ci.di.policy=search,notfound=disabled")}), nil, unmet, "switches itself off"},
		{"arm, no ds-identify", arm.with(files{"usr/lib/cloud-init/ds-identify": gone}), nil, met, "ds-identify does not run"},
		{"arm, an odd ds-identify", arm.with(files{"usr/lib/cloud-init/ds-identify": "x"}), nil, unknown, "no default policy"},
		{"ds-identify of Red Hat", files{"usr/lib/cloud-init/ds-identify": gone, "usr/libexec/cloud-init/ds-identify": "x", "etc/cloud/ds-identify.cfg": "datasource: NoCloud\n"}, nil, unmet, "ds-identify.cfg:1: datasource: NoCloud"},
		{"no ds-identify, its file left", files{"usr/lib/cloud-init/ds-identify": gone, "etc/cloud/ds-identify.cfg": "policy: disabled\n"}, nil, met, "99_zz_openstack_ready.cfg:1"},
		{"no ds-identify, a list over lines", files{"usr/lib/cloud-init/ds-identify": gone}.with(dropIn("x: y\n")).with(files{"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": "datasource_list:\n- ConfigDrive\n- OpenStack\n"}), nil, met, "99_zz_openstack_ready.cfg:1: datasource_list: [ConfigDrive, OpenStack]"},
		{"unknown machine", files{"usr/lib/systemd/systemd": "#!/bin/sh\n"}, nil, unknown, "the architecture is not known"},
		{"broken configuration", brokenCloudConfig, nil, unknown, "not YAML"},
	})
}

func TestConsoleLog(t *testing.T) {
	grub := func(args string) files { return files{"boot/grub/grub.cfg": grubConfig(args)} }
	grubWith := func(head, args string) files { return files{"boot/grub/grub.cfg": head + grubConfig(args)} }
	arm := files{"usr/lib/systemd/systemd": elfHeaderOf(183)}
	judge(t, requirement.ConsoleLog, []judged{
		{"as the guide says", nil, nil, met, "/boot/grub/grub.cfg:3: /boot/vmlinuz-" + version},
		{"without n8", grub("console=tty0 console=ttyS0,115200"), nil, met, "grub.cfg:3"},
		{"Ubuntu's variable", grubWith("function gfxmode {\n if [ \"${1}\" = \"keep\" ]; then\n  set vt_handoff=vt.handoff=7\n else\n  set vt_handoff=\n fi\n}\n", "console=tty0 console=ttyS0,115200n8 $vt_handoff"), nil, met, "$vt_handoff"},
		{"a variable that is empty", grub("console=tty0 console=ttyS0,115200n8 $more"), nil, met, "grub.cfg:3"},
		{"a variable that hides the log", grubWith("set more=quiet\n", "console=tty0 console=ttyS0,115200n8 $more"), nil, unmet, "quiet hides the kernel log"},
		{"a variable that shows at boot", grubWith("if keystatus --shift; then set more=quiet; fi\n", "console=tty0 console=ttyS0,115200n8 $more"), nil, unknown, "$more"},
		{"none", grub(""), nil, unmet, "no console=tty0, the last console is not console=ttyS0,115200n8"},
		{"wrong order", grub("console=ttyS0,115200n8 console=tty0"), nil, unmet, "the last console is not console=ttyS0"},
		{"no tty0", grub("console=tty1 console=ttyS0,115200n8"), nil, unmet, "no console=tty0"},
		{"quiet", grub("console=tty0 console=ttyS0,115200n8 quiet"), nil, unmet, "quiet hides the kernel log"},
		{"splash", grub("console=tty0 console=ttyS0,115200n8 splash=silent"), nil, unmet, "splash=silent hides"},
		{"rhgb", grub("rhgb console=tty0 console=ttyS0,115200n8"), nil, unmet, "rhgb hides"},
		{"one bad entry of two", files{"boot/grub/grub.cfg": grubConfig("console=tty0 console=ttyS0,115200n8") + grubConfig("quiet")}, nil, unmet, "quiet"},
		{"arm", arm.with(grub("console=tty0 console=ttyAMA0")), nil, met, "ttyAMA0"},
		{"arm with the console of x86", arm, nil, unmet, "console=ttyAMA0,115200n8"},
		{"another machine", files{"usr/lib/systemd/systemd": elfHeaderOf(8)}, nil, unknown, `"mips"`},
		{"no menu", files{"boot/grub/grub.cfg": gone}, nil, unknown, "no boot entry was found"},
		{"entries in files", files{
			"boot/grub/grub.cfg":           grubConfig("console=tty0 console=ttyS0,115200n8") + "blscfg\n",
			"boot/loader/entries/a-1.conf": "title A\nlinux /vmlinuz-1\noptions root=UUID=1111 quiet\n",
		}, nil, unmet, "/boot/loader/entries/a-1.conf:3: /vmlinuz-1 root=UUID=1111 quiet"},
	})
}

func TestXenPVKernel(t *testing.T) {
	const old = "2.6.32-5-amd64"
	kernel := func(config string) files {
		return files{"boot/vmlinuz-" + old: "x", "boot/config-" + old: config, "boot/vmlinuz-" + version: gone}
	}
	const xenWithModule = "CONFIG_XEN=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=m\n"
	initrd := func(names []string) files { return files{"boot/initrd.img-" + old: cpioOf(names...)} }
	judge(t, requirement.XenPVKernel, []judged{
		{"new", nil, nil, notApplicable, version + " is 3.0 or newer"},
		{"old with support", kernel("CONFIG_XEN=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN_BLKDEV_FRONTEND=y\nCONFIG_XEN_NETDEV_FRONTEND=m\n"), nil, met, "CONFIG_XEN=y"},
		{"disk in the initramfs", kernel(xenWithModule).with(initrd(moduleFiles("xen-blkfront"))), nil, met, "kernel/xen-blkfront.ko"},
		{"disk not in the initramfs", kernel(xenWithModule).with(initrd(moduleFiles("virtio_blk"))), nil, unmet, "xen_blkfront is not in the initramfs"},
		{"disk as a module without initramfs", kernel(xenWithModule), nil, unmet, "the kernel has no initramfs"},
		{"damaged initramfs", kernel(xenWithModule).with(files{"boot/initrd.img-" + old: "x"}), nil, unknown, "ends in the middle"},
		{"old without", kernel("# CONFIG_XEN is not set\nCONFIG_PARAVIRT=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=y\n"), nil, unmet, "CONFIG_XEN is not set"},
		{"old as a module", kernel("CONFIG_XEN=m\nCONFIG_PARAVIRT=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=y\n"), nil, unmet, "CONFIG_XEN is not set"},
		{"classic", kernel("CONFIG_X86_64_XEN=y\n"), nil, met, "CONFIG_X86_64_XEN"},
		{"by its name", files{"boot/vmlinuz-2.6.18-8.el5xen": "x", "boot/vmlinuz-" + version: gone}, nil, met, "built for Xen"},
		{"old without configuration", files{"boot/vmlinuz-" + old: "x"}, nil, unknown, "there is no /boot/config-" + old},
		{"odd name", files{"boot/vmlinuz-linux": "x"}, nil, unknown, "can not be told"},
		{"none", files{"boot/vmlinuz-" + version: gone}, nil, unknown, "no kernel"},
	})
}

func TestVirtio(t *testing.T) {
	initrd := func(content string) files { return files{"boot/initrd.img-" + version: content} }
	builtin := files{"usr/lib/modules/" + version + "/modules.builtin": "kernel/virtio_pci.ko\nkernel/virtio-blk.ko\nkernel/virtio_scsi.ko\nkernel/virtio_net.ko\n"}
	module := func(name string) files { return files{"usr/lib/modules/" + version + "/kernel/" + name: gone} }
	judge(t, requirement.Virtio, []judged{
		{"in the initramfs", nil, nil, met, "/boot/initrd.img-" + version + ": usr/lib/modules/x/kernel/virtio_pci.ko, usr/lib/modules/x/kernel/virtio_blk.ko"},
		{"virtio_net", nil, nil, met, "virtio_net: /lib/modules/" + version + "/kernel/net/virtio_net.ko"},
		{"config drive", nil, nil, met, "a config drive is read with ata_piix, ahci, sr_mod, isofs"},
		{"built in", builtin.with(initrd(gone)), nil, met, "virtio_pci, virtio_blk, virtio_scsi are built in"},
		{"no initramfs", initrd(gone), nil, unmet, "no initramfs"},
		{"one missing", initrd(cpioOf(moduleFiles("virtio_blk", "virtio_pci")...)), nil, unmet, "virtio_scsi neither built in nor in the initramfs"},
		{"damaged initramfs", initrd(cpioOf("a")[:100]), nil, unknown, "ends without a trailer"},
		{"odd initramfs", initrd("what is this"), nil, unknown, "compressed in a way that is not read"},
		{"no virtio_net", module("net/virtio_net.ko"), nil, unmet, "virtio_net is neither built in nor in"},
		{"no sr_mod", module("sr_mod.ko"), nil, unmet, "sr_mod is neither built in"},
		{"no ahci", module("ahci.ko"), nil, met, "without ahci not on every machine type"},
		{"no controller", files{
			"usr/lib/modules/" + version + "/kernel/ahci.ko": gone, "usr/lib/modules/" + version + "/kernel/ata_piix.ko": gone,
		}, nil, unmet, "none of ata_piix, ahci"},
		{"a second kernel without modules", files{"boot/vmlinuz-7.0": "x"}, nil, unknown, "/lib/modules/7.0/modules.builtin"},
		{"no modules.dep", files{"usr/lib/modules/" + version + "/modules.dep": gone}, nil, unknown, "modules.dep"},
		{"no kernel", files{"boot/vmlinuz-" + version: gone}, nil, unknown, "no kernel"},
	})
}

func TestDHCP(t *testing.T) {
	noCloudNet := dropIn("network: {config: disabled}\n")
	eth0 := files{"boot/grub/grub.cfg": grubConfig("console=tty0 console=ttyS0,115200n8 net.ifnames=0")}
	noIfupdown := files{"usr/sbin/ifup": gone, "usr/sbin/ifquery": gone}
	networkd := noCloudNet.with(files{"etc/systemd/system/multi-user.target.wants/systemd-networkd.service": "-> x"})
	network := func(text string) files {
		return networkd.with(files{"etc/systemd/network/50.network": text})
	}
	plan := func(text string) files {
		return noCloudNet.with(files{"usr/sbin/netplan": "x", "etc/netplan/01.yaml": text})
	}
	manager := files{
		"usr/lib/systemd/system/NetworkManager.service":                     "[Unit]\n",
		"etc/systemd/system/multi-user.target.wants/NetworkManager.service": "-> x",
	}
	interfaces := func(text string) files { return files{"etc/network/interfaces": text} }
	judge(t, requirement.DHCP, []judged{
		{"cloud-init and ifupdown", nil, nil, met, "/etc/network/interfaces:1: source /etc/network/interfaces.d/*"},
		{"cloud-init without interfaces.d", interfaces("auto lo\n"), nil, unmet, "does not read /etc/network/interfaces.d"},
		{"cloud-init without a DHCP client", files{"usr/sbin/dhclient": gone}, nil, unmet, "there is no DHCP client"},
		{"cloud-init, ifupdown not started", files{"etc/systemd/system/multi-user.target.wants/networking.service": gone}, nil, unmet, "networking.service: nothing"},
		{"cloud-init and netplan", noIfupdown.with(files{"usr/sbin/netplan": "x"}), nil, met, "with netplan, which starts"},
		{"cloud-init and netplan without a stack", noIfupdown.with(files{"usr/sbin/netplan": "x", "usr/lib/systemd/system/systemd-networkd.service": gone}), nil, unmet, "neither systemd-networkd nor NetworkManager"},
		{"cloud-init and netplan on NetworkManager", noIfupdown.with(manager).with(files{"usr/sbin/netplan": "x", "usr/lib/systemd/system/systemd-networkd.service": gone}), nil, met, "netplan, and NetworkManager.service"},
		{"cloud-init and NetworkManager", noIfupdown.with(manager).with(files{"usr/bin/nmcli": "x", "etc/NetworkManager/conf.d/a.conf": "no-auto-default=*\n"}), nil, met, "cloud-init configures the network with NetworkManager"},
		{"cloud-init and networkd", noIfupdown.with(files{"usr/bin/ip": "x", "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": "-> x"}), nil, met, "cloud-init configures the network with systemd-networkd"},
		{"the order of cloud-init's list", dropIn("system_info: {network: {renderers: [netplan, eni]}}\n").with(files{"usr/sbin/netplan": "x"}), nil, met, "with netplan"},
		{"cloud-init without a stack", noIfupdown, nil, unmet, "finds no network stack"},
		{"no cloud-init", noCloudInit, nil, unmet, "not installed"},
		{"cloud-init kept off", noCloudNet, nil, unmet, "50.cfg:1: network: config: disabled"},
		{"kept off on the command line", files{"boot/grub/grub.cfg": grubConfig("network-config=disabled")}, nil, unmet, "leaves the network alone"},

		{"networkd by name", network("[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"), nil, met, "/etc/systemd/network/50.network: DHCP=yes"},
		{"networkd by type", network("[Match]\nType=ether\n[Network]\nDHCP=ipv4\n"), nil, met, "DHCP=ipv4"},
		{"networkd for one card", network("[Match]\nName=enp0s3\n[Network]\nDHCP=yes\n"), nil, unmet, "only for the card enp0s3"},
		{"networkd without DHCP", network("[Match]\nName=e*\n[Network]\nAddress=10.0.0.2/24\n"), nil, unmet, "has no DHCP=yes"},
		{"networkd by driver", network("[Match]\nDriver=virtio_net\n[Network]\nDHCP=yes\n"), nil, unmet, "network: config: disabled"},
		{"networkd by another type", network("[Match]\nType=wlan\n[Network]\nDHCP=yes\n"), nil, unmet, "network: config: disabled"},
		{"networkd not started", noCloudNet.with(files{"etc/systemd/network/50.network": "[Match]\nName=*\n[Network]\nDHCP=yes\n"}), nil, unmet, "network: config: disabled"},

		{"netplan for any card", plan("network:\n  ethernets:\n    any:\n      match: {name: 'e*'}\n      dhcp4: true\n"), nil, met, "/etc/netplan/01.yaml:3: dhcp4 for any card"},
		{"netplan for every card", plan("network: {ethernets: {any: {match: {}, dhcp4: yes}}}\n"), nil, met, "dhcp4 for any card"},
		{"netplan for one card", plan("network: {ethernets: {ens192: {dhcp4: true}}}\n"), nil, unmet, "only for the card ens192"},
		{"netplan without DHCP", plan("network: {ethernets: {any: {match: {name: '*'}}}}\n"), nil, unmet, "network: config: disabled"},
		{"netplan broken", noCloudInit.with(plan("network: [\n")), nil, unknown, "01.yaml: not YAML"},

		{"ifupdown, eth0 by net.ifnames=0", noCloudNet.with(eth0).with(interfaces("auto eth0\niface eth0 inet dhcp\n")), nil, met, "/etc/network/interfaces:2: iface eth0 inet dhcp"},
		{"ifupdown, eth0 without net.ifnames=0", noCloudNet.with(interfaces("auto eth0\niface eth0 inet dhcp\n")), nil, unmet, "configures the card eth0 by name"},
		{"ifupdown, helper of the cloud images", noCloudNet.with(files{"usr/lib/udev/rules.d/75-cloud-ifupdown.rules": "x\n", "etc/network/cloud-ifupdown-helper": "x"}), nil, met, "bring every card up by DHCP"},
		{"NetworkManager", noCloudNet.with(manager), nil, met, "NetworkManager.service is started by"},
		{"NetworkManager without its default", noCloudNet.with(manager).with(files{"etc/NetworkManager/conf.d/a.conf": "[main]\nno-auto-default=*\n"}), nil, unmet, "a.conf:2: no-auto-default=*"},
		{"dhcpcd", noCloudNet.with(files{"usr/lib/systemd/system/dhcpcd.service": "[Unit]\n", "etc/systemd/system/multi-user.target.wants/dhcpcd.service": "-> x"}), nil, met, "dhcpcd.service is started by"},
		{"dhcpcd for one card", noCloudNet.with(files{
			"usr/lib/systemd/system/dhcpcd.service": "[Unit]\n", "etc/systemd/system/multi-user.target.wants/dhcpcd.service": "-> x",
			"etc/dhcpcd.conf": "allowinterfaces enp0s3\n",
		}), nil, unmet, "/etc/dhcpcd.conf:1"},
		{"broken configuration", brokenCloudConfig, nil, unknown, "not YAML"},
		{"no systemd", files{"usr/lib/systemd/system/default.target": gone, "usr/bin/cloud-init": gone}, nil, unknown, "no systemd unit default.target"},
		{"nothing", noCloudNet.with(noIfupdown), nil, unmet, "network: config: disabled"},
	})
}

func TestIdentityReset(t *testing.T) {
	ownKeys := noCloudInit.with(files{
		"etc/systemd/system/openstack-ready-hostkeys.service":                         "[Install]\nWantedBy=multi-user.target\n",
		"etc/systemd/system/multi-user.target.wants/openstack-ready-hostkeys.service": "-> ../openstack-ready-hostkeys.service",
	})
	keygen := func(unit string) files {
		return noCloudInit.with(files{
			"usr/lib/systemd/system/sshd-keygen.service":                     unit,
			"etc/systemd/system/multi-user.target.wants/sshd-keygen.service": "-> /lib/systemd/system/sshd-keygen.service",
		})
	}
	rows := []judged{
		{"machine-id", nil, nil, met, "/etc/machine-id is empty"},
		{"host keys by cloud-init", nil, nil, met, "SSH host keys are made at boot: cloud-init, /etc/cloud/cloud.cfg:11"},
		{"machine-id baked in", files{"etc/machine-id": "0123456789abcdef0123456789abcdef\n"}, nil, unmet, "/etc/machine-id:1: a machine ID is baked in"},
		{"machine-id uninitialized", files{"etc/machine-id": "uninitialized\n"}, nil, unmet, "/etc/machine-id:1: uninitialized: the first boot"},
		{"machine-id missing", files{"etc/machine-id": gone}, nil, unmet, "a missing /etc/machine-id"},
		{"machine-id unreadable", files{"etc/machine-id": gone, "etc/machine-id/": ""}, nil, unknown, "/etc/machine-id"},
		{"D-Bus links to it", files{"var/lib/dbus/machine-id": "-> /etc/machine-id"}, nil, met, "/var/lib/dbus/machine-id is a link or empty"},
		{"D-Bus without one", nil, nil, met, "/var/lib/dbus/machine-id is not there"},
		{"D-Bus has its own", files{"var/lib/dbus/machine-id": "0123\n"}, nil, unmet, "/var/lib/dbus/machine-id is a file of its own"},
		{"host key baked in", files{"etc/ssh/ssh_host_rsa_key": "x"}, nil, unmet, "/etc/ssh/ssh_host_rsa_key is baked in"},
		{"nothing makes host keys", noCloudInit, nil, unmet, "nothing makes SSH host keys"},
		{"cloud-init makes none", dropIn("ssh_genkeytypes: ~\n"), nil, unmet, "nothing makes SSH host keys"},
		{"cloud-init's module is off", files{"etc/cloud/cloud.cfg": cloudCfgWithout("- ssh")}, nil, unmet, "nothing makes SSH host keys"},
		{"host keys by our unit", ownKeys, nil, met, "openstack-ready-hostkeys.service is started by"},
		{"our unit not enabled", ownKeys.with(files{"etc/systemd/system/multi-user.target.wants/openstack-ready-hostkeys.service": gone}), nil, unmet, "nothing makes SSH host keys"},
		{"host keys by the distribution", keygen("[Unit]\n"), nil, met, "sshd-keygen.service is started by"},
		{"only at the first boot, which never is", keygen("[Unit]\nConditionFirstBoot=yes\n"), nil, unmet, "nothing makes SSH host keys"},
		{"no SSH server", noCloudInit.with(files{"usr/sbin/sshd": gone}), nil, met, "no SSH server is installed"},
		{"an empty lease file", files{"var/lib/dhcp/dhclient.leases": ""}, nil, met, "no DHCP lease in /var/lib/dhcp"},
		{"a DUID in the settings", files{"etc/systemd/networkd.conf": "[DHCPv4]\nDUIDRawData=00:11\n"}, nil, unmet, "/etc/systemd/networkd.conf:2"},
		{"cloud-init's instance", files{"var/lib/cloud/instance": "-> instances/i"}, nil, unmet, "/var/lib/cloud/instance: cloud-init's state"},
		{"cloud-init's instances", files{"var/lib/cloud/instances/i/x": "x"}, nil, unmet, "/var/lib/cloud/instances/i"},
		{"cloud-init without state", nil, nil, met, "no state of an instance in /var/lib/cloud"},
	}
	for _, file := range []string{
		"var/lib/dhcp/dhclient.eth0.leases", "var/lib/dhcpcd/duid", "etc/dhcpcd.duid", "var/lib/NetworkManager/secret_key",
		"var/lib/NetworkManager/a.lease", "var/lib/systemd/network/lease", "var/lib/systemd/random-seed",
		"var/lib/systemd/credential.secret", "var/lib/urandom/random-seed",
	} {
		rows = append(rows, judged{file, files{file: "x"}, nil, unmet, "/" + file + ": a"})
	}
	judge(t, requirement.IdentityReset, rows)
}

func TestNoSecrets(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI builder@host"
	rows := []judged{
		{"none", nil, nil, met, "/etc/shadow: no account has a usable password"},
		{"homes", nil, nil, met, "in the homes of 2 accounts"},
		{"root's key", files{"root/.ssh/authorized_keys": key + "\n"}, nil, unmet, "/root/.ssh/authorized_keys:1: ssh-ed25519 key builder@host: opens the account root"},
		{"a user's key with options", files{"home/debian/.ssh/authorized_keys": "# x\nno-pty,command=\"a b\" " + key + "\n"}, nil, unmet, "ssh-ed25519 key builder@host: opens the account debian"},
		{"a key without comment", files{"root/.ssh/authorized_keys2": "ssh-rsa AAAA\n"}, nil, unmet, "ssh-rsa key without a comment"},
		{"a key of nobody's home", files{"home/left/.ssh/authorized_keys": key + "\n"}, nil, unmet, "opens the account left"},
		{"an emptied file of keys", files{"root/.ssh/authorized_keys": ""}, nil, met, "no key"},
		{"a password", files{"etc/shadow": "root:$y$j9T$abc$def:1::::::\n"}, nil, unmet, "/etc/shadow:1: the account root has a usable password"},
		{"an old password", files{"etc/shadow": "root:ab1234567890.:1::::::\n"}, nil, unmet, "/etc/shadow:1"},
		{"an empty password", files{"etc/shadow": "root:*:1\nbob::1::::::\n"}, nil, unmet, "/etc/shadow:2: the account bob has an empty password"},
		{"a password in the backup", files{"etc/shadow-": "root:$6$abc$def:1::::::\n"}, nil, unmet, "/etc/shadow-:1"},
		{"a password in passwd", files{"etc/passwd": "root:$6$abc$def:0:0::/root:/bin/sh\n"}, nil, unmet, "/etc/passwd:1"},
		{"no shadow", files{"etc/shadow": gone}, nil, unknown, "/etc/shadow could not be read"},
		{"no passwd", files{"etc/passwd": gone}, nil, unknown, "/etc/passwd could not be read"},
		{"an empty history", files{"root/.bash_history": ""}, nil, met, "no key"},
		{"a private key", files{"root/.ssh/id_x": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"}, nil, unmet, "/root/.ssh/id_x: a private key"},
		{"a private key in the home", files{"home/debian/key.pem": "-----BEGIN RSA PRIVATE KEY-----\nx\n"}, nil, unmet, "/home/debian/key.pem: a private key"},
		{"a public key", files{"root/.ssh/id_x.pub": key + "\n"}, nil, met, "no key"},
		{"a program that knows keys", files{"root/tool": "\x7fELF\x02\x01\x01\x00-----BEGIN RSA PRIVATE KEY-----"}, nil, met, "no key"},
		{"a program called openrc", files{"root/openrc": "\x7fELF\x02\x01\x01\x00"}, nil, met, "no key"},
		{"an openrc that is none", files{"root/openrc": "export OS_PASSWORD=x\n"}, nil, unmet, "/root/openrc: a credential"},
		{"a journal", files{"var/log/journal/0123/system.journal": "x"}, nil, unmet, "/var/log/journal/0123/system.journal: a journal"},
		{"no journal", files{"var/log/journal/": ""}, nil, met, "no journal in /var/log/journal"},
		{"an unreadable file of keys", files{"root/.ssh/authorized_keys": strings.Repeat("x", maxText+1)}, nil, unknown, "is larger than"},
	}
	for _, file := range []string{
		"root/.bash_history", "home/debian/.zsh_history", "home/debian/.lesshst", "root/.netrc", "root/admin-openrc.sh",
		"root/.config/openstack/clouds.yaml", "home/debian/.aws/credentials", "etc/openstack/secure.yaml",
		"var/log/installer/syslog", "var/log/cloud-init.log", "var/log/cloud-init-output.log", "root/anaconda-ks.cfg",
	} {
		rows = append(rows, judged{file, files{file: "x"}, nil, unmet, "/" + file + ": a"})
	}
	judge(t, requirement.NoSecrets, rows)
}

func TestNoSecretIsQuoted(t *testing.T) {
	f := readyFiles().with(files{
		"etc/shadow":                         "root:$6$verysecret$verysecret:1::::::\n",
		"root/.ssh/authorized_keys":          "ssh-rsa verysecret builder\nverysecret\n",
		"root/.ssh/id_rsa":                   "-----BEGIN RSA PRIVATE KEY-----\nverysecret\n",
		"root/.bash_history":                 "export OS_PASSWORD=verysecret\n",
		"root/.config/openstack/clouds.yaml": "password: verysecret\n",
	})
	got := look(t, requirement.NoSecrets, f, readyLayout())
	if text := strings.Join(got.Evidence, "\n"); got.Verdict != unmet || strings.Contains(text, "verysecret") {
		t.Errorf("got %s:\n%s", got.Verdict, text)
	}
}

func TestACPIShutdown(t *testing.T) {
	noLogind := files{"usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service": gone}
	acpid := noLogind.with(files{
		"usr/lib/systemd/system/acpid.service":                     "[Unit]\n",
		"etc/systemd/system/multi-user.target.wants/acpid.service": "-> x",
		"etc/acpi/events/powerbtn":                                 "event=button[ /]power\naction=/x\n",
	})
	judge(t, requirement.ACPIShutdown, []judged{
		{"logind", nil, nil, met, "systemd-logind.service is started by"},
		{"acpid", acpid, nil, met, "/etc/acpi/events/powerbtn:1: event=button[ /]power"},
		{"acpid without the event", acpid.with(files{"etc/acpi/events/powerbtn": gone}), nil, unmet, "is about the power button"},
		{"neither", noLogind, nil, unmet, "systemd-logind.service: nothing that starts"},
		{"logind masked", files{"etc/systemd/system/systemd-logind.service": "-> /dev/null"}, nil, unmet, "masked"},
		{"no D-Bus", files{"usr/lib/systemd/system/multi-user.target.wants/dbus.service": gone}, nil, unmet, "needs D-Bus"},
		{"button ignored", files{"etc/systemd/logind.conf": "[Login]\nHandlePowerKey=ignore\n"}, nil, unmet, "/etc/systemd/logind.conf:2"},
		{"button no longer ignored", files{"etc/systemd/logind.conf": "HandlePowerKey=ignore\n", "etc/systemd/logind.conf.d/a.conf": "HandlePowerKey=poweroff\n"}, nil, met, "systemd-logind"},
		{"unreadable unit", files{"usr/lib/systemd/system/basic.target": gone, "usr/lib/systemd/system/basic.target/": ""}, nil, unknown, "basic.target"},
	})
}

func TestGuestAgent(t *testing.T) {
	noRule := files{"usr/lib/udev/rules.d/60-qemu-guest-agent.rules": gone}
	judge(t, requirement.GuestAgent, []judged{
		{"by udev", nil, nil, met, "/usr/lib/udev/rules.d/60-qemu-guest-agent.rules:2"},
		{"by a link", noRule.with(files{"etc/systemd/system/multi-user.target.wants/qemu-guest-agent.service": "-> x"}), nil, met, "multi-user.target.wants/qemu-guest-agent.service"},
		{"not installed", files{"usr/sbin/qemu-ga": gone}, nil, unmet, "no program qemu-ga"},
		{"not started", noRule, nil, unmet, "nothing starts it"},
		{"masked", files{"etc/systemd/system/qemu-guest-agent.service": "-> /dev/null"}, nil, unmet, "masked"},
		{"unreadable unit", files{"usr/lib/systemd/system/basic.target": gone, "usr/lib/systemd/system/basic.target/": ""}, nil, unknown, "basic.target"},
	})
}

func TestImageFormat(t *testing.T) {
	info := disk.Info{Format: disk.FormatQCOW2, VirtualSize: 1 << 30}
	if got := imageFormat(info, nil); got.Verdict != met || !strings.Contains(got.Evidence[0], "qcow2 image of 1073741824 bytes") {
		t.Errorf("without problems: %s %q", got.Verdict, got.Evidence)
	}
	if got := imageFormat(info, []string{"is dirty"}); got.Verdict != unmet || !slices.Equal(got.Evidence, []string{"is dirty"}) {
		t.Errorf("with a problem: %s %q", got.Verdict, got.Evidence)
	}
}

func TestUnreadMountMakesWhatLiesThereUnknown(t *testing.T) {
	tr := newTree(readyFiles().fs())
	tr.mount("/boot", nil, "partition 2: xfs")
	tr.mount("/var", nil, "partition 3: xfs")
	l := readyLayout()
	g := newGuest(tr, l, &Facts{Root: l.rootFacts()})
	want := map[requirement.ID]bool{
		requirement.NoHardcodedMAC: true, requirement.ConsoleLog: true, requirement.XenPVKernel: true,
		requirement.Virtio: true, requirement.IdentityReset: true, requirement.NoSecrets: true,
	}
	for _, f := range g.findings(context.Background()) {
		if want[f.ID] && (f.Verdict != unknown || !strings.Contains(strings.Join(f.Evidence, "\n"), "xfs")) {
			t.Errorf("%s: got %s, want unknown because of the unread file system:\n%s", f.ID, f.Verdict, strings.Join(f.Evidence, "\n"))
		}
	}
}

func TestVerdictOfNotes(t *testing.T) {
	tests := []struct {
		name string
		take func(*notes)
		want requirement.Verdict
	}{
		{"nothing", func(*notes) {}, unknown},
		{"met", func(n *notes) { n.met("a") }, met},
		{"one unknown", func(n *notes) { n.met("a"); n.unknown("b") }, unknown},
		{"one unmet", func(n *notes) { n.met("a"); n.unknown("b"); n.unmet("c") }, unmet},
		{"outside", func(n *notes) { n.notApplicable("a") }, notApplicable},
		{"outside and met", func(n *notes) { n.notApplicable("a"); n.met("b") }, met},
		{"outside and unknown", func(n *notes) { n.notApplicable("a"); n.unknown("b") }, unknown},
	}
	for _, tt := range tests {
		n := &notes{}
		tt.take(n)
		if got := n.finding(requirement.DHCP); got.Verdict != tt.want || len(got.Evidence) == 0 {
			t.Errorf("%s: got %s %q, want %s", tt.name, got.Verdict, got.Evidence, tt.want)
		}
	}
	n := &notes{}
	for range 15 {
		n.unmet("a")
	}
	if e := n.finding(requirement.DHCP).Evidence; len(e) != 11 || e[10] != "and 5 more" {
		t.Errorf("evidence of 15 entries: %q", e)
	}
}
