package guest

import (
	"path/filepath"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// redhatPrograms stand in for what Debian does not have, or has under another
// name. chkconfig makes links as the real one does; an initramfs of a tree is
// the list of its names.
var redhatPrograms = files{
	"lsinitrd":      `cat "$1"`,
	"grub2-editenv": `exec grub-editenv "$@"`,
	"chkconfig": `cd "$ROOT/etc/rc.d"
for level in 2 3 4 5; do
  mkdir -p "rc$level.d"
  rm -f "rc$level.d"/[SK]??"$1"
  case $2 in
  on) ln -s "../init.d/$1" "rc$level.d/S50$1" ;;
  off) ln -s "../init.d/$1" "rc$level.d/K50$1" ;;
  esac
done`,
}

// redhatCases holds trees and what a requirement comes to in them: before and
// after the mend, what the finding says in the end, and files as they must be
// then.
var redhatCases = []struct {
	name        string
	base        files
	id          requirement.ID
	tree        files
	before, end requirement.Verdict
	evidence    string
	after       files
}{
	{"EL 10", el10, requirement.RootResize, nil, requirement.Met, requirement.Met, "package cloud-utils-growpart 0.33-1.el is installed", nil},
	{"EL 7 cannot use sfdisk", el7, requirement.RootResize, files{"rpms": "cloud-init-19.4 cloud-utils-growpart-0.29 e2fsprogs-1.42 util-linux-2.23.2"}, requirement.Unmet, requirement.Unmet, "gdisk is not installed", nil},
	{"EL 6 grows in its initramfs", el6, requirement.RootResize, nil, requirement.Met, requirement.Met, "dracut-modules-growroot", nil},
	{"EL 6 does not", el6, requirement.RootResize, files{"boot/initramfs-2.6.32-754.el6.x86_64.img": "x\n"}, requirement.Unmet, requirement.Unmet, "does not grow the root partition", nil},
	{"growpart off on Fedora", fedora, requirement.RootResize, files{"etc/cloud/cloud.cfg.d/50.cfg": "growpart: {mode: 'off'}\n"}, requirement.Unmet, requirement.Met, "", nil},
	{"no packages at all", el9, requirement.RootResize, files{"rpms": "filesystem-3.16"}, requirement.Unmet, requirement.Unmet, "cloud-utils-growpart is not installed", nil},

	{"ext4 to the disk's end", el9, requirement.PartitionLayout, nil, requirement.Met, requirement.Met, "the last of 1", nil},
	{"disk not covered", el9, requirement.PartitionLayout, rootPartition("4194304"), requirement.Unmet, requirement.Unmet, "MiB at the disk's end", nil},

	{"ifcfg of EL 8", el8, requirement.NoHardcodedMAC, nil, requirement.Unmet, requirement.Met, "", files{
		"etc/sysconfig/network-scripts/ifcfg-ens192": "TYPE=\"Ethernet\"\nBOOTPROTO=\"dhcp\"\nNAME=\"ens192\"\nUUID=\"0123\"\nDEVICE=\"ens192\"\nONBOOT=\"yes\"\n",
	}},
	{"exported, in quotes, of a bridge", el7, requirement.NoHardcodedMAC, files{
		"etc/sysconfig/network-scripts/ifcfg-ens192": "-", "etc/sysconfig/network-scripts/ifcfg-br0": "DEVICE=br0\n  export MACADDR='52-54-00-aa-bb-cc'\n",
	}, requirement.Unmet, requirement.Met, "", files{"etc/sysconfig/network-scripts/ifcfg-br0": "DEVICE=br0\n"}},
	{"keyfile of EL 9", el9, requirement.NoHardcodedMAC, nil, requirement.Unmet, requirement.Met, "", files{
		"etc/NetworkManager/system-connections/ens192.nmconnection": "[connection]\nid=ens192\nuuid=0123\ntype=ethernet\ninterface-name=ens192\ntimestamp=1\n\n[ethernet]\n\n[ipv4]\nmethod=auto\n",
	}},
	{"entry of a netboot install", el9, requirement.NoHardcodedMAC, with(blsEntries("ro ifname=eth0:52:54:00:aa:bb:cc x"), files{"etc/NetworkManager/system-connections/ens192.nmconnection": "-"}), requirement.Unmet, requirement.Met, "", nil},
	{"address in GRUB's environment", el8, requirement.NoHardcodedMAC, files{
		"etc/sysconfig/network-scripts/ifcfg-ens192": "-", "boot/efi/EFI/centos/grubenv": environmentBlock("kernelopts=root=/dev/mapper/cl-root ro ifname=eth0:52:54:00:aa:bb:cc"),
	}, requirement.Unmet, requirement.Met, "", files{
		"boot/efi/EFI/centos/grubenv": environmentBlock("kernelopts=root=/dev/mapper/cl-root ro console=tty0 console=ttyS0,115200n8"),
	}},
	{"udev rule of EL 6", el6, requirement.NoHardcodedMAC, files{persistent: macRule}, requirement.Unmet, requirement.Met, "", files{persistent: ""}},
	{"nothing of Fedora's", fedora, requirement.NoHardcodedMAC, files{"etc/NetworkManager/system-connections/ens192.nmconnection": "[ethernet]\ncloned-mac-address=stable\n"}, requirement.Met, requirement.Met, "", nil},
	{"an address where nobody looks", el9, requirement.NoHardcodedMAC, files{"etc/app.conf": "52:54:00:AA:BB:CC\n"}, requirement.Unmet, requirement.Unmet, "/etc/app.conf holds", nil},

	{"sshd of EL 9", el9, requirement.SSHServer, nil, requirement.Met, requirement.Met, "sshd.service is enabled", nil},
	{"sshd off", el9, requirement.SSHServer, files{"etc/systemd/system/multi-user.target.wants/sshd.service": "-"}, requirement.Unmet, requirement.Met, "sshd.service is enabled", nil},
	{"sshd off on EL 6", el6, requirement.SSHServer, script("sshd", false, "ssh-keygen"), requirement.Met, requirement.Met, "", nil},
	{"no sshd", el9, requirement.SSHServer, files{"rpms": "filesystem-3.16"}, requirement.Unmet, requirement.Unmet, "openssh-server is not installed", nil},

	{"firewalld", el9, requirement.NoFirewall, nil, requirement.Unmet, requirement.Met, "starts at boot", files{"etc/systemd/system/multi-user.target.wants/firewalld.service": "-"}},
	{"firewalld that the distribution pulls in", el9, requirement.NoFirewall, files{"lib/systemd/system/multi-user.target.wants/firewalld.service": "-> ../firewalld.service"}, requirement.Unmet, requirement.Met, "starts at boot", nil},
	{"iptables of EL 6", el6, requirement.NoFirewall, nil, requirement.Unmet, requirement.Met, "", files{"etc/rc.d/rc3.d/S50iptables": "-", "etc/rc.d/rc3.d/S50ip6tables": "-"}},

	{"default user", el9, requirement.SSHKey, nil, requirement.Met, requirement.Met, "default user cloud-user", nil},
	{"cloud-init of EL 6", el6, requirement.SSHKey, nil, requirement.Met, requirement.Met, "default user cloud-user", nil},
	{"cloud-init off on EL 6", el6, requirement.SSHKey, files{"etc/rc.d/rc3.d/S50cloud-final": "-", "etc/rc.d/rc2.d/S50cloud-final": "-", "etc/rc.d/rc4.d/S50cloud-final": "-", "etc/rc.d/rc5.d/S50cloud-final": "-"}, requirement.Unmet, requirement.Met, "", nil},
	{"another interpreter", el8, requirement.SSHKey, nil, requirement.Met, requirement.Met, "default user cloud-user", nil},
	{"an interpreter that fails", el8, requirement.SSHKey, files{"usr/libexec/platform-python": "-> /bin/false"}, requirement.Unknown, requirement.Unknown, "could not be read", nil},
	{"only root", el9, requirement.SSHKey, files{"etc/cloud/cloud.cfg.d/99-mine.cfg": "users: [{name: root}]\n"}, requirement.Unmet, requirement.Unmet, "users is root", nil},

	{"user data", el9, requirement.UserData, nil, requirement.Met, requirement.Met, "scripts-user", nil},
	{"host name kept", amazon2023, requirement.UserData, files{"etc/cloud/cloud.cfg.d/50.cfg": "preserve_hostname: true\n"}, requirement.Unmet, requirement.Met, "", nil},
	{"no scripts-user", el7, requirement.UserData, files{"etc/cloud/cloud.cfg.d/99-mine.cfg": "cloud_final_modules: []\n"}, requirement.Unmet, requirement.Unmet, "does not run scripts-user", nil},

	{"entries with their options", el9, requirement.ConsoleLog, nil, requirement.Unmet, requirement.Met, "/boot/loader/entries/0123-5.14.0.conf: /vmlinuz-5.14.0 has console=tty0", files{
		"etc/default/grub":   "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"crashkernel=1G console=tty0 console=ttyS0,115200n8\"\nGRUB_ENABLE_BLSCFG=true\n",
		"etc/kernel/cmdline": "root=UUID=1f5f ro crashkernel=1G console=tty0 console=ttyS0,115200n8\n",
		"boot/loader/entries/0123-5.14.0.conf": "title Linux (5.14.0)\nversion 5.14.0\nlinux /vmlinuz-5.14.0\ninitrd /initramfs-5.14.0.img\n" +
			"options root=UUID=1f5f ro crashkernel=1G $tuned_params console=tty0 console=ttyS0,115200n8\ngrub_users $grub_users\n",
		"boot/loader/entries/0123-0-rescue.conf": blsEntries("")["boot/loader/entries/0123-0-rescue.conf"],
		"boot/efi/EFI/rocky/grub.cfg":            el9["boot/efi/EFI/rocky/grub.cfg"],
	}},
	{"kernelopts of EL 8", el8, requirement.ConsoleLog, nil, requirement.Unmet, requirement.Met, "has console=tty0", files{
		"boot/efi/EFI/centos/grubenv":          environmentBlock("kernelopts=root=/dev/mapper/cl-root ro crashkernel=auto console=tty0 console=ttyS0,115200n8"),
		"boot/loader/entries/0123-5.14.0.conf": el8["boot/loader/entries/0123-5.14.0.conf"],
	}},
	{"kernelopts that only the menu sets", el8, requirement.ConsoleLog, files{"boot/efi/EFI/centos/grubenv": environmentBlock("saved_entry=x")}, requirement.Unmet, requirement.Met, "has console=tty0", files{
		"boot/efi/EFI/centos/grubenv": environmentBlock("saved_entry=x\nkernelopts=root=UUID=1f5f ro console=tty0 console=ttyS0,115200n8"),
	}},
	{"tuned adds quiet", el9, requirement.ConsoleLog, files{"boot/grub2/grubenv": environmentBlock("tuned_params=quiet")}, requirement.Unmet, requirement.Unmet, "has quiet", nil},
	{"GRUB before version 2", el6, requirement.ConsoleLog, nil, requirement.Unmet, requirement.Met, "has console=tty0", files{
		"boot/grub/grub.conf": "default=0\ntimeout=5\ntitle CentOS (2.6.32-754.el6.x86_64)\n\troot (hd0,0)\n" +
			"kernel /vmlinuz-2.6.32-754.el6.x86_64 ro root=UUID=1f5f console=tty0 console=ttyS0,115200n8\n\tinitrd /initramfs-2.6.32-754.el6.x86_64.img\n",
	}},
	{"the menu of EL 7 is made anew in a guest only", el7, requirement.ConsoleLog, nil, requirement.Unmet, requirement.Unmet, "lacks console=tty0", files{
		"etc/default/grub": "GRUB_CMDLINE_LINUX='crashkernel=auto console=tty0 console=ttyS0,115200n8'\n",
	}},
	{"odd defaults", el7, requirement.ConsoleLog, files{"etc/default/grub": "GRUB_CMDLINE_LINUX=\"a\"'quiet'\n"}, requirement.Unmet, requirement.Unmet, "as one quoted string", files{
		"etc/default/grub": "GRUB_CMDLINE_LINUX=\"a\"'quiet'\n",
	}},

	{"EL 6 has Xen", el6, requirement.XenPVKernel, nil, requirement.Met, requirement.Met, "Xen PV", nil},
	{"disk driver not in the initramfs", el6, requirement.XenPVKernel, files{"boot/initramfs-2.6.32-754.el6.x86_64.img": "x\n"}, requirement.Unmet, requirement.Unmet, "lacks xen-blkfront", nil},
	{"XenLinux of EL 5", el6, requirement.XenPVKernel, files{"boot/vmlinuz-2.6.18-419.el5xen": "x", "lib/modules/2.6.18-419.el5xen/modules.dep": ""}, requirement.Met, requirement.Met, "is XenLinux", nil},
	{"EL 9", el9, requirement.XenPVKernel, nil, requirement.NotApplicable, requirement.NotApplicable, "", nil},

	{"our list", el9, requirement.Datasource, nil, requirement.Met, requirement.Met, "looks for every data source", nil},
	{"installer's list", amazon2023, requirement.Datasource, files{"etc/cloud/cloud.cfg.d/99-amazon.cfg": "datasource_list: [ NoCloud, AltCloud, Ec2, None ]\n"}, requirement.Unmet, requirement.Met, "ConfigDrive, OpenStack", nil},
	{"a list that sorts later", el9, requirement.Datasource, files{"etc/cloud/cloud.cfg.d/99_zzz.cfg": "datasource_list: [ Azure ]\n"}, requirement.Unmet, requirement.Unmet, "datasource_list is Azure", nil},

	{"initramfs of VMware", el9, requirement.Virtio, nil, requirement.Unmet, requirement.Unmet, "lacks virtio_blk", files{
		"etc/dracut.conf.d/20-openstack-ready.conf": "# Written by packer-plugin-openstack-ready: the drivers of every machine.\nhostonly=\"no\"\nadd_drivers+=\" virtio_pci virtio_blk virtio_scsi virtio_net \"\n",
	}},
	{"initramfs of EL 6", el6, requirement.Virtio, nil, requirement.Met, requirement.Met, "virtio_blk in its initramfs", nil},
	{"LVM keeps to the build's disks", el9, requirement.Virtio, files{
		"boot/initramfs-3.10.0-1160.el7.x86_64.img": "x/virtio_pci.ko.xz\nx/virtio_blk.ko.xz\nx/virtio_scsi.ko.xz\n", "etc/lvm/devices/system.devices": "IDTYPE=sys_wwid\n",
	}, requirement.Unmet, requirement.Met, "virtio_blk in its initramfs", files{"etc/lvm/devices/system.devices": "-"}},
	{"kernelopts by a disk's name", el8, requirement.Virtio, with(uuids(), files{
		"boot/initramfs-3.10.0-1160.el7.x86_64.img": "x/virtio_pci.ko.xz\nx/virtio_blk.ko.xz\nx/virtio_scsi.ko.xz\n",
		"boot/efi/EFI/centos/grubenv":               environmentBlock("kernelopts=root=/dev/sda1 ro resume=/dev/sda2"),
	}), requirement.Unmet, requirement.Met, "virtio_blk in its initramfs", files{
		"boot/efi/EFI/centos/grubenv":          environmentBlock("kernelopts=root=UUID=1f5f ro resume=UUID=2f5f"),
		"boot/loader/entries/0123-5.14.0.conf": el8["boot/loader/entries/0123-5.14.0.conf"],
	}},
	{"a disk whose UUID nobody knows", el6, requirement.Virtio, files{"etc/fstab": "/dev/sda3 /srv ext4 defaults 0 0\n"}, requirement.Unmet, requirement.Unmet, "/etc/fstab names /dev/sda3, whose UUID is not known", nil},
	{"no dracut", el9, requirement.Virtio, files{"usr/bin/dracut": "-"}, requirement.Unmet, requirement.Unmet, "is installed to put drivers", nil},

	{"ifcfg of EL 8", el8, requirement.DHCP, nil, requirement.Unmet, requirement.Met, "NetworkManager.service is enabled", files{"etc/sysconfig/network-scripts/ifcfg-ens192": "-"}},
	{"keyfile of EL 10", el10, requirement.DHCP, nil, requirement.Unmet, requirement.Met, "with networkmanager", files{"etc/NetworkManager/system-connections/ens192.nmconnection": "-"}},
	{"keyfile of Fedora", fedora, requirement.DHCP, nil, requirement.Unmet, requirement.Met, "with networkmanager", nil},
	{"service network of EL 7", el7, requirement.DHCP, nil, requirement.Unmet, requirement.Met, "package dhclient", files{"etc/sysconfig/network-scripts/ifcfg-ens192": "-"}},
	{"EL 6 keeps eth0", el6, requirement.DHCP, nil, requirement.Unmet, requirement.Met, "network is enabled", files{
		"etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=52:54:00:00:00:06\nTYPE=Ethernet\nONBOOT=yes\nNM_CONTROLLED=yes\nBOOTPROTO=dhcp\n",
	}},
	{"EL 6 with a static address", el6, requirement.DHCP, files{"etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nBOOTPROTO=static\nIPADDR=10.0.2.15\n"}, requirement.Unmet, requirement.Met, "", files{
		"etc/sysconfig/network-scripts/ifcfg-eth0": "# Written by packer-plugin-openstack-ready.\nDEVICE=eth0\nTYPE=Ethernet\nONBOOT=yes\nBOOTPROTO=dhcp\nNM_CONTROLLED=no\nPERSISTENT_DHCLIENT=yes\n",
	}},
	{"networkd of Amazon Linux 2023", amazon2023, requirement.DHCP, nil, requirement.Unmet, requirement.Met, "with networkd", files{
		"etc/cloud/cloud.cfg": amazonCloudConfig + "# Amazon Linux relies on ec2-net-utils for network configuration\n\nmanage_etc_hosts: false\n",
	}},
	{"eth0 of Amazon Linux 2", amazon2, requirement.DHCP, nil, requirement.Met, requirement.Met, "network.service is enabled", nil},
	{"eth0 that need not be the first", amazon2, requirement.DHCP, files{"boot/grub2/grub.cfg": el7["boot/grub2/grub.cfg"]}, requirement.Unmet, requirement.Unmet, "not every boot entry has net.ifnames=0", nil},
	{"no network stack", el9, requirement.DHCP, files{
		"lib/systemd/system/NetworkManager.service": "-", "etc/systemd/system/multi-user.target.wants/NetworkManager.service": "-",
		"etc/NetworkManager/system-connections/ens192.nmconnection": "-", "usr/lib64/NetworkManager/1.46/libnm-settings-plugin-ifcfg-rh.so": "-",
	}, requirement.Unmet, requirement.Unmet, "no network stack", nil},

	{"machine ID of EL 9; sshd makes its keys", el9, requirement.IdentityReset, files{"etc/ssh/ssh_host_rsa_key": "x", "var/lib/NetworkManager/internal-0123-ens192.lease": "x", "var/lib/NetworkManager/secret_key": "x"}, requirement.Unmet, requirement.Met, "host keys come back", files{
		"etc/machine-id": "", "etc/ssh/ssh_host_rsa_key": "-", "etc/systemd/system/openstack-ready-hostkeys.service": "-",
		"var/lib/NetworkManager/internal-0123-ens192.lease": "-", "var/lib/NetworkManager/secret_key": "-",
	}},
	{"EL 6 has no machine ID", el6, requirement.IdentityReset, files{"etc/ssh/ssh_host_rsa_key": "x", "var/lib/dbus/machine-id": "0123\n", "var/lib/dhclient/dhclient-eth0.leases": "x", "var/lib/yum/uuid": "x"}, requirement.Unmet, requirement.Met, "host keys come back", files{
		"etc/machine-id": "-", "var/lib/dbus/machine-id": "-", "var/lib/dhclient/dhclient-eth0.leases": "-", "var/lib/yum/uuid": "-",
	}},

	{"no secret", el9, requirement.NoSecrets, nil, requirement.Met, requirement.Met, "no authorized key", nil},
	{"logs of anaconda and dnf", el9, requirement.NoSecrets, files{
		"root/anaconda-ks.cfg": "x", "root/install.log": "x", "var/log/anaconda/syslog": "x", "var/log/dnf.librepo.log": "x", "var/log/dnf.log.1": "x", "var/log/yum.log": "x",
	}, requirement.Unmet, requirement.Met, "", files{"root/anaconda-ks.cfg": "-", "root/install.log": "-", "var/log/anaconda": "-", "var/log/dnf.librepo.log": "-", "var/log/dnf.log.1": "-", "var/log/yum.log": "-"}},
	{"a password, which only a running system can lock", el8, requirement.NoSecrets, files{"etc/shadow": "root:$6$x:19000::::::\n"}, requirement.Unmet, requirement.Unmet, "account root has a usable password", nil},

	{"logind", el9, requirement.ACPIShutdown, nil, requirement.Met, requirement.Met, "systemd-logind", nil},
	{"acpid of EL 6", el6, requirement.ACPIShutdown, nil, requirement.Met, requirement.Met, "acpid is enabled, and acts", nil},
	{"acpid off on EL 6", el6, requirement.ACPIShutdown, files{"etc/rc.d/rc2.d/S50acpid": "-", "etc/rc.d/rc3.d/S50acpid": "-", "etc/rc.d/rc4.d/S50acpid": "-", "etc/rc.d/rc5.d/S50acpid": "-"}, requirement.Unmet, requirement.Met, "acpid is enabled, and acts", nil},
	{"no acpid on EL 6", el6, requirement.ACPIShutdown, files{"rpms": "filesystem-2", "etc/rc.d/init.d/acpid": "-", "etc/rc.d/rc2.d/S50acpid": "-", "etc/rc.d/rc3.d/S50acpid": "-", "etc/rc.d/rc4.d/S50acpid": "-", "etc/rc.d/rc5.d/S50acpid": "-"}, requirement.Unmet, requirement.Unmet, "acpid is not installed", nil},

	{"agent started by udev", el9, requirement.GuestAgent, nil, requirement.Met, requirement.Met, "starts with its channel", nil},
	{"agent of EL 6", el6, requirement.GuestAgent, nil, requirement.Met, requirement.Met, "qemu-ga starts", nil},
	{"agent off on EL 6", el6, requirement.GuestAgent, files{"etc/rc.d/rc2.d/S50qemu-ga": "-", "etc/rc.d/rc3.d/S50qemu-ga": "-", "etc/rc.d/rc4.d/S50qemu-ga": "-", "etc/rc.d/rc5.d/S50qemu-ga": "-"}, requirement.Unmet, requirement.Met, "qemu-ga starts", nil},
	{"no agent", el7, requirement.GuestAgent, files{"rpms": "filesystem-3.2"}, requirement.Unmet, requirement.Unmet, "qemu-guest-agent is not installed", nil},
}

func TestRedHatIsMadeReady(t *testing.T) {
	needPrograms(t, "dash", "rpm", "rpmbuild", "systemctl", "grub-editenv")
	for _, test := range redhatCases {
		t.Run(string(test.id)+" "+test.name, func(t *testing.T) {
			t.Parallel()
			root := redhatTree(t, test.base, test.tree)
			first := redhatRun(t, []string{"dash"}, root, test.id)
			expectFinding(t, first.Before[0], test.before, "")
			expectFinding(t, first.Findings[0], test.end, test.evidence)
			if test.before == requirement.Unmet && test.end == requirement.Met && len(first.Changes) == 0 {
				t.Error("the tree became as wanted without a change")
			}
			for name, want := range test.after {
				expectFile(t, filepath.Join(root, name), want)
			}
			if len(first.Changes) > 0 {
				expectNoChange(t, redhatRun(t, []string{"dash"}, root, test.id))
			}
		})
	}
}

func redhatRun(t *testing.T, shell []string, root string, id requirement.ID) *report.Report {
	t.Helper()
	rep, err := runWith(t, Settings{}, shell, root, report.Mend, "", id, redhatPrograms).report(report.Mend)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func expectNoChange(t *testing.T, second *report.Report) {
	t.Helper()
	if len(second.Changes) > 0 {
		t.Errorf("a second run changed something: %v", second.Changes)
	}
}

// redhatUnready are trees that lack much at once.
func redhatUnready(t *testing.T) []unready {
	t.Helper()
	left := files{
		"root/.ssh/authorized_keys": "ssh-ed25519 AAAA builder\n", "root/anaconda-ks.cfg": "x", "etc/ssh/ssh_host_rsa_key": "x",
		"etc/growroot-disabled": "", "etc/cloud/cloud-init.disabled": "", "etc/cloud/cloud.cfg.d/50.cfg": "ssh_pwauth: true\npreserve_hostname: true\n", persistent: macRule,
	}
	nine := with(el9, left, unit("acpid.service", ""), files{
		"etc/systemd/system/multi-user.target.wants/sshd.service": "-", "usr/lib/udev/rules.d/99-qemu-guest-agent.rules": "-",
		"etc/systemd/logind.conf":                   "[Login]\nHandlePowerKey=ignore\n",
		"boot/initramfs-3.10.0-1160.el7.x86_64.img": "x/virtio_pci.ko.xz\nx/virtio_blk.ko.xz\nx/virtio_scsi.ko.xz\n",
		"etc/lvm/devices/system.devices":            "IDTYPE=sys_wwid\n",
	})
	six := with(el6, left)
	for _, tree := range []files{nine, six} {
		withDatabase(t, tree)
	}
	return []unready{
		{
			name: "Rocky Linux 9, unready", tree: nine, programs: redhatPrograms,
			good:  []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel},
			after: files{persistent: "", "etc/machine-id": "", "root/anaconda-ks.cfg": "-", "etc/lvm/devices/system.devices": "-"},
		},
		{
			name: "CentOS 6, unready", tree: six, programs: redhatPrograms,
			good: []requirement.ID{
				requirement.PartitionLayout, requirement.SSHServer, requirement.XenPVKernel,
				requirement.ACPIShutdown, requirement.GuestAgent, requirement.Virtio,
			},
			after: files{
				"etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nTYPE=Ethernet\nONBOOT=yes\nNM_CONTROLLED=yes\nBOOTPROTO=dhcp\n",
				persistent: "", "etc/machine-id": "-", "etc/rc.d/rc3.d/S50iptables": "-",
			},
		},
	}
}

func TestUnreadyRedHatIsMended(t *testing.T) {
	needPrograms(t, "rpm", "rpmbuild", "grub-editenv")
	expectReady(t, otherShells, redhatUnready(t)[0])
}

func redhatMatrix(t *testing.T) []unready {
	t.Helper()
	needPrograms(t, "rpm", "rpmbuild", "grub-editenv")
	stuck := with(el9, hopeless, files{
		"rpms":               without(el9["rpms"], "openssh-server", "qemu-guest-agent"),
		"boot/grub2/grubenv": environmentBlock("tuned_params=quiet"),
		"lib/systemd/system/NetworkManager.service": "-", "etc/systemd/system/multi-user.target.wants/NetworkManager.service": "-",
		"etc/NetworkManager/system-connections/ens192.nmconnection": "-", "usr/lib64/NetworkManager/1.46/libnm-settings-plugin-ifcfg-rh.so": "-",
		"etc/sysconfig/network-scripts/readme-ifcfg-rh.txt": "-",
	})
	withDatabase(t, stuck)
	return append(redhatUnready(t),
		unready{
			name: "CentOS 7, rebuilt", only: rebuilt, programs: grub2Makers,
			tree: with(el7, files{"rpms": "-", "system": "-"}, oldKernel("boot/vmlinuz-2.6.32-old", "boot/initramfs-2.6.32-old.img")),
		},
		unready{
			name: "Rocky Linux 9, beyond mending", programs: redhatPrograms, settings: Settings{Offline: true}, immutable: immutable, tree: stuck,
			stuck: hopelessReasons(map[requirement.ID]string{requirement.ConsoleLog: "has quiet"}),
		},
	)
}
