package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// mends holds trees that only files keep from meeting a requirement. after are
// files as they must be then; "-" is one that must be gone.
var mends = []struct {
	name  string
	id    requirement.ID
	arch  string
	tree  files
	after files
}{
	{"udev rule becomes an empty file", requirement.NoHardcodedMAC, "", files{persistent: macRule}, files{persistent: ""}},
	{"directory becomes an empty file", requirement.NoHardcodedMAC, "", files{persistent + "/x": ""}, files{persistent: ""}},
	{"generator is overridden, not edited", requirement.NoHardcodedMAC, "", files{"lib/udev/rules.d/75-persistent-net-generator.rules": "x\n"}, files{
		"lib/udev/rules.d/75-persistent-net-generator.rules": "x\n", "etc/udev/rules.d/75-persistent-net-generator.rules": "",
	}},
	{"address leaves a stanza", requirement.NoHardcodedMAC, "", files{interfaces: "iface eth0 inet dhcp\n  hwaddress ether 52:54:00:aa:bb:cc\n  mtu 1400\n"}, files{interfaces: "iface eth0 inet dhcp\n  mtu 1400\n"}},
	{"address leaves a connection", requirement.NoHardcodedMAC, "", files{"etc/NetworkManager/system-connections/a": "[ethernet]\nmac-address=52:54:00:aa:bb:cc\nmtu=1400\n"}, files{"etc/NetworkManager/system-connections/a": "[ethernet]\nmtu=1400\n"}},
	{"address leaves the kernel command line", requirement.NoHardcodedMAC, "", files{"etc/default/grub": "GRUB_CMDLINE_LINUX=\"a ifname=eth0:52:54:00:aa:bb:cc b\"\n"}, files{"etc/default/grub": "GRUB_CMDLINE_LINUX=\"a b\"\n"}},
	{"netplan of the installer goes", requirement.NoHardcodedMAC, "", files{"etc/netplan/a.yaml": "macaddress: 52:54:00:aa:bb:cc\n"}, files{"etc/netplan/a.yaml": "-"}},

	{"disks get their UUIDs", requirement.Virtio, "", with(kernel("6.1.0", virtioKO), uuids(), files{
		"etc/fstab":                   "# / was on /dev/sda1\n/dev/sda1\t/ ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n/dev/disk/by-id/ata-VBOX-part1 /srv ext4 ro 0 0\n/dev/sda11 /mnt ext4 noauto 0 0\n",
		"boot/grub2/device.map":       "(hd0) /dev/sda\n",
		"boot/extlinux/extlinux.conf": "LABEL a\n  LINUX /vmlinuz\n  APPEND root=/dev/sda1 resume=/dev/sda2 ro\n",
	}), files{
		"etc/fstab":                   "# / was on /dev/sda1\nUUID=1f5f\t/ ext4 defaults 0 1\nUUID=2f5f none swap sw 0 0\nUUID=1f5f /srv ext4 ro 0 0\n/dev/sda11 /mnt ext4 noauto 0 0\n",
		"boot/grub2/device.map":       "-",
		"boot/extlinux/extlinux.conf": "LABEL a\n  LINUX /vmlinuz\n  APPEND root=UUID=1f5f resume=UUID=2f5f ro\n",
	}},
	{"credentials and logs of SUSE go", requirement.NoSecrets, "", files{"etc/zypp/credentials.d/SCCcredentials": "x", "var/log/YaST2/y2log": "x"}, files{
		"etc/zypp/credentials.d/SCCcredentials": "-", "var/log/YaST2": "-",
	}},

	{"server is enabled", requirement.SSHServer, "", with(guesttest.Installed("openssh-server 9"), unit("ssh.service", ""), files{"etc/ssh/sshd_not_to_be_run": ""}), files{"etc/ssh/sshd_not_to_be_run": "-"}},
	{"firewalls are disabled", requirement.NoFirewall, "", with(unit("nftables.service", "multi-user.target"), unit("ufw.service", "multi-user.target"), files{"etc/ufw/ufw.conf": "# x\nENABLED=yes\nLOGLEVEL=low\n"}), files{
		"etc/systemd/system/multi-user.target.wants/nftables.service": "-", "etc/ufw/ufw.conf": "# x\nENABLED=no\nLOGLEVEL=low\n",
	}},
	{"installer's configuration goes", requirement.SSHKey, "", with(cloudInit(), files{
		"etc/cloud/cloud-init.disabled": "", "etc/cloud/cloud.cfg.d/99-installer.cfg": "datasource_list: [None]\nssh_pwauth: true\n",
		"etc/systemd/system/cloud-final.service": "-> /dev/null",
	}), files{"etc/cloud/cloud-init.disabled": "-", "etc/cloud/cloud.cfg.d/99-installer.cfg": "-", "etc/systemd/system/cloud-final.service": "-"}},
	{"default user is named where no user is", requirement.SSHKey, "", with(cloudInit(), files{"etc/cloud/cloud.cfg": strings.TrimPrefix(cloudConfig, "users:\n   - default\n")}), files{}},
	{"host name is not kept", requirement.UserData, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "preserve_hostname: true\n"}), files{}},
	{"growpart is switched on", requirement.RootResize, "", with(cloudInit(), rootPartition("8386560"), files{"etc/cloud/cloud.cfg.d/50.cfg": "growpart: {mode: off}\nresize_rootfs: false\n", "etc/growroot-disabled": ""}), files{"etc/growroot-disabled": "-"}},
	{"data sources are named", requirement.Datasource, "", with(cloudInit(), files{"etc/cloud/cloud.cfg.d/50.cfg": "datasource_list: [ Ec2 ]\n"}), files{"etc/cloud/ds-identify.cfg": "-"}},
	{"arm64 takes a mere possibility", requirement.Datasource, "aarch64", cloudInit(), files{"etc/cloud/ds-identify.cfg": "# Written by packer-plugin-openstack-ready.\npolicy: search,found=all,maybe=all,notfound=disabled\n"}},
	{"network cards by name go, loopback stays", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{
		interfaces:                      "# mine\n" + lo + "\nauto ens3 lo\nallow-hotplug ens3\niface ens3 inet static\n  address 10.0.2.15/24\n  # why\n  gateway 10.0.2.2\n" + sourceLine,
		"etc/network/interfaces.d/ens4": "iface ens4 inet dhcp\n",
	}), files{interfaces: "# mine\n" + lo + "\nauto lo\n  # why\n" + sourceLine, "etc/network/interfaces.d/ens4": "-"}},
	{"interfaces.d is read", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{interfaces: lo}), files{interfaces: lo + sourceLine}},
	{"network is given back to cloud-init", requirement.DHCP, "", with(cloudInit(), ifupdown(), files{"etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg": "network: {config: disabled}\n"}), files{"etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg": "-"}},
	{"networkd is enabled", requirement.DHCP, "", with(cloudInit(), unit("systemd-networkd.service", ""), card("ens3", "52:54:00:aa:bb:cc"), files{"etc/systemd/network/a.network": "[Match]\nName=ens3\n", "etc/systemd/network/b.network": "[Match]\nName=wg0\n"}), files{"etc/systemd/network/a.network": "-", "etc/systemd/network/b.network": "[Match]\nName=wg0\n"}},
	{"the power button is heard", requirement.ACPIShutdown, "", unit("acpid.service", ""), files{
		"etc/acpi/events/openstack-ready": "# Written by packer-plugin-openstack-ready.\nevent=button/power.*\naction=/sbin/poweroff\n",
	}},
	{"identity goes", requirement.IdentityReset, "", with(unit("ssh.service", "multi-user.target"), files{
		"etc/machine-id": "0123\n", "etc/ssh/ssh_host_rsa_key": "x", "var/lib/dhcp/dhclient.eth0.leases": "x", "var/lib/systemd/random-seed": "x",
		"var/lib/dbus/machine-id": "0123\n", "var/lib/cloud/instances/i-1/x": "x", "var/lib/cloud/seed/nocloud/meta-data": "x",
	}), files{
		"etc/machine-id": "", "etc/ssh/ssh_host_rsa_key": "-", "var/lib/dhcp/dhclient.eth0.leases": "-", "var/lib/systemd/random-seed": "-",
		"var/lib/dbus/machine-id": "-", "var/lib/cloud/instances": "-", "var/lib/cloud/seed/nocloud": "-",
	}},
	{"secrets go", requirement.NoSecrets, "", files{
		"etc/passwd": "a:x:1000:1000::/home/a b:/bin/sh\n", "home/a b/.netrc": "x\n", "home/a b/.profile": "x\n",
		"root/.ssh/id": "-----BEGIN OPENSSH PRIVATE KEY-----\n", "home/a b/.ssh/authorized_keys": "x\n", "var/log/apt/history.log": "x\n",
	}, files{"home/a b/.netrc": "-", "home/a b/.profile": "x\n", "home/a b/.ssh/authorized_keys": "-", "var/log/apt/history.log": "-"}},
}

