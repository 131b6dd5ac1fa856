package inspect

import (
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Trees of the families beside Debian, made from what their packages put
// where. Each meets all that is judged here.

const readyArguments = "root=UUID=1111 ro console=tty0 console=ttyS0,115200n8"

// linuxFiles is what all of them have.
func linuxFiles(id, like string) files {
	return files{
		"etc/os-release":     "-> ../usr/lib/os-release",
		"usr/lib/os-release": "PRETTY_NAME=\"" + id + "\"\nID=" + id + "\nID_LIKE=\"" + like + "\"\nVERSION_ID=\"1\"\n",
		"etc/fstab":          "UUID=1111 / ext4 defaults 0 1\n",
		"etc/passwd":         "root:x:0:0:root:/root:/bin/sh\n",
		"etc/shadow":         "root:*:1::::::\n",
		"root/":              "",
		"lib":                "-> usr/lib", "bin": "-> usr/bin", "sbin": "-> usr/sbin",
		"usr/bin/cloud-init": "x", "usr/bin/growpart": "x", "usr/sbin/resize2fs": "x", "usr/sbin/sfdisk": "x",
		"usr/sbin/sshd": "x", "usr/sbin/qemu-ga": "x",
	}
}

// cloudFiles is a cloud-init whose configuration has more lines below
// system_info.
func cloudFiles(distro, more string) files {
	return files{
		"etc/cloud/cloud.cfg": "users: [default]\ndisable_root: true\ncloud_init_modules: [growpart, resizefs, set_hostname, users-groups, ssh]\n" +
			"cloud_final_modules: [scripts-user]\nsystem_info:\n  distro: " + distro + "\n  default_user: {name: cloud}\n" + more,
		"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": "datasource_list: [ ConfigDrive, OpenStack, None ]\n",
	}
}

// started are units that a link starts.
func started(units ...string) files {
	f := files{}
	for _, unit := range units {
		f["usr/lib/systemd/system/"+unit] = "[Service]\n[Install]\nWantedBy=multi-user.target\n"
		f["etc/systemd/system/multi-user.target.wants/"+unit] = "-> /usr/lib/systemd/system/" + unit
	}
	return f
}

// systemdFiles is a systemd with cloud-init, logind and the units.
func systemdFiles(units ...string) files {
	f := files{
		"usr/sbin/init":                                                         "-> ../lib/systemd/systemd",
		"usr/lib/systemd/systemd":                                               elfHeaderOf(62),
		"etc/systemd/system/default.target":                                     "-> /usr/lib/systemd/system/multi-user.target",
		"usr/lib/systemd/system/default.target":                                 "-> graphical.target",
		"usr/lib/systemd/system/multi-user.target":                              "[Unit]\nRequires=basic.target\n",
		"usr/lib/systemd/system/basic.target":                                   "[Unit]\nWants=sockets.target\n",
		"usr/lib/systemd/system/sockets.target":                                 "[Unit]\n",
		"usr/lib/systemd/system/cloud-init.target":                              "[Unit]\n",
		"usr/lib/systemd/system/dbus.socket":                                    "[Socket]\n",
		"usr/lib/systemd/system/sockets.target.wants/dbus.socket":               "-> ../dbus.socket",
		"usr/lib/systemd/system/systemd-logind.service":                         "[Service]\n",
		"usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service": "-> ../systemd-logind.service",
		"usr/lib/systemd/system-generators/cloud-init-generator":                "#!/bin/sh\n",
		"usr/lib/udev/rules.d/80-net-setup-link.rules":                          "x\n",
		"usr/lib/udev/rules.d/99-qemu-guest-agent.rules":                        "ENV{SYSTEMD_WANTS}=\"qemu-guest-agent.service\"\n",
		"usr/lib/systemd/system/qemu-guest-agent.service":                       "[Service]\n",
		"etc/machine-id": "",
	}
	for _, stage := range []string{"cloud-init-local", "cloud-init", "cloud-config", "cloud-final"} {
		f["usr/lib/systemd/system/"+stage+".service"] = "[Service]\n"
		f["etc/systemd/system/cloud-init.target.wants/"+stage+".service"] = "-> /usr/lib/systemd/system/" + stage + ".service"
	}
	return f.with(started(units...))
}

// el7Files is CentOS 7: GRUB 2, ifcfg files by NetworkManager, a cloud-init with
// neither generator nor target nor ds-identify.
func el7Files() files {
	f := systemdFiles("sshd.service", "sshd-keygen.service", "NetworkManager.service").with(files{
		"usr/lib/systemd/system-generators/cloud-init-generator": gone, "usr/lib/systemd/system/cloud-init.target": gone,
	})
	for _, stage := range cloudStages {
		f["etc/systemd/system/cloud-init.target.wants/"+stage[0]+".service"] = gone
		f = f.with(started(stage[0] + ".service"))
	}
	return linuxFiles("centos", "rhel fedora").with(f).
		with(cloudFiles("rhel", "")).with(files{
		"boot/grub2/grub.cfg":                             grubHead + "menuentry 'CentOS' {\n linux16 /vmlinuz-3.10.0 " + readyArguments + " net.ifnames=0\n}\n",
		"boot/grub2/grubenv":                              grubEnvironment + "saved_entry=CentOS\n",
		"etc/sysconfig/network-scripts/ifcfg-lo":          "DEVICE=lo\n",
		"etc/sysconfig/network-scripts/ifcfg-eth0":        "DEVICE=\"eth0\"\nBOOTPROTO=\"dhcp\"\nONBOOT=yes\n",
		"etc/sysconfig/network-scripts/network-functions": "x",
		"usr/sbin/ifup":                                   "x", "usr/sbin/ifdown": "x",
		"etc/ssh/sshd_config": "UsePAM yes\n",
	})
}

// el9Files is Rocky Linux 9: entries in files, NetworkManager alone, and keys
// that sshd's own target makes.
func el9Files() files {
	return linuxFiles("rocky", "rhel centos fedora").with(systemdFiles("sshd.service", "NetworkManager.service")).
		with(cloudFiles("rocky", "  network: {renderers: [sysconfig, eni, netplan, network-manager, networkd]}\n")).with(files{
		"boot/grub2/grub.cfg":                            grubHead + "insmod blscfg;blscfg\n",
		"boot/loader/entries/m-5.14.0-1.el9.x86_64.conf": "title Rocky\nlinux /boot/vmlinuz-5.14.0\noptions " + readyArguments + " $tuned_params\n",
		"boot/loader/entries/m-0-rescue.conf":            "title Rocky (0-rescue-m)\nlinux /boot/vmlinuz-0-rescue-m\noptions root=UUID=1111 quiet\n",
		"usr/lib/systemd/system/sshd.service":            "[Unit]\nWants=sshd-keygen.target\n",
		"usr/lib/systemd/system/sshd-keygen.target":      "[Unit]\nWants=sshd-keygen@rsa.service\n",
		"usr/lib/systemd/system/sshd-keygen@.service":    "[Service]\n",
		"usr/bin/nmcli":                                  "x",
		"etc/ssh/sshd_config":                            "Include /etc/ssh/sshd_config.d/*.conf\n",
		"etc/ssh/sshd_config.d/50-redhat.conf":           "UsePAM yes\n",
	})
}

// suseFiles is SUSE Linux Enterprise: wicked, and a vendor's sshd_config.
func suseFiles() files {
	return linuxFiles("sles", "suse").with(systemdFiles("sshd.service", "wicked.service")).
		with(cloudFiles("sles", "")).with(files{
		"boot/grub2/grub.cfg":                 grubHead + "menuentry 'SLES' {\n linux /boot/vmlinuz-6.4.0-default " + readyArguments + " net.ifnames=0\n}\n",
		"usr/lib/systemd/system/sshd.service": "[Service]\nExecStartPre=/usr/sbin/sshd-gen-keys-start\n",
		"etc/sysconfig/network/config":        "NETCONFIG_DNS_POLICY=auto\n",
		"etc/sysconfig/network/ifcfg-eth0":    "BOOTPROTO='dhcp'\nSTARTMODE='auto'\n",
		"usr/sbin/ifup":                       "x",
		"usr/etc/ssh/sshd_config":             "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n",
	})
}

// archFiles is Arch Linux with systemd-boot and systemd-networkd.
func archFiles() files {
	return linuxFiles("arch", "").with(systemdFiles("sshd.service", "systemd-networkd.service")).
		with(cloudFiles("arch", "")).with(files{
		"boot/loader/loader.conf":                    "default arch\n",
		"boot/loader/entries/arch.conf":              "title Arch Linux\nlinux /vmlinuz-linux\noptions " + readyArguments + "\n",
		"boot/EFI/Linux/arch.efi":                    efiProgram(readyArguments),
		"usr/lib/systemd/system/sshd.service":        "[Unit]\nWants=sshdgenkeys.service\n",
		"usr/lib/systemd/system/sshdgenkeys.service": "[Service]\n",
		"usr/bin/ip":                              "x",
		"etc/systemd/network/80-any.network":      "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n",
		"etc/ssh/sshd_config":                     "Include /etc/ssh/sshd_config.d/*.conf\n",
		"etc/ssh/sshd_config.d/99-archlinux.conf": "UsePAM yes\n",
	})
}

// openrcFiles is an OpenRC with cloud-init, acpid and the scripts, each in a
// runlevel: "default/sshd".
func openrcFiles(links ...string) files {
	f := files{"usr/sbin/openrc": "x", "usr/sbin/init": "-> openrc-init", "usr/sbin/openrc-init": elfHeaderOf(62)}
	for _, link := range append([]string{"boot/cloud-init-local", "default/cloud-init", "default/cloud-config", "default/cloud-final", "default/acpid"}, links...) {
		_, name, _ := strings.Cut(link, "/")
		f["etc/runlevels/"+link] = "-> /etc/init.d/" + name
		f["etc/init.d/"+name] = "#!/sbin/openrc-run\n"
	}
	return f
}

// alpineFiles is Alpine Linux: extlinux, busybox, ifupdown.
func alpineFiles() files {
	return linuxFiles("alpine", "").with(openrcFiles("boot/networking", "default/sshd", "default/qemu-guest-agent")).
		with(cloudFiles("alpine", "  network: {renderers: [eni]}\n")).with(files{
		"usr/sbin/init": "-> ../bin/busybox", "usr/bin/busybox": elfHeaderOf(62), "etc/inittab": "::wait:/sbin/openrc default\n",
		"boot/extlinux.conf":     "LABEL virt\n  MENU DEFAULT\n  LINUX vmlinuz-virt\n  APPEND " + readyArguments + "\n",
		"etc/network/interfaces": "auto lo\niface lo inet loopback\n",
		"usr/sbin/ifup":          "x", "usr/sbin/ifquery": "x", "usr/sbin/udhcpc": "x",
		"etc/init.d/sshd":        "#!/sbin/openrc-run\nstart_pre() {\n  ssh-keygen -A\n}\n",
		"etc/acpi/PWRF/00000080": "#!/bin/sh\npoweroff\n",
		"etc/ssh/sshd_config":    "UsePAM yes\n",
	})
}

// gentooFiles is Gentoo: GRUB, netifrc with the kernel's names of cards.
func gentooFiles() files {
	return linuxFiles("gentoo", "").with(openrcFiles("default/net.eth0", "default/sshd", "default/qemu-guest-agent")).
		with(cloudFiles("gentoo", "")).with(files{
		"boot/grub/grub.cfg":      "menuentry 'Gentoo' {\n linux /boot/vmlinuz-6.6-gentoo " + readyArguments + "\n}\n",
		"etc/init.d/net.lo":       "#!/sbin/openrc-run\n",
		"etc/init.d/net.eth0":     "-> net.lo",
		"etc/conf.d/net":          "config_eth0=\"dhcp\"\n",
		"usr/sbin/dhcpcd":         "x",
		"etc/init.d/sshd":         "#!/sbin/openrc-run\nchecks() {\n  ssh-keygen -A || return 2\n}\n",
		"etc/acpi/events/default": "event=.*\naction=/etc/acpi/default.sh %e\n",
		"etc/ssh/sshd_config":     "UsePAM yes\n",
	})
}

// el6Files is EL 6: GRUB 1, Upstart with init scripts.
func el6Files() files {
	f := linuxFiles("", "").with(cloudFiles("rhel", "")).with(files{
		"etc/os-release": gone, "usr/lib/os-release": gone, "etc/redhat-release": "CentOS release 6.10 (Final)\n",
		"usr/sbin/init": elfHeaderOf(62), "usr/sbin/initctl": "x", "etc/init/rcS.conf": "start on startup\n",
		"etc/init/serial.conf": "start on fedora.serial-console-available *\n",
		"etc/inittab":          "id:3:initdefault:\n", "etc/rc3.d": "-> rc.d/rc3.d", "etc/init.d": "-> rc.d/init.d",
		"boot/grub/grub.conf":                             "default=0\ntitle RHEL\n\tkernel /vmlinuz-2.6.32-754.el6.x86_64 " + readyArguments + "\n",
		"boot/grub/menu.lst":                              "-> ./grub.conf",
		"etc/sysconfig/network-scripts/network-functions": "x",
		"etc/sysconfig/network-scripts/ifcfg-eth0":        "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\n",
		"usr/sbin/ifup":                                   "x", "usr/sbin/ifdown": "x", "usr/sbin/dhclient": "x",
		"etc/ssh/sshd_config":        "UsePAM yes\n",
		"etc/acpi/events/power.conf": "event=button/power.*\naction=/etc/acpi/actions/power.sh\n",
	})
	for name, text := range map[string]string{
		"55sshd": "do_rsa_keygen() {\n  ssh-keygen -q\n}\n", "10network": "x\n", "26acpid": "x\n", "99qemu-ga": "x\n",
		"50cloud-init-local": "x\n", "51cloud-init": "x\n", "52cloud-config": "x\n", "53cloud-final": "x\n",
	} {
		f["etc/rc.d/init.d/"+name[2:]] = "#!/bin/sh\n" + text
		f["etc/rc.d/rc3.d/S"+name] = "-> ../init.d/" + name[2:]
	}
	return f
}

// judgedHere are the requirements that these trees are for; the others lean on
// packages, kernels and partitions.
var judgedHere = []requirement.ID{
	requirement.RootResize, requirement.NoHardcodedMAC, requirement.SSHServer, requirement.NoFirewall, requirement.SSHKey,
	requirement.UserData, requirement.ConsoleLog, requirement.Datasource, requirement.DHCP, requirement.IdentityReset,
	requirement.NoSecrets, requirement.ACPIShutdown, requirement.GuestAgent,
}

var familyTrees = []struct {
	name, init, loader string
	tree               func() files
}{
	{"EL 6", initUpstart, "grub-legacy", el6Files},
	{"EL 7", initSystemd, "grub", el7Files},
	{"EL 9", initSystemd, "grub", el9Files},
	{"SUSE", initSystemd, "grub", suseFiles},
	{"Arch", initSystemd, "systemd-boot", archFiles},
	{"Alpine", initOpenRC, "extlinux", alpineFiles},
	{"Gentoo", initOpenRC, "grub", gentooFiles},
}

func TestReadyGuestsOfEveryFamilyMeetTheirRequirements(t *testing.T) {
	for _, f := range familyTrees {
		t.Run(f.name, func(t *testing.T) {
			g := guestOf(t, f.tree())
			if g.facts.OS.Init != f.init || !slices.Equal(g.facts.Boot.Loaders, []string{f.loader}) {
				t.Errorf("init %q, boot loaders %q; want %q, %q", g.facts.OS.Init, g.facts.Boot.Loaders, f.init, f.loader)
			}
			if !g.facts.CloudInit.Enabled {
				t.Errorf("cloud-init: %+v", g.facts.CloudInit)
			}
			for _, found := range g.findings(t.Context()) {
				if slices.Contains(judgedHere, found.ID) && found.Verdict != met {
					t.Errorf("%s: got %s, want met:\n\t%s", found.ID, found.Verdict, strings.Join(found.Evidence, "\n\t"))
				}
			}
		})
	}
}

func guestOf(t *testing.T, f files) *guest {
	t.Helper()
	tr := newTree(f.fs())
	os, err := readOS(tr)
	if err != nil {
		t.Fatal(err)
	}
	l := readyLayout()
	return newGuest(tr, l, &Facts{Root: l.rootFacts(), OS: os})
}

// familyRow is one change to a ready tree and what it does to a requirement.
type familyRow struct {
	id       requirement.ID
	name     string
	change   files
	evidence string
}

// judgeFamily expects every row to be unmet, with the evidence in one entry.
func judgeFamily(t *testing.T, tree func() files, rows []familyRow) {
	t.Helper()
	missing := slices.Clone(judgedHere)
	for _, row := range rows {
		missing = slices.DeleteFunc(missing, func(id requirement.ID) bool { return id == row.id })
		t.Run(string(row.id)+" "+row.name, func(t *testing.T) {
			got := look(t, row.id, tree().with(row.change), readyLayout())
			shown := slices.ContainsFunc(got.Evidence, func(e string) bool { return strings.Contains(e, row.evidence) })
			if got.Verdict != unmet || !shown {
				t.Errorf("got %s, want unmet with %q in:\n\t%s", got.Verdict, row.evidence, strings.Join(got.Evidence, "\n\t"))
			}
		})
	}
	if len(missing) > 0 {
		t.Errorf("no row for %v", missing)
	}
}

const builderKey = "ssh-ed25519 AAAA builder\n"

func TestEL6(t *testing.T) {
	off := func(script string) files {
		return files{"etc/rc.d/rc3.d/S" + script: gone, "etc/rc.d/rc3.d/K01" + script[2:]: "-> ../init.d/" + script[2:]}
	}
	judgeFamily(t, el6Files, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/grub/grub.conf": "title RHEL\n\tkernel /vmlinuz-2.6.32 " + readyArguments + " rhgb quiet\n"}, "/boot/grub/grub.conf:2: /vmlinuz-2.6.32 root=UUID=1111"},
		{requirement.SSHServer, "", off("55sshd"), "/etc/init.d/sshd: nothing in the runlevel 3 and no event starts it"},
		{requirement.SSHServer, "another runlevel", files{"etc/inittab": "id:5:initdefault:\n"}, "nothing in the runlevel 5"},
		{requirement.NoFirewall, "", files{"etc/rc.d/init.d/iptables": "x", "etc/rc.d/rc3.d/S08iptables": "-> ../init.d/iptables"}, "iptables is started by /etc/rc3.d/S08iptables"},
		{requirement.NoHardcodedMAC, "", files{"etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nBOOTPROTO=dhcp\nHWADDR=" + readyMAC + "\n"}, "ifcfg-eth0:3: HWADDR"},
		{requirement.NoHardcodedMAC, "the generator", files{"usr/lib/udev/rules.d/75-persistent-net-generator.rules": "x"}, "75-persistent-net-generator.rules writes"},
		{requirement.NoHardcodedMAC, "a folder in its place", files{"etc/udev/rules.d/70-persistent-net.rules/": ""}, "is no regular file"},
		{requirement.DHCP, "", files{"etc/sysconfig/network-scripts/ifcfg-eth1": "DEVICE=eth1\nBOOTPROTO=static\n"}, "ifcfg-eth1: configures the card eth1 by name"},
		{requirement.DHCP, "not started", off("10network"), "neither NetworkManager nor the service network"},
		{requirement.DHCP, "no client", files{"usr/sbin/dhclient": gone}, "the service network has no DHCP client"},
		{requirement.ACPIShutdown, "", off("26acpid"), "/etc/init.d/acpid: nothing in"},
		{requirement.ACPIShutdown, "no event", files{"etc/acpi/events/power.conf": "event=battery.*\n"}, "is about the power button"},
		{requirement.IdentityReset, "", files{"etc/machine-id": "0123\n"}, "a machine ID is baked in"},
		{requirement.IdentityReset, "no keys", files{"etc/rc.d/init.d/sshd": "x\n", "usr/bin/cloud-init": gone}, "nothing makes SSH host keys"},
		{requirement.IdentityReset, "yum", files{"var/lib/yum/uuid": "x"}, "/var/lib/yum/uuid: a machine's name"},
		{requirement.NoSecrets, "", files{"root/install.log": "x"}, "/root/install.log"},
		{requirement.NoSecrets, "subscription", files{"etc/pki/consumer/key.pem": "x"}, "/etc/pki/consumer/key.pem: a subscription's key"},
		{requirement.SSHKey, "", files{"etc/ssh/sshd_config": "UsePAM no\n"}, "UsePAM no"},
		{requirement.UserData, "", off("53cloud-final"), "/etc/init.d/cloud-final: nothing"},
		{requirement.Datasource, "", files{"etc/cloud/cloud.cfg.d/zz.cfg": "datasource_list: [ Ec2 ]\n"}, "OpenStack is not in the list"},
		{requirement.RootResize, "", files{"usr/bin/growpart": gone}, "no program growpart"},
		{requirement.GuestAgent, "", off("99qemu-ga"), "/etc/init.d/qemu-ga: nothing"},
	})
}

