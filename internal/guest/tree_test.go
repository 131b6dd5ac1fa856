package guest

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// files is what a test adds to a tree; see guesttest.NewTree.
type files = map[string]string

// cloudConfig is the part of Debian 12's /etc/cloud/cloud.cfg that matters.
const cloudConfig = `users:
   - default
disable_root: true
cloud_init_modules:
 - migrator
 - growpart
 - resizefs
 - set_hostname
 - users-groups
 - ssh
cloud_final_modules:
 - scripts-user
system_info:
   default_user:
     name: debian
`

// cloudInit is an installed and enabled cloud-init.
func cloudInit() files {
	f := guesttest.Installed("cloud-init 22.4.2", "cloud-guest-utils 0.33", "e2fsprogs 1.47")
	f["etc/cloud/cloud.cfg"] = cloudConfig
	for _, unit := range []string{"cloud-init-local", "cloud-init", "cloud-config", "cloud-final"} {
		f["lib/systemd/system/"+unit+".service"] = "[Unit]\n"
		f["etc/systemd/system/cloud-init.target.wants/"+unit+".service"] = "-> /lib/systemd/system/" + unit + ".service"
	}
	return f
}

// with adds files to others; a later one wins.
func with(first files, more ...files) files {
	all := maps.Clone(first)
	for _, m := range more {
		maps.Copy(all, m)
	}
	return all
}

// unit is an installed service, enabled for the given target where there is one.
func unit(name, target string) files {
	f := files{"lib/systemd/system/" + name: "[Unit]\n[Install]\nWantedBy=multi-user.target\n"}
	if target != "" {
		f["etc/systemd/system/"+target+".wants/"+name] = "-> /lib/systemd/system/" + name
	}
	return f
}

func kernel(version, builtin string) files {
	return files{
		"boot/vmlinuz-" + version:                        "kernel",
		"boot/initrd.img-" + version:                     "initramfs",
		"lib/modules/" + version + "/modules.builtin":    builtin,
		"lib/modules/" + version + "/modules.dep":        "kernel/drivers/net/virtio_net.ko:\nkernel/drivers/ata/ahci.ko:\n",
		"lib/modules/" + version + "/kernel/placeholder": "",
	}
}

// rootPartition is a disk vda of 4 GiB whose partition 1 holds the root file
// system, in size sectors from the first MiB on.
func rootPartition(size string) files {
	return files{
		"sys/dev/block/254:1":     "-> ../../block/vda/vda1",
		"sys/block/vda/size":      "8388608\n",
		"sys/block/vda/vda1/size": size + "\n", "sys/block/vda/vda1/start": "2048\n",
		"sys/block/vda/vda1/partition": "1\n", "sys/block/vda/vda1/uevent": "DEVNAME=vda1\n",
	}
}

func volume(uuid string) files {
	return files{
		"sys/dev/block/254:1/uevent":  "DEVNAME=dm-0\n",
		"sys/dev/block/254:1/dm/uuid": uuid + "\n",
	}
}

// volumeOn is an LVM volume that fills the second and last partition of vda.
func volumeOn() files {
	return with(volume("LVM-abc"), files{
		"sys/dev/block/254:1/size":        "8386560\n",
		"sys/dev/block/254:1/slaves/vda2": "-> ../../../../block/vda/vda2",
		"sys/block/vda/size":              "8392704\n",
		"sys/block/vda/vda1/size":         "2048\n", "sys/block/vda/vda1/start": "2048\n", "sys/block/vda/vda1/partition": "1\n",
		"sys/block/vda/vda2/size": "8388608\n", "sys/block/vda/vda2/start": "4096\n", "sys/block/vda/vda2/partition": "2\n",
	})
}

// rootOf has a root file system of another kind than ext4.
func rootOf(kind string) files {
	return files{"proc/self/mountinfo": "22 1 254:1 / / rw,relatime shared:1 - " + kind + " /dev/vda1 rw\n"}
}

func card(name, mac string) files {
	return files{"sys/class/net/" + name + "/address": mac + "\n"}
}

func grub(entries ...string) files {
	text := "menuentry 'Debian' {\n"
	for _, e := range entries {
		text += "\tlinux\t/boot/vmlinuz-6.1 root=UUID=x ro " + e + "\n"
	}
	return files{"boot/grub/grub.cfg": text + "}\nmenuentry 'Debian (recovery mode)' {\n\tlinux /boot/vmlinuz-6.1 ro single\n}\n"}
}