// uuids are links that udev makes, of two partitions.
func uuids() files {
	return files{
		"dev/disk/by-uuid/1f5f": "-> ../../sda1", "dev/disk/by-uuid/2f5f": "-> ../../sda2", "dev/disk/by-id/ata-VBOX-part1": "-> ../../sda1",
	}
}

func TestMendMeetsTheRequirementOnce(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			needPrograms(t, shell[0], "dpkg-query", "systemctl")
			for _, test := range mends {
				t.Run(string(test.id)+" "+test.name, func(t *testing.T) {
					t.Parallel()
					root := guesttest.NewTree(t, test.tree)
					expectMend(t, shell, root, test.arch, test.id)
					for name, want := range test.after {
						expectFile(t, filepath.Join(root, name), want)
					}
				})
			}
		})
	}
}

// expectMend mends a tree, which must need it, and once more, which must change
// nothing.
func expectMend(t *testing.T, shell []string, root, arch string, id requirement.ID) {
	t.Helper()
	expectMendWith(t, Settings{}, shell, root, arch, id)
}

func expectMendWith(t *testing.T, settings Settings, shell []string, root, arch string, id requirement.ID) {
	t.Helper()
	first, err := runWith(t, settings, shell, root, report.Mend, arch, id).report(report.Mend)
	if err != nil {
		t.Fatal(err)
	}
	expectFinding(t, first.Before[0], requirement.Unmet, "")
	expectFinding(t, first.Findings[0], requirement.Met, "")
	if len(first.Changes) == 0 {
		t.Error("the tree became as wanted without a change")
	}
	second, err := runWith(t, settings, shell, root, report.Mend, arch, id).report(report.Mend)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Changes) > 0 {
		t.Errorf("a second run changed something: %v", second.Changes)
	}
}