func TestEL7(t *testing.T) {
	judgeFamily(t, el7Files, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/grub2/grub.cfg": "menuentry 'CentOS' {\n linux16 /vmlinuz-3.10.0 root=UUID=1111 crashkernel=auto rhgb quiet\n}\n"}, "no console=tty0, the last console is not console=ttyS0,115200n8"},
		{requirement.SSHServer, "", files{"etc/systemd/system/multi-user.target.wants/sshd.service": gone}, "sshd.service: nothing that starts"},
		{requirement.SSHServer, "masked by an argument", files{"boot/grub2/grub.cfg": "menuentry 'CentOS' {\n linux16 /vmlinuz " + readyArguments + " systemd.mask=sshd.service\n}\n"}, "sshd.service is masked by the kernel argument"},
		{requirement.NoFirewall, "", started("firewalld.service"), "firewalld.service is started by"},
		{requirement.NoFirewall, "iptables", started("iptables.service"), "iptables.service is started by"},
		{requirement.NoFirewall, "comes back", files{"usr/lib/systemd/system/firewalld.service": "[Install]\nWantedBy=basic.target\nAlias=dbus-org.fedoraproject.FirewallD1.service\n", "etc/machine-id": gone, "usr/lib/systemd/system-preset/90-default.preset": "enable firewalld.service\n"}, "90-default.preset:1: enable firewalld.service"},
		{requirement.NoFirewall, "rules in rc.local", files{"etc/rc.d/rc.local": "iptables -A INPUT -j DROP\n"}, "/etc/rc.d/rc.local:1"},
		{requirement.NoHardcodedMAC, "", files{"etc/sysconfig/network-scripts/ifcfg-ens192": "NAME=ens192\nHWADDR=\"00:50:56:ab:cd:ef\"\n"}, "ifcfg-ens192:2"},
		{requirement.DHCP, "", files{"etc/sysconfig/network-scripts/ifcfg-ens192": "NAME=ens192\nDEVICE=ens192\nBOOTPROTO=dhcp\n"}, "ifcfg-ens192: configures the card ens192 by name"},
		{requirement.DHCP, "not started", files{"etc/systemd/system/multi-user.target.wants/NetworkManager.service": gone}, "NetworkManager.service: nothing"},
		{requirement.ACPIShutdown, "", files{"etc/systemd/system/systemd-logind.service": "-> /dev/null"}, "masked"},
		{requirement.IdentityReset, "", files{"etc/ssh/ssh_host_rsa_key": "x"}, "ssh_host_rsa_key is baked in"},
		{requirement.IdentityReset, "leases", files{"var/lib/NetworkManager/dhclient-x-eth0.lease": "x"}, "dhclient-x-eth0.lease"},
		{requirement.NoSecrets, "", files{"root/anaconda-ks.cfg": "x"}, "/root/anaconda-ks.cfg: a installer's answers"},
		{requirement.NoSecrets, "logs", files{"var/log/anaconda/syslog": "x"}, "/var/log/anaconda/syslog"},
		{requirement.SSHKey, "", files{"usr/bin/cloud-init": gone}, "not installed"},
		{requirement.UserData, "", files{"etc/systemd/system/cloud-final.service": "-> /dev/null"}, "cloud-final.service is masked"},
		{requirement.Datasource, "", dropIn("datasource_list:\n- NoCloud\n").with(files{"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": gone}), "50.cfg:1: datasource_list: [NoCloud]: OpenStack is not in the list"},
		{requirement.RootResize, "", files{"usr/sbin/sfdisk": gone}, "no program sfdisk"},
		{requirement.GuestAgent, "", files{"usr/sbin/qemu-ga": gone}, "no program qemu-ga"},
	})
}