const (
	macRule    = `SUBSYSTEM=="net", ATTR{address}=="52:54:00:aa:bb:cc", NAME="eth0"` + "\n"
	persistent = "etc/udev/rules.d/70-persistent-net.rules"
	interfaces = "etc/network/interfaces"
	sourceLine = "source /etc/network/interfaces.d/*\n"
	lo         = "auto lo\niface lo inet loopback\n"
	dropin     = "etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg"
	list       = "datasource_list: [ ConfigDrive, OpenStack, None ]\n"
	virtioKO   = "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/block/virtio_blk.ko\nkernel/drivers/scsi/virtio_scsi.ko\n"
)

// ifupdown is a network stack that cloud-init can configure.
func ifupdown() files {
	return with(unit("networking.service", "multi-user.target"), files{
		interfaces: sourceLine + lo, "sbin/ifup": "", "sbin/dhclient": "",
	})
}

// looks holds, for each requirement, trees that meet it and trees that do not.
var looks = []struct {
	name     string
	id       requirement.ID
	arch     string
	tree     files
	want     requirement.Verdict
	evidence string
}{
	{"cloud-init and growpart", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560")), requirement.Met, "growpart"},
	{"nothing installed", requirement.RootResize, "", rootPartition("8386560"), requirement.Unmet, "cloud-guest-utils is not installed"},
	{"growpart off", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/cloud/cloud.cfg.d/50.cfg": "growpart: {mode: off}\n"}), requirement.Unmet, "mode false"},
	{"growpart for another device", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/cloud/cloud.cfg.d/50.cfg": "growpart: {devices: [/srv]}\n"}), requirement.Unmet, "without /"},
	{"resizefs before growpart", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/cloud/cloud.cfg.d/50.cfg": "cloud_init_modules: [resizefs, growpart]\n"}), requirement.Unmet, "growpart before resizefs"},
	{"resizefs missing", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/cloud/cloud.cfg.d/50.cfg": "cloud_init_modules: [growpart]\n"}), requirement.Unmet, "does not run resizefs"},
	{"growroot-disabled", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/growroot-disabled": ""}), requirement.Unmet, "/etc/growroot-disabled"},
	{"root on LVM", requirement.RootResize, "", with(cloudInit(), volume("LVM-abc")), requirement.Unmet, "LVM volume dm-0"},
	{"root on LUKS", requirement.RootResize, "", with(cloudInit(), volume("CRYPT-LUKS2-abc")), requirement.Unmet, "encrypted volume dm-0"},
	{"root nowhere", requirement.RootResize, "", cloudInit(), requirement.Unknown, "254:1"},
	{"broken configuration", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/cloud/cloud.cfg.d/50.cfg": "a: [\n"}), requirement.Unknown, "could not be read"},

	{"root last", requirement.PartitionLayout, "", rootPartition("8386560"), requirement.Met, "the last of 1"},
	{"swap behind root", requirement.PartitionLayout, "", with(rootPartition("4194304"), files{
		"sys/block/vda/vda2/start": "4196352\n", "sys/block/vda/vda2/size": "4192256\n", "sys/block/vda/vda2/partition": "2\n",
	}), requirement.Unmet, "vda2 lies behind"},
	{"disk not covered", requirement.PartitionLayout, "", rootPartition("4194304"), requirement.Unmet, "MiB at the disk's end"},
	{"file system smaller", requirement.PartitionLayout, "small", rootPartition("8386560"), requirement.Unmet, "leaves 2047 MiB"},
	{"XFS fills its partition", requirement.PartitionLayout, "", with(rootPartition("8386560"), rootOf("xfs")), requirement.Met, "the file system fills vda1"},
	{"XFS smaller", requirement.PartitionLayout, "small", with(rootPartition("8386560"), rootOf("xfs")), requirement.Unmet, "leaves 2047 MiB"},
	{"root on LVM", requirement.PartitionLayout, "", with(rootOf("xfs"), volumeOn()), requirement.Met, "vda2, below the LVM volume dm-0 with the xfs root, is the last of 2"},
	{"swap behind the physical volume", requirement.PartitionLayout, "", with(volumeOn(), files{
		"sys/block/vda/vda3/start": "8390656\n", "sys/block/vda/vda3/size": "2048\n", "sys/block/vda/vda3/partition": "3\n",
	}), requirement.Unmet, "vda3 lies behind"},
	{"volume larger than its file system", requirement.PartitionLayout, "small", volumeOn(), requirement.Unmet, "leaves 2047 MiB of dm-0"},
	{"root on LVM on a whole disk", requirement.PartitionLayout, "", with(volume("LVM-abc"), files{
		"sys/dev/block/254:1/size": "8386560\n", "sys/dev/block/254:1/slaves/vdb/size": "8388608\n",
	}), requirement.Met, "the file system fills dm-0"},
	{"root on two physical volumes", requirement.PartitionLayout, "", with(volumeOn(), files{"sys/dev/block/254:1/slaves/vdb1/size": "9\n"}), requirement.Unknown, "on 2 devices"},
	{"root on LUKS", requirement.PartitionLayout, "", volume("CRYPT-abc"), requirement.Unknown, "device-mapper"},

	{"no rules", requirement.NoHardcodedMAC, "", files{}, requirement.Met, "no MAC address"},
	{"empty rules", requirement.NoHardcodedMAC, "", files{persistent: "# comment 52:54:00:aa:bb:cc\n"}, requirement.Met, ""},
	{"udev rule", requirement.NoHardcodedMAC, "", files{persistent: macRule}, requirement.Unmet, "70-persistent-net.rules: line 1"},
	{"rules are a directory", requirement.NoHardcodedMAC, "", files{persistent + "/": ""}, requirement.Unmet, "no regular file"},
	{"rules are a link", requirement.NoHardcodedMAC, "", files{persistent: "-> /dev/null"}, requirement.Unmet, "no regular file"},
	{"generator", requirement.NoHardcodedMAC, "", files{"lib/udev/rules.d/75-persistent-net-generator.rules": "x\n"}, requirement.Unmet, "records the MAC"},
	{"generator overridden", requirement.NoHardcodedMAC, "", files{"lib/udev/rules.d/75-persistent-net-generator.rules": "x\n", "etc/udev/rules.d/75-persistent-net-generator.rules": ""}, requirement.Met, ""},
	{"ifupdown", requirement.NoHardcodedMAC, "", files{interfaces: "iface eth0 inet dhcp\n  hwaddress ether 52:54:00:aa:bb:cc\n"}, requirement.Unmet, "/etc/network/interfaces: line 2"},
	{"netplan", requirement.NoHardcodedMAC, "", files{"etc/netplan/a.yaml": "match: {macaddress: \"52:54:00:aa:bb:cc\"}\n"}, requirement.Unmet, "/etc/netplan/a.yaml"},
	{"networkd", requirement.NoHardcodedMAC, "", files{"etc/systemd/network/a.link": "[Match]\nMACAddress=52:54:00:aa:bb:cc\n"}, requirement.Unmet, "a.link"},
	{"NetworkManager", requirement.NoHardcodedMAC, "", files{"etc/NetworkManager/system-connections/a.nmconnection": "mac-address=52:54:00:AA:BB:CC\n"}, requirement.Unmet, "a.nmconnection"},
	{"NetworkManager random", requirement.NoHardcodedMAC, "", files{"etc/NetworkManager/system-connections/a.nmconnection": "cloned-mac-address=stable\n"}, requirement.Met, ""},
	{"kernel command line", requirement.NoHardcodedMAC, "", files{"etc/default/grub": "GRUB_CMDLINE_LINUX=\"ifname=eth0:52:54:00:aa:bb:cc\"\n"}, requirement.Unmet, "/etc/default/grub"},
	{"address in a boot entry", requirement.NoHardcodedMAC, "", grub("BOOTIF=01-52-54-00-aa-bb-cc"), requirement.Unmet, "/boot/grub/grub.cfg: a kernel command line has"},
	{"build VM's address elsewhere", requirement.NoHardcodedMAC, "", with(card("ens3", "52:54:00:aa:bb:cc"), files{"etc/foo.conf": "id 525400AABBCC\n"}), requirement.Unmet, "/etc/foo.conf"},

	{"service", requirement.SSHServer, "", with(guesttest.Installed("openssh-server 9"), unit("ssh.service", "multi-user.target")), requirement.Met, "ssh.service is enabled"},
	{"socket", requirement.SSHServer, "", with(guesttest.Installed("openssh-server 9"), unit("ssh.service", ""), unit("ssh.socket", "sockets.target")), requirement.Met, "ssh.socket is enabled"},
	{"no server", requirement.SSHServer, "", files{}, requirement.Unmet, "openssh-server is not installed"},
	{"not enabled", requirement.SSHServer, "", with(guesttest.Installed("openssh-server 9"), unit("ssh.service", "")), requirement.Unmet, "none of ssh "},
	{"masked", requirement.SSHServer, "", with(guesttest.Installed("openssh-server 9"), unit("ssh.service", "multi-user.target"), files{"etc/systemd/system/ssh.service": "-> /dev/null"}), requirement.Unmet, "masked"},
	{"not to be run", requirement.SSHServer, "", with(guesttest.Installed("openssh-server 9"), unit("ssh.service", "multi-user.target"), files{"etc/ssh/sshd_not_to_be_run": ""}), requirement.Unmet, "sshd_not_to_be_run"},

	{"no firewall", requirement.NoFirewall, "", unit("nftables.service", ""), requirement.Met, "starts at boot"},
	{"nftables", requirement.NoFirewall, "", unit("nftables.service", "sysinit.target"), requirement.Unmet, "nftables.service is enabled"},
	{"masked firewall", requirement.NoFirewall, "", with(unit("firewalld.service", "multi-user.target"), files{"etc/systemd/system/firewalld.service": "-> /dev/null"}), requirement.Met, ""},
	{"ufw on", requirement.NoFirewall, "", with(unit("ufw.service", "multi-user.target"), files{"etc/ufw/ufw.conf": "ENABLED=yes\n"}), requirement.Unmet, "ENABLED=yes"},
	{"ufw off", requirement.NoFirewall, "", with(unit("ufw.service", "multi-user.target"), files{"etc/ufw/ufw.conf": "ENABLED=no\n"}), requirement.Met, ""},
	{"init script", requirement.NoFirewall, "", files{"etc/rc2.d/S01ferm": "#!/bin/sh\n"}, requirement.Unmet, "ferm.service is enabled"},

	{"rules of a hook", requirement.NoFirewall, "", files{"etc/network/if-pre-up.d/iptables": "#!/bin/sh\n/sbin/iptables-restore < /etc/iptables.rules\n"}, requirement.Unmet, "/etc/network/if-pre-up.d/iptables loads rules at boot: line 2"},
	{"rules in a comment", requirement.NoFirewall, "", files{"etc/rc.local": "# iptables -F\nlogger iptables\n"}, requirement.Met, "starts at boot"},

	{"default user", requirement.SSHKey, "", cloudInit(), requirement.Met, "default user debian"},
	{"no cloud-init", requirement.SSHKey, "", files{}, requirement.Unmet, "cloud-init is not installed"},
	{"other users only", requirement.SSHKey, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "users: [{name: bob}]\n"}), requirement.Unmet, "users is bob"},
	{"disabled by file", requirement.SSHKey, "", with(cloudInit(), files{"etc/cloud/cloud-init.disabled": ""}), requirement.Unmet, "cloud-init.disabled"},
	{"disabled on the command line", requirement.SSHKey, "", with(cloudInit(), grub("cloud-init=disabled")), requirement.Unmet, "cloud-init=disabled"},
	{"unit masked", requirement.SSHKey, "", with(cloudInit(), files{"etc/systemd/system/cloud-final.service": "-> /dev/null"}), requirement.Unmet, "cloud-final.service is masked"},
	{"unit not enabled", requirement.SSHKey, "", with(cloudInit(), files{"etc/systemd/system/cloud-init.target.wants/cloud-config.service": "-"}), requirement.Unmet, "cloud-config.service is not enabled"},
	{"passwords over SSH", requirement.SSHKey, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "ssh_pwauth: true\n"}), requirement.Unmet, "ssh_pwauth"},

	{"user data", requirement.UserData, "", cloudInit(), requirement.Met, "scripts-user"},
	{"no scripts-user", requirement.UserData, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "cloud_final_modules: []\n"}), requirement.Unmet, "does not run scripts-user"},
	{"host name kept", requirement.UserData, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "preserve_hostname: true\n"}), requirement.Unmet, "preserve_hostname"},
	{"cache kept", requirement.UserData, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "manual_cache_clean: true\n"}), requirement.Unmet, "manual_cache_clean"},

	{"our list", requirement.Datasource, "", with(cloudInit(), files{dropin: list}), requirement.Met, "ConfigDrive, OpenStack"},
	{"no list", requirement.Datasource, "", cloudInit(), requirement.Met, "looks for every data source"},
	{"no list on arm64", requirement.Datasource, "aarch64", cloudInit(), requirement.Unmet, "on aarch64"},
	{"list of the installer", requirement.Datasource, "", with(cloudInit(), files{dropin: list, "etc/cloud/cloud.cfg.d/zz.cfg": "datasource_list: [None]\n"}), requirement.Unmet, "and not ConfigDrive OpenStack None"},
	{"list over several lines", requirement.Datasource, "", with(cloudInit(), files{dropin: "datasource_list:\n - ConfigDrive\n - OpenStack\n"}), requirement.Unmet, "several lines"},
	{"arm64 without policy", requirement.Datasource, "aarch64", with(cloudInit(), files{dropin: list}), requirement.Unmet, "on aarch64"},
	{"arm64 with policy", requirement.Datasource, "aarch64", with(cloudInit(), files{dropin: list, "etc/cloud/ds-identify.cfg": "policy: search,found=all,maybe=all,notfound=disabled\n"}), requirement.Met, ""},
	{"policy disabled", requirement.Datasource, "", with(cloudInit(), files{dropin: list, "etc/cloud/ds-identify.cfg": "policy: disabled\n"}), requirement.Unmet, "switches cloud-init off"},

	{"serial console", requirement.ConsoleLog, "", grub("console=tty0 console=ttyS0,115200n8"), requirement.Met, "has console=tty0"},
	{"one of two entries", requirement.ConsoleLog, "", grub("console=tty0 console=ttyS0,115200n8", "console=tty0"), requirement.Unmet, "lacks console=ttyS0,115200n8"},
	{"quiet", requirement.ConsoleLog, "", grub("quiet console=tty0 console=ttyS0,115200n8"), requirement.Unmet, "has quiet"},
	{"splash of SUSE", requirement.ConsoleLog, "", grub("splash=silent console=tty0 console=ttyS0,115200n8"), requirement.Unmet, "has splash=silent"},
	{"serial console not last", requirement.ConsoleLog, "", grub("console=ttyS0,115200n8 console=tty0"), requirement.Unmet, "has console=tty0 after"},
	{"arm64 console", requirement.ConsoleLog, "aarch64", grub("console=tty0 console=ttyAMA0,115200n8"), requirement.Met, ""},
	{"no GRUB", requirement.ConsoleLog, "", files{}, requirement.Unknown, "no boot loader"},

	{"new kernel", requirement.XenPVKernel, "", kernel("6.1.0", virtioKO), requirement.NotApplicable, "6.1.0 is not below 3.0"},
	{"old kernel without Xen", requirement.XenPVKernel, "", with(kernel("2.6.26", ""), files{"boot/config-2.6.26": "CONFIG_PARAVIRT=y\n"}), requirement.Unmet, "without CONFIG_XEN"},
	{"old kernel with Xen", requirement.XenPVKernel, "", with(kernel("2.6.32", ""), files{"boot/config-2.6.32": "CONFIG_PARAVIRT_GUEST=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=y\nCONFIG_XEN_NETDEV_FRONTEND=y\n"}), requirement.Met, "Xen PV"},
	{"old kernel of unknown make", requirement.XenPVKernel, "", kernel("2.6.32", ""), requirement.Unknown, "no configuration file"},
	{"no kernel", requirement.XenPVKernel, "", files{}, requirement.Unknown, "no kernel"},

	{"built in", requirement.Virtio, "", kernel("6.1.0", virtioKO), requirement.Met, "virtio_pci built in"},
	{"in neither", requirement.Virtio, "", kernel("6.1.0", ""), requirement.Unmet, "lacks virtio_blk"},
	{"second kernel lacks", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), kernel("6.2.0", "")), requirement.Unmet, "kernel 6.2.0 lacks"},
	{"no network driver", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), files{"lib/modules/6.1.0/modules.dep": ""}), requirement.Unmet, "no virtio_net"},

	{"disks by UUID", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), grub("root=UUID=x resume=UUID=y"), files{"etc/fstab": "# / was on /dev/sda1\nUUID=x / ext4 defaults 0 1\n/dev/sdb1 /mnt ext4 nofail 0 0\n/dev/mapper/a-b /srv ext4 defaults 0 0\n/dev/disk/by-id/dm-name-a-swap none swap sw 0 0\n"}), requirement.Met, ""},
	{"disk of fstab", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), files{"etc/fstab": "/dev/sda2 none swap sw 0 0\n"}), requirement.Unmet, "/etc/fstab names the disk /dev/sda2"},
	{"disk by its serial number", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), files{"etc/fstab": "/dev/disk/by-id/ata-VBOX_HARDDISK_VB1-part1 / ext4 defaults 0 0\n"}), requirement.Unmet, "by-id/ata-VBOX"},
	{"disk of the command line", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), grub("resume=/dev/xvda2")), requirement.Unmet, "/boot/grub/grub.cfg names the disk /dev/xvda2"},
	{"disk of GRUB's map", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), files{"boot/grub/device.map": "(hd0)\t/dev/hda\n"}), requirement.Unmet, "device.map names the disk /dev/hda"},

	{"cloud-init with ifupdown", requirement.DHCP, "", with(cloudInit(), ifupdown()), requirement.Met, "DHCP client dhclient"},
	{"card by name", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{interfaces: sourceLine + lo + "iface ens3 inet dhcp\n"}), requirement.Unmet, "ens3 by name"},
	{"netplan by name", requirement.DHCP, "", with(cloudInit(), ifupdown(), card("ens3", "52:54:00:aa:bb:cc"), files{"etc/netplan/a.yaml": "network:\n  ethernets:\n    ens3:\n      dhcp4: true\n"}), requirement.Unmet, "/etc/netplan/a.yaml"},
	{"network left alone", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{"etc/cloud/cloud.cfg.d/50.cfg": "network: {config: disabled}\n"}), requirement.Unmet, "config: disabled"},
	{"no DHCP client", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{"sbin/dhclient": "-"}), requirement.Unmet, "isc-dhcp-client is not installed"},
	{"interfaces.d not read", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{interfaces: lo}), requirement.Unmet, "does not read"},
	{"networkd not enabled", requirement.DHCP, "", with(cloudInit(), unit("systemd-networkd.service", "")), requirement.Unmet, "not enabled"},
	{"no network stack", requirement.DHCP, "", cloudInit(), requirement.Unmet, "no network stack"},

	{"no identity", requirement.IdentityReset, "", files{"etc/machine-id": ""}, requirement.Met, "machine ID empty"},
	{"machine ID", requirement.IdentityReset, "", files{"etc/machine-id": "0123\n"}, requirement.Unmet, "/etc/machine-id"},
	{"no machine ID file, which is a first boot", requirement.IdentityReset, "", files{}, requirement.Unmet, "/etc/machine-id"},
	{"host key", requirement.IdentityReset, "", with(unit("openstack-ready-hostkeys.service", "multi-user.target"), files{"etc/machine-id": "", "etc/ssh/ssh_host_rsa_key": "x"}), requirement.Unmet, "ssh_host_rsa_key"},
	{"no way back for host keys", requirement.IdentityReset, "", files{"etc/machine-id": "", "etc/ssh/": ""}, requirement.Unmet, "nothing makes SSH host keys"},
	{"our unit makes host keys", requirement.IdentityReset, "", with(unit("openstack-ready-hostkeys.service", "multi-user.target"), files{"etc/machine-id": "", "etc/ssh/": ""}), requirement.Met, "host keys come back"},
	{"cloud-init makes host keys", requirement.IdentityReset, "", with(cloudInit(), files{"etc/machine-id": "", "etc/ssh/": ""}), requirement.Met, "host keys come back"},
	{"cloud-init makes none", requirement.IdentityReset, "", with(cloudInit(), files{"etc/machine-id": "", "etc/ssh/": "", "etc/cloud/cloud.cfg.d/50.cfg": "ssh_genkeytypes: []\n"}), requirement.Unmet, "nothing makes SSH host keys"},
	{"lease", requirement.IdentityReset, "", files{"etc/machine-id": "", "var/lib/dhcp/dhclient.eth0.leases": "x"}, requirement.Unmet, "DHCP lease"},
	{"random seed", requirement.IdentityReset, "", files{"etc/machine-id": "", "var/lib/systemd/random-seed": "x"}, requirement.Unmet, "random seed"},
	{"journal", requirement.IdentityReset, "", files{"etc/machine-id": "", "var/log/journal/0123/system.journal": "x"}, requirement.Unmet, "persistent journal"},
	{"cloud-init's state", requirement.IdentityReset, "", files{"etc/machine-id": "", "var/lib/cloud/instances/i-1/x": "x"}, requirement.Unmet, "/var/lib/cloud"},

	{"no secret", requirement.NoSecrets, "", files{}, requirement.Met, "no authorized key"},
	{"authorized key", requirement.NoSecrets, "", files{"root/.ssh/authorized_keys": "ssh-ed25519 AAAA builder\n"}, requirement.Unmet, "authorized keys of root"},
	{"history", requirement.NoSecrets, "", files{"root/.bash_history": "x\n"}, requirement.Unmet, "shell history of root"},
	{"private key", requirement.NoSecrets, "", files{"root/.ssh/id": "-----BEGIN OPENSSH PRIVATE KEY-----\n"}, requirement.Unmet, "private key of root"},
	{"cloud credential", requirement.NoSecrets, "", files{"root/project-openrc.sh": "export OS_PASSWORD=x\n"}, requirement.Unmet, "project-openrc.sh"},
	{"home with a space", requirement.NoSecrets, "", files{"etc/passwd": "a:x:1000:1000::/home/a b:/bin/sh\n", "home/a b/.netrc": "x\n"}, requirement.Unmet, "/home/a b/.netrc"},
	{"credentials of SUSE", requirement.NoSecrets, "", files{"etc/zypp/credentials.d/SCCcredentials": "username=SCC_1\npassword=x\n"}, requirement.Unmet, "subscription credential: /etc/zypp/credentials.d/SCCcredentials"},
	{"log of YaST", requirement.NoSecrets, "", files{"var/log/YaST2/y2log": "x\n"}, requirement.Unmet, "/var/log/YaST2"},
	{"usable password", requirement.NoSecrets, "", files{"etc/shadow": "root:$y$j9T$x:19000::::::\n"}, requirement.Unmet, "account root has a usable password"},
	{"empty password", requirement.NoSecrets, "", files{"etc/shadow": "root::19000::::::\n"}, requirement.Unmet, "no password at all"},
	{"locked password", requirement.NoSecrets, "", files{"etc/shadow": "root:!$y$j9T$x:19000::::::\n"}, requirement.Met, ""},
	{"build log", requirement.NoSecrets, "", files{"var/log/installer/syslog": "x\n"}, requirement.Unmet, "/var/log/installer"},

	{"logind", requirement.ACPIShutdown, "", with(unit("systemd-logind.service", ""), unit("dbus.service", "")), requirement.Met, "systemd-logind"},
	{"logind masked", requirement.ACPIShutdown, "", with(unit("dbus.service", ""), unit("systemd-logind.service", ""), files{"etc/systemd/system/systemd-logind.service": "-> /dev/null"}), requirement.Unmet, "masked"},
	{"power key ignored", requirement.ACPIShutdown, "", with(unit("dbus.service", ""), unit("systemd-logind.service", ""), files{"etc/systemd/logind.conf": "HandlePowerKey=ignore\n"}), requirement.Unmet, "HandlePowerKey"},
	{"acpid", requirement.ACPIShutdown, "", with(unit("acpid.service", "multi-user.target"), files{"etc/acpi/events/power": "# event=x\nevent=button[ /]power\naction=/sbin/poweroff\n"}), requirement.Met, "acts at the power button"},
	{"acpid without an event", requirement.ACPIShutdown, "", with(unit("acpid.service", "multi-user.target"), files{"etc/acpi/events/lid": "event=button/lid.*\naction=x\n"}), requirement.Unmet, "is about the power button"},
	{"acpid of busybox", requirement.ACPIShutdown, "", with(unit("acpid.service", "multi-user.target"), files{"etc/acpi/PWRF/00000080": "#!/bin/sh\npoweroff\n"}), requirement.Met, "acts at the power button"},

	{"agent started by udev", requirement.GuestAgent, "", with(guesttest.Installed("qemu-guest-agent 7"), unit("qemu-guest-agent.service", ""), files{"lib/udev/rules.d/60-qemu-guest-agent.rules": `ENV{SYSTEMD_WANTS}="qemu-guest-agent.service"` + "\n"}), requirement.Met, "starts"},
	{"no agent", requirement.GuestAgent, "", files{}, requirement.Unmet, "not installed"},
	{"agent never started", requirement.GuestAgent, "", with(guesttest.Installed("qemu-guest-agent 7"), unit("qemu-guest-agent.service", "")), requirement.Unmet, "not enabled"},
}