func expectFile(t *testing.T, path, want string) {
	t.Helper()
	if want == "-" {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
		return
	}
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		t.Errorf("%s is no regular file: %v", path, err)
		return
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
	}
}

func TestGrubDropInKeepsWhatIsNotInTheWay(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query")
	root := guesttest.NewTree(t, grub("quiet"))
	runInTree(t, []string{"dash"}, root, report.Mend, "", requirement.ConsoleLog)
	for _, test := range []struct{ linux, normal, wantLinux, wantNormal string }{
		{"", "quiet splash", "", "console=tty0 console=ttyS0,115200n8"},
		{"net.ifnames=0 console=ttyS0,9600", "quiet", "net.ifnames=0", "console=tty0 console=ttyS0,115200n8"},
		{"console=tty1 quietly=1", "rhgb splash quiet nomodeset", "console=tty1 quietly=1", "nomodeset console=tty0 console=ttyS0,115200n8"},
		{"cloud-init=disabled", "console=tty0 console=ttyS0,115200n8", "", "console=tty0 console=ttyS0,115200n8"},
		{`opt="a b" ifname=eth0:52:54:00:aa:bb:cc`, "*", `opt="a b"`, "* console=tty0 console=ttyS0,115200n8"},
	} {
		cmd := exec.Command("sh", "-euc", `. "$1"; printf '%s|%s' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"`,
			"sh", root+"/etc/default/grub.d/99-openstack-ready.cfg")
		cmd.Env = append(os.Environ(), "GRUB_CMDLINE_LINUX="+test.linux, "GRUB_CMDLINE_LINUX_DEFAULT="+test.normal)
		got, err := cmd.Output()
		linux, normal, _ := strings.Cut(string(got), "|")
		if err != nil || linux != test.wantLinux || strings.TrimSpace(normal) != test.wantNormal {
			t.Errorf("%q, %q: got %q, %q, %v, want %q, %q", test.linux, test.normal, linux, normal, err, test.wantLinux, test.wantNormal)
		}
	}
}