func TestEL9(t *testing.T) {
	judgeFamily(t, el9Files, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/loader/entries/m-5.14.0-2.conf": "linux /boot/vmlinuz-5.14.0-2\noptions " + readyArguments + " quiet\n"}, "m-5.14.0-2.conf:2: /boot/vmlinuz-5.14.0-2"},
		{requirement.ConsoleLog, "by the environment", files{"boot/grub2/grubenv": grubEnvironment + "tuned_params=rhgb\n"}, "rhgb hides the kernel log"},
		{requirement.SSHServer, "", files{"usr/sbin/sshd": gone}, "no program sshd"},
		{requirement.NoFirewall, "", started("nftables.service"), "nftables.service is started"},
		{requirement.NoHardcodedMAC, "", files{"etc/NetworkManager/system-connections/ens3.nmconnection": "[ethernet]\nmac-address=" + readyMAC + "\n"}, "ens3.nmconnection:2"},
		{requirement.NoHardcodedMAC, "of the distribution's folder", files{"usr/lib/NetworkManager/system-connections/a.nmconnection": "[ethernet]\ncloned-mac-address=" + readyMAC + "\n"}, "a.nmconnection:2"},
		{requirement.DHCP, "", files{"etc/NetworkManager/system-connections/ens192.nmconnection": "[connection]\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=auto\n"}, "ens192.nmconnection:3: configures the card ens192 by name"},
		{requirement.DHCP, "nothing", files{"etc/systemd/system/multi-user.target.wants/NetworkManager.service": gone, "usr/bin/nmcli": gone}, "finds no network stack"},
		{requirement.ACPIShutdown, "", files{"usr/lib/systemd/logind.conf.d/a.conf": "HandlePowerKey=ignore\n"}, "a.conf:1"},
		{requirement.IdentityReset, "", files{"etc/machine-id": "uninitialized\n"}, "the first boot"},
		{requirement.IdentityReset, "no keys", files{"etc/systemd/system/sshd-keygen.target": "-> /dev/null", "usr/bin/cloud-init": gone}, "nothing makes SSH host keys"},
		{requirement.IdentityReset, "keys left to a cloud-init that makes none", dropIn("ssh_genkeytypes: ~\n").with(files{
			"usr/lib/systemd/system/sshd-keygen@.service.d/disable-sshd-keygen-if-cloud-init-active.conf": "[Unit]\nConditionPathExists=!/run/systemd/generator.early/multi-user.target.wants/cloud-init.target\n",
		}), "nothing makes SSH host keys"},
		{requirement.NoSecrets, "", files{"etc/pki/entitlement/1-key.pem": "x"}, "/etc/pki/entitlement/1-key.pem"},
		{requirement.NoSecrets, "logs", files{"var/log/dnf.log": "x"}, "/var/log/dnf.log"},
		{requirement.SSHKey, "", files{"etc/ssh/sshd_config.d/01-first.conf": "PubkeyAuthentication no\n"}, "01-first.conf:1"},
		{requirement.UserData, "", files{"etc/cloud/cloud-init.disabled": ""}, "cloud-init.disabled"},
		{requirement.Datasource, "", files{"boot/loader/entries/m-5.14.0-1.el9.x86_64.conf": "linux /v\noptions " + readyArguments + " ds=nocloud\n"}, "forces the one data source nocloud"},
		{requirement.RootResize, "", files{"usr/sbin/resize2fs": gone}, "no program resize2fs"},
		{requirement.GuestAgent, "", files{"usr/lib/udev/rules.d/99-qemu-guest-agent.rules": gone}, "nothing starts it"},
	})
}