// shells are the ones that a guest of the known families can have as sh.
var shells = [][]string{{"dash"}, {"busybox", "sh"}}

func TestLookSeesWhatATreeHasAndLacks(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			needPrograms(t, shell[0], "dpkg-query")
			for _, test := range looks {
				t.Run(string(test.id)+" "+test.name, func(t *testing.T) {
					t.Parallel()
					root := guesttest.NewTree(t, test.tree)
					tr := runInTree(t, shell, root, report.Check, test.arch, test.id)
					rep, err := tr.report(report.Check)
					if err != nil {
						t.Fatalf("%v (%s) %v", err, tr.failure, tr.log)
					}
					expectFinding(t, rep.Findings[0], test.want, test.evidence)
				})
			}
		})
	}
}

func TestEveryRequirementIsSeenBothWays(t *testing.T) {
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		var good, bad bool
		for _, test := range looks {
			good = good || test.id == r.ID && test.want.OK()
			bad = bad || test.id == r.ID && test.want == requirement.Unmet
		}
		if !good || !bad {
			t.Errorf("%s: a tree that meets it: %t, one that does not: %t", r.ID, good, bad)
		}
	}
}

func expectFinding(t *testing.T, f requirement.Finding, want requirement.Verdict, evidence string) {
	t.Helper()
	if f.Verdict != want {
		t.Errorf("%s: got %s, want %s: %v", f.ID, f.Verdict, want, f.Evidence)
	}
	if !strings.Contains(strings.Join(f.Evidence, "\n"), evidence) {
		t.Errorf("%s: evidence %q does not say %q", f.ID, f.Evidence, evidence)
	}
}

