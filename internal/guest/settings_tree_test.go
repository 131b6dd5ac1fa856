package guest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// noIfnames is a boot menu with the kernel's names of network cards, and udev
// that would give others.
func noIfnames() files {
	return with(grub("net.ifnames=0 console=tty0 console=ttyS0,115200n8"), files{"lib/udev/rules.d/80-net-setup-link.rules": "x\n"})
}

// TestSettingsAreFollowed mends trees that only the setting makes unready.
func TestSettingsAreFollowed(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query", "systemctl")
	ours := "# Written by packer-plugin-openstack-ready.\n"
	for _, test := range []struct {
		name     string
		settings Settings
		id       requirement.ID
		tree     files
		after    files
	}{
		{"every card with netplan", Settings{Network: NetworkDHCPAll}, requirement.DHCP, with(cloudInit(), card("ens3", "52:54:00:aa:bb:cc"), files{
			"usr/sbin/netplan": "", "etc/netplan/50-cloud-init.yaml": "network:\n  ethernets:\n    ens3:\n      dhcp4: true\n",
		}), files{"etc/netplan/50-cloud-init.yaml": "-"}},
		{"every card with networkd", Settings{Network: NetworkDHCPAll}, requirement.DHCP, with(cloudInit(), unit("systemd-networkd.service", "")), files{
			"etc/systemd/network/60-openstack-ready.network": ours + "[Match]\nName=en* eth*\nType=ether\n\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n",
		}},
		{"every card with ifupdown", Settings{Network: NetworkDHCPAll}, requirement.DHCP, with(ifupdown(), guesttest.Installed("ifupdown 0.8"), files{interfaces: sourceLine + lo + "auto ens3\niface ens3 inet dhcp\n"}), files{
			interfaces: sourceLine + lo + "",
			"etc/network/interfaces.d/openstack-ready": ours + "auto /en*=openstack-ready /eth*=openstack-ready\niface openstack-ready inet dhcp\n",
		}},
		{"eth0 with NetworkManager", Settings{Network: NetworkEth0}, requirement.DHCP, with(noIfnames(), unit("NetworkManager.service", "multi-user.target"), card("eth0", "52:54:00:aa:bb:cc"), files{
			"etc/NetworkManager/system-connections/eth0.nmconnection": "[connection]\ninterface-name=eth0\n[ipv4]\naddress1=10.0.0.1/8\nmethod=manual\n",
		}), files{
			"etc/NetworkManager/system-connections/eth0.nmconnection":            "-",
			"etc/NetworkManager/system-connections/openstack-ready.nmconnection": ours + "[connection]\nid=openstack-ready\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n",
		}},
		{"default user", Settings{DefaultUser: "cloud"}, requirement.SSHKey, cloudInit(), files{}},
		{"data sources", Settings{Datasources: []string{"Ec2", "None"}}, requirement.Datasource, with(cloudInit(), files{dropin: list}), files{}},
		{"forced data source", Settings{ForceDatasource: true}, requirement.Datasource, with(cloudInit(), files{dropin: list}), files{
			"etc/cloud/ds-identify.cfg": ours + "policy: enabled\n",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := guesttest.NewTree(t, test.tree)
			expectMendWith(t, test.settings, []string{"dash"}, root, "", test.id)
			for name, want := range test.after {
				expectFile(t, filepath.Join(root, name), want)
			}
		})
	}
}