func TestSUSE(t *testing.T) {
	judgeFamily(t, suseFiles, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/grub2/grub.cfg": "menuentry 'SLES' {\n linux /boot/vmlinuz root=UUID=1111 splash=silent quiet\n}\n"}, "splash=silent hides the kernel log"},
		{requirement.SSHServer, "", files{"etc/systemd/system/sshd.service": "-> /dev/null"}, "sshd.service is masked"},
		{requirement.NoFirewall, "", started("SuSEfirewall2_init.service"), "SuSEfirewall2_init.service is started"},
		{requirement.NoHardcodedMAC, "", files{"etc/sysconfig/network/ifcfg-eth0": "BOOTPROTO='dhcp'\nLLADDR='" + readyMAC + "'\n"}, "ifcfg-eth0:2"},
		{requirement.DHCP, "", files{"etc/sysconfig/network/ifcfg-eth1": "BOOTPROTO='static'\nIPADDR='10.0.0.2/24'\n"}, "ifcfg-eth1: configures the card eth1"},
		{requirement.DHCP, "not started", files{"etc/systemd/system/multi-user.target.wants/wicked.service": gone}, "wicked.service: nothing"},
		{requirement.ACPIShutdown, "", files{"usr/lib/systemd/system/dbus.socket": gone}, "needs D-Bus"},
		{requirement.IdentityReset, "", files{"var/lib/wicked/lease-eth0-dhcp-ipv4.xml": "x"}, "lease-eth0-dhcp-ipv4.xml"},
		{requirement.IdentityReset, "no keys", files{"usr/lib/systemd/system/sshd.service": "[Service]\n", "usr/bin/cloud-init": gone}, "nothing makes SSH host keys"},
		{requirement.NoSecrets, "", files{"etc/zypp/credentials.d/SCCcredentials": "x"}, "SCCcredentials: a subscription's credential"},
		{requirement.SSHKey, "", files{"usr/etc/ssh/sshd_config": "UsePAM no\n"}, "/usr/etc/ssh/sshd_config:1: UsePAM no"},
		{requirement.UserData, "", dropIn("preserve_hostname: true\n"), "preserve_hostname"},
		{requirement.Datasource, "", dropIn("datasource_list: [ None ]\n").with(files{"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": gone}), "ConfigDrive is not in the list"},
		{requirement.RootResize, "", dropIn("growpart: {mode: off}\n"), "growpart: mode: off"},
		{requirement.GuestAgent, "", files{"etc/systemd/system/qemu-guest-agent.service": "-> /dev/null"}, "masked"},
	})
}