func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s: what the guest program sees in trees of files is left out", p)
		}
	}
	if err := exec.Command("env", "PATH="+guestPath(), "python3", "-c", "import yaml").Run(); err != nil {
		t.Skip("needs python3 with yaml (Debian package python3-yaml), as every guest with cloud-init has: " +
			"what the guest program sees in trees of files is left out")
	}
}

// runInTree runs the program on a tree, for one requirement only. Programs that
// look into devices and archives get stand-ins: dumpe2fs tells of a file system
// of 4 GiB less 1 MiB, or of 2 GiB where arch is "small".
func runInTree(t *testing.T, shell []string, root string, mode report.Mode, arch string, id requirement.ID) *transcript {
	t.Helper()
	return runWith(t, Settings{}, shell, root, mode, arch, id)
}

// runWith is runInTree with settings, and with further stand-ins for programs.
func runWith(t *testing.T, settings Settings, shell []string, root string, mode report.Mode, arch string, id requirement.ID, programs ...map[string]string) *transcript {
	t.Helper()
	return runFor(t, settings, shell, root, mode, arch, []requirement.ID{id}, programs...)
}

// runFor is runWith for any number of requirements.
func runFor(t *testing.T, settings Settings, shell []string, root string, mode report.Mode, arch string, ids []requirement.ID, programs ...map[string]string) *transcript {
	t.Helper()
	tr, err := attempt(t, settings, shell, root, mode, arch, ids, programs...)
	if err != nil {
		t.Fatalf("got %v: %s %v", err, tr.failure, tr.log)
	}
	return tr
}