// TestSettingsDecide looks at trees whose verdict depends on the setting.
func TestSettingsDecide(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query")
	firewall := unit("nftables.service", "sysinit.target")
	pinned := with(cloudInit(), ifupdown(), files{interfaces: sourceLine + lo + "iface ens3 inet dhcp\n"})
	for _, test := range []struct {
		name     string
		settings Settings
		id       requirement.ID
		tree     files
		want     requirement.Verdict
		evidence string
	}{
		{"firewall kept", Settings{Firewall: FirewallKeep}, requirement.NoFirewall, firewall, requirement.NotApplicable, "nftables starts at boot"},
		{"no firewall to keep", Settings{Firewall: FirewallKeep}, requirement.NoFirewall, files{}, requirement.Met, "starts at boot"},
		{"network kept", Settings{Network: NetworkKeep}, requirement.DHCP, pinned, requirement.Met, "ens3 by name"},
		{"network of cloud-init", Settings{Network: NetworkCloudInit}, requirement.DHCP, pinned, requirement.Unmet, "ens3 by name"},
		{"passwords kept", Settings{KeepPasswords: true}, requirement.NoSecrets, files{"etc/shadow": "root:$y$j9T$x:19000::::::\n"}, requirement.Met, "lock_passwords = false leaves"},
		{"drivers of Xen", Settings{Xen: true}, requirement.Virtio, kernel("6.1.0", virtioKO), requirement.Unmet, "lacks xen-blkfront"},
		{"drivers of Xen built in", Settings{Xen: true}, requirement.Virtio, kernel("6.1.0", virtioKO+"kernel/drivers/block/xen-blkfront.ko\nkernel/drivers/net/xen-netfront.ko\n"), requirement.Met, ""},
		{"no stack for DHCP", Settings{Network: NetworkDHCPAll}, requirement.DHCP, files{}, requirement.Unmet, "no network stack"},
		{"eth0 with other names", Settings{Network: NetworkEth0}, requirement.DHCP, with(noIfnames(), grub("console=tty0")), requirement.Unmet, "no network stack"},
		{"consoles", Settings{Consoles: []string{"tty0", "ttyS1,9600n8"}}, requirement.ConsoleLog, grub("console=tty0 console=ttyS1,9600n8"), requirement.Met, "ttyS1,9600n8"},
		{"other consoles", Settings{Consoles: []string{"tty0", "ttyS1,9600n8"}}, requirement.ConsoleLog, grub("console=tty0 console=ttyS0,115200n8"), requirement.Unmet, "lacks console=ttyS1"},
		{"console of an unknown machine", Settings{Consoles: []string{"ttysclp0"}}, requirement.ConsoleLog, grub("console=ttysclp0"), requirement.Met, "ttysclp0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tr := runWith(t, test.settings, []string{"dash"}, guesttest.NewTree(t, test.tree), report.Check, "", test.id)
			rep, err := tr.report(report.Check)
			if err != nil {
				t.Fatal(err)
			}
			expectFinding(t, rep.Findings[0], test.want, test.evidence)
		})
	}
}

// TestCleanUpDoesItsPartsOnly plants what each part takes away, and looks what
// is left after the parts that a template names.
func TestCleanUpDoesItsPartsOnly(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query")
	planted := map[string]files{
		CleanupLogs:           {"var/log/messages": "x", "var/log/messages.1": "x", "var/log/app/a.log.2.gz": "x"},
		CleanupTemporaryFiles: {"tmp/x": "x", "var/tmp/.y": "x"},
		CleanupBackups:        {"etc/passwd-": "x", "etc/ssh/sshd_config.bak": "x", "root/notes~": "x"},
		CleanupSpools:         {"var/mail/root": "x", "var/spool/cron/crontabs/root": "x"},
		CleanupRegistration:   {"etc/pki/consumer/key.pem": "x", "etc/zypp/credentials.d/SCCcredentials": "x"},
		CleanupManagement:     {"etc/salt/minion_id": "x", "etc/salt/pki/minion/minion.pem": "x"},
	}
	kept := files{"var/log/README": "x", "var/log/journal/0/system.journal": "x", "tmp/.X11-unix/a": "x", "etc/fstab": "x", "var/tmp/systemd-private-0/x": "x"}
	for _, parts := range [][]string{
		nil,
		{},
		{CleanupLogs},
		{CleanupBackups, CleanupSpools},
		{CleanupRegistration, CleanupManagement},
		{CleanupPackageCache},
		CleanupParts,
	} {
		t.Run(strings.Join(parts, " "), func(t *testing.T) {
			t.Parallel()
			tree := kept
			for _, more := range planted {
				tree = with(tree, more)
			}
			root := guesttest.NewTree(t, tree)
			runWith(t, Settings{Cleanup: parts}, []string{"dash"}, root, report.Mend, "", requirement.NoFirewall)
			wanted := parts
			if parts == nil {
				wanted = DefaultCleanup
			}
			for part, list := range planted {
				for name := range list {
					if got := isLeft(root, name); got == slices.Contains(wanted, part) {
						t.Errorf("%s of %s is left: %t", name, part, got)
					}
				}
			}
			for name := range kept {
				if !isLeft(root, name) {
					t.Errorf("%s is gone", name)
				}
			}
		})
	}
}

// isLeft tells whether a file is there and has something in it.
func isLeft(root, name string) bool {
	info, err := os.Stat(filepath.Join(root, name))
	return err == nil && info.Size() > 0
}