func TestArch(t *testing.T) {
	judgeFamily(t, archFiles, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/loader/entries/arch.conf": "linux /vmlinuz-linux\noptions root=UUID=1111 quiet\n"}, "/boot/loader/entries/arch.conf:2"},
		{requirement.ConsoleLog, "a unified image", files{"boot/EFI/Linux/arch.efi": efiProgram("root=UUID=1111 quiet")}, "/boot/EFI/Linux/arch.efi:0: arch.efi root=UUID=1111 quiet"},
		{requirement.SSHServer, "", files{"etc/systemd/system/multi-user.target.wants/sshd.service": gone}, "nothing that starts"},
		{requirement.NoFirewall, "", started("ufw.service").with(files{"etc/ufw/ufw.conf": "ENABLED=yes\n"}), "ufw.service is started"},
		{requirement.NoHardcodedMAC, "", files{"etc/systemd/network/10-lan.network": "[Match]\nMACAddress=" + readyMAC + "\n"}, "10-lan.network:2"},
		{requirement.NoHardcodedMAC, "netctl", files{"etc/netctl/lan": "MACAddress=" + readyMAC + "\n"}, "/etc/netctl/lan:1"},
		{requirement.DHCP, "", files{"etc/systemd/network/10-lan.network": "[Match]\nName=enp1s0f0\n[Network]\nDHCP=yes\n"}, "10-lan.network:2: configures the card enp1s0f0"},
		{requirement.DHCP, "not started", files{"etc/systemd/system/multi-user.target.wants/systemd-networkd.service": gone}, "cloud-init writes for systemd-networkd, and"},
		{requirement.ACPIShutdown, "", files{"usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service": gone}, "systemd-logind.service: nothing"},
		{requirement.IdentityReset, "", files{"boot/loader/random-seed": "x"}, "/boot/loader/random-seed"},
		{requirement.IdentityReset, "no keys", files{"usr/lib/systemd/system/sshd.service": "[Unit]\n", "usr/bin/cloud-init": gone}, "nothing makes SSH host keys"},
		{requirement.NoSecrets, "", files{"root/.ssh/authorized_keys": builderKey}, "opens the account root"},
		{requirement.SSHKey, "", files{"etc/ssh/sshd_config.d/99-archlinux.conf": gone}, "has no UsePAM yes"},
		{requirement.UserData, "", files{"etc/systemd/system/cloud-init.target.wants/cloud-final.service": gone}, "cloud-final.service: nothing"},
		{requirement.Datasource, "", files{"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": "datasource_list: [ OpenStack ]\n"}, "ConfigDrive is not in the list"},
		{requirement.RootResize, "", files{"usr/bin/growpart": gone}, "no program growpart"},
		{requirement.GuestAgent, "", files{"usr/sbin/qemu-ga": gone}, "no program qemu-ga"},
	})
}