// guestPath looks for programs where the guest program does in a guest, and then
// where this machine has more.
func guestPath() string {
	return "/usr/sbin:/usr/bin:/sbin:/bin:" + os.Getenv("PATH")
}

// attempt is runFor for a program that may give up.
func attempt(t *testing.T, settings Settings, shell []string, root string, mode report.Mode, arch string, ids []requirement.ID, programs ...map[string]string) (*transcript, error) {
	t.Helper()
	blocks := "1048320"
	if arch == "small" {
		blocks, arch = "524288", ""
	}
	if arch == "" {
		arch = "x86_64"
	}
	stubs := guesttest.Stubs(t, with(map[string]string{
		"dumpe2fs":    "printf 'Block count:  " + blocks + "\\nBlock size:  4096\\nBlocks per group:  32768\\n'",
		"xfs_info":    "printf 'meta-data=/dev/x  isize=512  agcount=4\\ndata     =    bsize=4096   blocks=" + blocks + ", imaxpct=25\\n         =    sunit=0 blks\\nlog      =internal log  bsize=4096   blocks=16384\\n'",
		"lsinitramfs": "echo bin/sh",
		"journalctl":  "exit 1",
		"apt-get":     "exit 1",
		"update-grub": "exit 1",
		"usermod":     "exit 1",
		"ssh-keygen":  "exit 1",
	}, programs...))
	work := filepath.Join(t.TempDir(), "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	code, err := program(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(work+"/program", code, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(shell), work+"/program", string(mode), work, "packer")
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		if !slices.Contains(ids, r.ID) {
			args = append(args, string(r.ID))
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"ROOT=" + root, "ARCH=" + arch, "PATH=" + stubs + ":" + guestPath()}
	tr := newTranscript(ids, func(string) {})
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = tr, &stderr
	err = cmd.Run()
	if stderr.Len() > 0 {
		err = errors.Join(err, errors.New(stderr.String()))
	}
	return tr, errors.Join(err, tr.err)
}