func TestAlpine(t *testing.T) {
	off := func(link string) files { return files{"etc/runlevels/" + link: gone} }
	judgeFamily(t, alpineFiles, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/extlinux.conf": "LABEL virt\n  LINUX vmlinuz-virt\n  APPEND root=UUID=1111 quiet\n"}, "/boot/extlinux.conf:3: vmlinuz-virt root=UUID=1111 quiet"},
		{requirement.SSHServer, "", off("default/sshd"), "/etc/init.d/sshd: nothing in /etc/runlevels starts it"},
		{requirement.SSHServer, "a dead link", files{"etc/init.d/sshd": gone}, "ssh is not in /etc/init.d"},
		{requirement.NoFirewall, "", files{"etc/init.d/iptables": "x", "etc/runlevels/default/iptables": "-> /etc/init.d/iptables"}, "iptables is started by /etc/runlevels/default/iptables"},
		{requirement.NoFirewall, "needed by another", files{"etc/init.d/nftables": "x", "etc/init.d/acpid": "depend() {\n  need localmount nftables\n}\n"}, "nftables is started by /etc/init.d/acpid:2: need localmount nftables"},
		{requirement.NoFirewall, "in a runlevel of the runlevel", files{"etc/init.d/awall": "x", "etc/runlevels/more/awall": "-> /etc/init.d/awall", "etc/runlevels/default/more": "-> ../more"}, "awall is started by /etc/runlevels/more/awall"},
		{requirement.NoFirewall, "a local script", files{"etc/local.d/fw.start": "#!/bin/sh\nnft -f /etc/nftables.nft\n"}, "/etc/local.d/fw.start:2"},
		{requirement.NoHardcodedMAC, "", files{"etc/network/interfaces": "iface eth0 inet dhcp\n  hwaddress ether " + readyMAC + "\n"}, "/etc/network/interfaces:2"},
		{requirement.NoHardcodedMAC, "mactab", files{"etc/mactab": "eth0 " + readyMAC + "\n"}, "/etc/mactab:1"},
		{requirement.DHCP, "", off("boot/networking"), "cloud-init writes for ifupdown, and /etc/init.d/networking: nothing"},
		{requirement.DHCP, "another card", files{"etc/network/interfaces": "auto eth1\niface eth1 inet dhcp\n"}, "configures the card eth1 by name"},
		{requirement.ACPIShutdown, "", off("default/acpid"), "/etc/init.d/acpid: nothing"},
		{requirement.ACPIShutdown, "no script", files{"etc/acpi/PWRF/00000080": gone}, "is about the power button"},
		{requirement.IdentityReset, "", files{"var/lib/seedrng/seed.credit": "x"}, "/var/lib/seedrng/seed.credit"},
		{requirement.IdentityReset, "no keys", files{"etc/init.d/sshd": "x\n", "usr/bin/cloud-init": gone}, "nothing makes SSH host keys"},
		{requirement.NoSecrets, "", files{"root/.ash_history": "x"}, "/root/.ash_history"},
		{requirement.SSHKey, "", files{"etc/ssh/sshd_config": "Port 22\n"}, "has no UsePAM yes"},
		{requirement.UserData, "", off("default/cloud-final"), "/etc/init.d/cloud-final: nothing"},
		{requirement.Datasource, "", off("boot/cloud-init-local"), "/etc/init.d/cloud-init-local: nothing"},
		{requirement.Datasource, "a part not installed", files{"usr/lib/python3.12/site-packages/cloudinit/sources/__init__.py": "", "usr/lib/python3.12/site-packages/cloudinit/sources/DataSourceOpenStack.py": "x"}, "DataSourceConfigDrive.py: this part of cloud-init is not installed"},
		{requirement.RootResize, "", files{"usr/sbin/resize2fs": gone}, "no program resize2fs"},
		{requirement.GuestAgent, "", off("default/qemu-guest-agent"), "/etc/init.d/qemu-guest-agent: nothing"},
	})
}

func TestGentoo(t *testing.T) {
	off := func(link string) files { return files{"etc/runlevels/" + link: gone} }
	judgeFamily(t, gentooFiles, []familyRow{
		{requirement.ConsoleLog, "", files{"boot/grub/grub.cfg": "menuentry 'Gentoo' {\n linux /boot/vmlinuz root=UUID=1111\n}\n"}, "no console=tty0"},
		{requirement.SSHServer, "", off("default/sshd"), "/etc/init.d/sshd: nothing"},
		{requirement.NoFirewall, "", files{"etc/init.d/nftables": "x", "etc/runlevels/boot/nftables": "-> /etc/init.d/nftables"}, "nftables is started by /etc/runlevels/boot/nftables"},
		{requirement.NoHardcodedMAC, "", files{"etc/conf.d/net": "mac_eth0=\"" + readyMAC + "\"\n"}, "/etc/conf.d/net:1"},
		{requirement.NoHardcodedMAC, "a file of one card", files{"etc/conf.d/net.eth0": "mac_eth0=\"" + readyMAC + "\"\n"}, "/etc/conf.d/net.eth0:1"},
		{requirement.DHCP, "", files{"etc/conf.d/net": "config_eth0=\"10.0.0.2/24\"\n"}, "/etc/conf.d/net:1: config_eth0=10.0.0.2/24"},
		{requirement.DHCP, "not started", off("default/net.eth0"), "finds no network stack"},
		{requirement.DHCP, "another card", files{"etc/init.d/net.enp0s3": "-> net.lo", "etc/runlevels/default/net.enp0s3": "-> /etc/init.d/net.enp0s3"}, "configures the card enp0s3 by name"},
		{requirement.DHCP, "no client", files{"usr/sbin/dhcpcd": gone}, "net.eth0 has no DHCP client"},
		{requirement.DHCP, "other names", files{"usr/lib/udev/rules.d/80-net-name-slot.rules": "x\n"}, "configures the card eth0 by name; an instance's first card is called ens3"},
		{requirement.ACPIShutdown, "", off("default/acpid"), "acpid: nothing in /etc/runlevels"},
		{requirement.IdentityReset, "", files{"var/lib/misc/random-seed": "x"}, "/var/lib/misc/random-seed"},
		{requirement.NoSecrets, "", files{"etc/shadow": "root:$6$a$b:1::::::\n"}, "a usable password"},
		{requirement.SSHKey, "", dropIn("users: []\n"), "users does not name default"},
		{requirement.UserData, "", dropIn("cloud_final_modules: []\n"), "module scripts_user"},
		{requirement.Datasource, "", files{"etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": "datasource_list: [ ConfigDrive, None ]\n"}, "OpenStack is not in the list"},
		{requirement.RootResize, "", files{"etc/growroot-disabled": ""}, "/etc/growroot-disabled"},
		{requirement.GuestAgent, "", off("default/qemu-guest-agent"), "nothing"},
	})
}

// standInFiles is the boot program in cloud-init's place.
func standInFiles() files {
	return noCloudInit.with(started("openstack-ready-grow.service", "openstack-ready-boot.service", "openstack-ready-user-data.service", "openstack-ready-hostkeys.service")).with(files{
		"usr/libexec/openstack-ready/boot": "x", "usr/bin/curl": "x", "usr/bin/sudo": "x",
		"etc/openstack-ready/boot.conf":      "# x\nuser=rocky\nuser_data=true\n",
		"etc/systemd/network/60-any.network": "[Match]\nName=en* eth*\nType=ether\n[Network]\nDHCP=yes\n",
	}).with(started("systemd-networkd.service"))
}

func TestBootProgramStandsInForCloudInit(t *testing.T) {
	stopped := func(unit string) files {
		return files{"etc/systemd/system/multi-user.target.wants/openstack-ready-" + unit + ".service": gone}
	}
	rows := []judged{
		{"keys", nil, nil, met, "/etc/openstack-ready/boot.conf:2: user=rocky: the key goes to the account rocky"},
		{"keys for root", files{"etc/openstack-ready/boot.conf": gone, "usr/bin/sudo": gone}, nil, met, "the key goes to the account root"},
		{"not started", stopped("boot"), nil, unmet, "cloud-init is not installed"},
		{"no program", files{"usr/libexec/openstack-ready/boot": gone}, nil, unmet, "there is no /usr/libexec/openstack-ready/boot"},
		{"nothing fetches", files{"usr/bin/curl": gone}, nil, unmet, "no program curl, wget, busybox, python3"},
		{"no way to root", files{"usr/bin/sudo": gone}, nil, unmet, "can not become root"},
		{"cloud-init beside it", files{"usr/bin/cloud-init": "x"}, nil, unmet, "cloud-init 22.4.2-1 would do the same work"},
		{"cloud-init switched off", files{"usr/bin/cloud-init": "x", "etc/cloud/cloud-init.disabled": ""}, nil, met, "the account rocky"},
		{"keys refused", files{"etc/ssh/sshd_config": "PubkeyAuthentication no\n"}, nil, unmet, "PubkeyAuthentication no"},
		{"without PAM", files{"etc/ssh/sshd_config": "UsePAM no\n"}, nil, met, "the account rocky"},
	}
	for i := range rows {
		rows[i].change = standInFiles().with(rows[i].change)
	}
	judge(t, requirement.SSHKey, rows)
	for id, row := range map[requirement.ID]judged{
		requirement.UserData:      {"user data", nil, nil, met, "openstack-ready-user-data.service is started by"},
		requirement.Datasource:    {"datasource", nil, nil, met, "asks the config drive, then the metadata service"},
		requirement.RootResize:    {"growth", nil, nil, met, "openstack-ready-grow.service is started at boot by"},
		requirement.DHCP:          {"network", nil, nil, met, "60-any.network: DHCP=yes"},
		requirement.IdentityReset: {"host keys", nil, nil, met, "openstack-ready-hostkeys.service is started by"},
	} {
		row.change = standInFiles()
		judge(t, id, []judged{row})
	}
	judge(t, requirement.UserData, []judged{
		{"user data not started", standInFiles().with(stopped("user-data")), nil, unmet, "openstack-ready-user-data.service: nothing"},
		{"user data off", standInFiles().with(files{"etc/openstack-ready/boot.conf": "user_data=false\n"}), nil, unmet, "boot.conf:1: user_data=false"},
	})
	judge(t, requirement.RootResize, []judged{
		{"growth not started", standInFiles().with(stopped("grow")), nil, unmet, "cloud-init is not installed"},
	})
}

func TestBootProgramUnderEveryInit(t *testing.T) {
	names := []string{"openstack-ready-grow", "openstack-ready-boot", "openstack-ready-user-data", "openstack-ready-hostkeys"}
	common := noCloudInit.with(files{"usr/libexec/openstack-ready/boot": "x", "usr/bin/wget": "x"})
	openrc, jobs := files{}, files{}
	for _, name := range names {
		openrc["etc/init.d/"+name], openrc["etc/runlevels/default/"+name] = "#!/sbin/openrc-run\n", "-> /etc/init.d/"+name
		jobs["etc/init/"+name+".conf"] = "start on stopped rc RUNLEVEL=[2345]\ntask\n"
	}
	for _, tt := range []struct {
		name string
		tree files
	}{
		{"Alpine", alpineFiles().with(openrc).with(files{"etc/network/interfaces": "auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n"})},
		{"EL 6", el6Files().with(jobs)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := guestOf(t, tt.tree.with(common))
			for _, f := range g.findings(t.Context()) {
				if slices.Contains(judgedHere, f.ID) && f.Verdict != met {
					t.Errorf("%s: got %s, want met:\n\t%s", f.ID, f.Verdict, strings.Join(f.Evidence, "\n\t"))
				}
			}
		})
	}
}
