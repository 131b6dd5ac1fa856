package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// The trees of Red Hat's family hold what an installer leaves, as far as it
// matters, and lack what the image guide asks for. Files named system and rpms
// are no part of a guest: its name, and the packages of its rpm database.

// el10 is EL 10 as anaconda installs it: entries of the Boot Loader
// Specification, NetworkManager with keyfiles only, cloud-init not yet there.
var el10 = with(el9, files{
	"system":         "AlmaLinux 10",
	"etc/os-release": osRelease("almalinux", "rhel centos fedora", "10.1", "AlmaLinux 10.1 (Heliotrope Lion)"),
	"rpms":           "openssh-server-9.9 e2fsprogs-1.47 xfsprogs-6.11 cloud-init-24.4 cloud-utils-growpart-0.33 qemu-guest-agent-9.1",
	"usr/lib64/NetworkManager/1.48/libnm-settings-plugin-ifcfg-rh.so": "-",
	"etc/sysconfig/network-scripts/readme-ifcfg-rh.txt":               "-",
})

// el9 is EL 9 on UEFI, whose EFI system partition holds a stub only.
var el9 = with(elSystemd, blsEntries("root=UUID=1f5f ro crashkernel=1G rhgb quiet $tuned_params"), files{
	"system":                      "Rocky Linux 9",
	"etc/os-release":              osRelease("rocky", "rhel centos fedora", "9.6", "Rocky Linux 9.6 (Blue Onyx)"),
	"rpms":                        "openssh-server-8.7 e2fsprogs-1.46 xfsprogs-6.4 cloud-init-24.4 cloud-utils-growpart-0.33 qemu-guest-agent-9.0",
	"boot/grub2/grub.cfg":         blsMenu,
	"boot/grub2/grubenv":          environmentBlock("saved_entry=0123-5.14"),
	"boot/efi/EFI/rocky/grub.cfg": "search --no-floppy --root-dev-only --fs-uuid --set=dev 1f5f\nset prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n",
	"etc/default/grub":            "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"crashkernel=1G rhgb quiet\"\nGRUB_ENABLE_BLSCFG=true\n",
	"etc/kernel/cmdline":          "root=UUID=1f5f ro crashkernel=1G rhgb quiet\n",
	"usr/sbin/grub2-mkconfig":     "#!/bin/sh\n. ${sysconfdir}/default/grub\n",
	"etc/sysconfig/network-scripts/readme-ifcfg-rh.txt":               "keyfiles are the way\n",
	"usr/lib64/NetworkManager/1.46/libnm-settings-plugin-ifcfg-rh.so": "",
	"etc/NetworkManager/system-connections/ens192.nmconnection":       keyfile,
})

// el8 is EL 8 on UEFI, whose menu lies in the EFI system partition, and whose
// entries name $kernelopts.
var el8 = with(elSystemd, blsEntries("$kernelopts $tuned_params"), files{
	"system":                       "CentOS 8",
	"etc/os-release":               osRelease("centos", "rhel fedora", "8", "CentOS Linux 8"),
	"rpms":                         "openssh-server-8.0 e2fsprogs-1.45 xfsprogs-5.0 cloud-init-22.1 cloud-utils-growpart-0.31 qemu-guest-agent-6.2",
	"boot/efi/EFI/centos/grub.cfg": blsMenu,
	"boot/efi/EFI/centos/grubenv":  environmentBlock("kernelopts=root=/dev/mapper/cl-root ro crashkernel=auto rhgb quiet "),
	"boot/grub2/grubenv":           "-> ../efi/EFI/centos/grubenv",
	"etc/default/grub":             "GRUB_CMDLINE_LINUX=\"crashkernel=auto rhgb quiet\"\nGRUB_ENABLE_BLSCFG=true\n",
	"usr/sbin/grub2-mkconfig":      "#!/bin/sh\n",
	"usr/bin/cloud-init":           "#!/usr/libexec/platform-python -s\n",
	"usr/libexec/platform-python":  "-> /usr/bin/python3",
	"usr/lib64/NetworkManager/1.40/libnm-settings-plugin-ifcfg-rh.so": "",
	"etc/sysconfig/network-scripts/ifcfg-ens192":                      ifcfg("ens192"),
})

// el7 is EL 7: a generated menu, the service network, a udev without names of
// its own.
var el7 = with(elSystemd, script("network", true), files{
	"system":                  "CentOS 7",
	"etc/os-release":          osRelease("centos", "rhel fedora", "7", "CentOS Linux 7 (Core)"),
	"rpms":                    "openssh-server-7.4 e2fsprogs-1.42 xfsprogs-4.5 util-linux-2.23.2 gdisk-0.8 cloud-init-19.4 cloud-utils-growpart-0.29 qemu-guest-agent-2.12 dhclient-4.2",
	"boot/grub2/grub.cfg":     "menuentry 'CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)' {\n\tlinux16 /vmlinuz-3.10.0-1160.el7.x86_64 root=UUID=1f5f ro rhgb quiet\n}\nmenuentry 'CentOS Linux (0-rescue-0123) 7 (Core)' {\n\tlinux16 /vmlinuz-0-rescue-0123 root=UUID=1f5f ro rhgb quiet\n}\n",
	"etc/default/grub":        "GRUB_CMDLINE_LINUX='crashkernel=auto rhgb quiet'\n",
	"usr/sbin/grub2-mkconfig": "#!/bin/sh\n",
	"lib/systemd/system/NetworkManager.service":                         "-",
	"etc/systemd/system/multi-user.target.wants/NetworkManager.service": "-",
	"etc/sysconfig/network-scripts/network-functions":                   "",
	"usr/sbin/ifup": "", "usr/sbin/ifdown": "",
	"etc/sysconfig/network-scripts/ifcfg-ens192": ifcfg("ens192"),
})

// el6 is EL 6: Upstart, GRUB before version 2, no os-release, no machine ID.
var el6 = with(elAny, script("sshd", true, "	[ -s $RSA_KEY ] || $KEYGEN -q -t rsa -f $RSA_KEY # ssh-keygen"), script("network", true), script("iptables", true),
	script("ip6tables", true), script("acpid", true), script("qemu-ga", true), script("cloud-init-local", true), script("cloud-init", true),
	script("cloud-config", true), script("cloud-final", true), files{
		"system":             "CentOS 6",
		"etc/redhat-release": "CentOS release 6.10 (Final)\n",
		"rpms": "openssh-server-5.3 e2fsprogs-1.41 util-linux-ng-2.17 cloud-init-0.7.5 cloud-utils-growpart-0.27 " +
			"dracut-modules-growroot-0.20 qemu-guest-agent-0.12 acpid-1.0 dhclient-4.1",
		"sbin/initctl": "", "sbin/chkconfig": "", "etc/init/rcS.conf": "start on startup\n",
		"sbin/dracut": "", "etc/acpi/events/power.conf": "event=button/power.*\naction=/etc/acpi/actions/power.sh\n",
		"boot/grub/grub.conf": "default=0\ntimeout=5\nsplashimage=(hd0,0)/grub/splash.xpm.gz\nhiddenmenu\n" +
			"title CentOS (2.6.32-754.el6.x86_64)\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32-754.el6.x86_64 ro root=UUID=1f5f rhgb quiet\n\tinitrd /initramfs-2.6.32-754.el6.x86_64.img\n",
		"boot/grub/menu.lst":                              "-> ./grub.conf",
		"boot/vmlinuz-2.6.32-754.el6.x86_64":              "kernel",
		"boot/initramfs-2.6.32-754.el6.x86_64.img":        "lib/modules/virtio_blk.ko\nlib/modules/virtio_pci.ko\nlib/modules/virtio_scsi.ko\nlib/modules/xen-blkfront.ko\npre-pivot/50growroot.sh\n",
		"boot/config-2.6.32-754.el6.x86_64":               "CONFIG_PARAVIRT_GUEST=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=m\nCONFIG_HVC_XEN=y\n",
		"lib/modules/2.6.32-754.el6.x86_64/modules.dep":   "kernel/drivers/net/virtio_net.ko:\n",
		"etc/sysconfig/network-scripts/network-functions": "",
		"sbin/ifup": "", "sbin/ifdown": "",
		"etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nHWADDR=52:54:00:00:00:06\nTYPE=Ethernet\nUUID=0123\nONBOOT=yes\nNM_CONTROLLED=yes\nBOOTPROTO=dhcp\n",
	}, card("eth0", "52:54:00:00:00:06"))

// fedora writes keyfiles with cloud-init, and its kernel has virtio built in.
var fedora = with(el9, files{
	"system":         "Fedora 43",
	"etc/os-release": osRelease("fedora", "", "43", "Fedora Linux 43 (Server Edition)"),
	"etc/cloud/cloud.cfg": strings.Replace(elCloudConfig, "['sysconfig', 'eni', 'netplan', 'network-manager', 'networkd']",
		"['netplan', 'network-manager', 'networkd', 'sysconfig', 'eni']", 1),
})

// amazon2023 leaves the network to systemd-networkd, and not to cloud-init.
var amazon2023 = with(el9, unit("systemd-networkd.service", "multi-user.target"), files{
	"system":              "Amazon Linux 2023",
	"etc/os-release":      osRelease("amzn", "fedora", "2023", "Amazon Linux 2023.9.20251105"),
	"etc/cloud/cloud.cfg": amazonCloudConfig + "# Amazon Linux relies on ec2-net-utils for network configuration\nnetwork:\n  config: disabled\n\nmanage_etc_hosts: false\n",
	"lib/systemd/system/NetworkManager.service":                         "-",
	"etc/systemd/system/multi-user.target.wants/NetworkManager.service": "-",
	"usr/lib64/NetworkManager/1.46/libnm-settings-plugin-ifcfg-rh.so":   "-",
	"etc/sysconfig/network-scripts/readme-ifcfg-rh.txt":                 "-",
})

// amazon2 leaves it to the service network, which its cloud-init cannot configure.
var amazon2 = with(el7, files{
	"system":              "Amazon Linux 2",
	"etc/os-release":      osRelease("amzn", "centos rhel fedora", "2", "Amazon Linux 2"),
	"etc/cloud/cloud.cfg": amazonCloudConfig + "network:\n  config: disabled\n",
	"boot/grub2/grub.cfg": "menuentry 'Amazon Linux 2' {\n\tlinux /boot/vmlinuz-3.10.0-1160.el7.x86_64 root=UUID=1f5f ro console=tty0 net.ifnames=0 rd.emergency=poweroff\n}\n",
	"etc/sysconfig/network-scripts/ifcfg-ens192": "-",
	"etc/sysconfig/network-scripts/ifcfg-eth0":   "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\nTYPE=Ethernet\n",
})

// elAny is common to all.
var elAny = with(rootPartition("8386560"), files{
	"etc/passwd":          "root:x:0:0:root:/root:/bin/bash\n",
	"etc/shadow":          "root:!!:19000:0:99999:7:::\n",
	"proc/self/mountinfo": "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n",
	"etc/cloud/cloud.cfg": elCloudConfig,
	"etc/ssh/":            "",
})

// elSystemd is common to EL 7 and what came after.
var elSystemd = with(elAny, card("ens192", "52:54:00:aa:bb:cc"), unit("firewalld.service", "multi-user.target"), unit("NetworkManager.service", "multi-user.target"),
	unit("cloud-init-local.service", "cloud-init.target"), unit("cloud-init.service", "cloud-init.target"), unit("cloud-config.service", "cloud-init.target"),
	unit("cloud-final.service", "cloud-init.target"), unit("systemd-logind.service", ""), unit("dbus.service", ""), unit("qemu-guest-agent.service", ""), unit("sshd.service", "multi-user.target"), files{
		"run/systemd/system/":                            "",
		"lib/systemd/system/sshd.service":                "[Unit]\nAfter=sshd-keygen.target\nWants=sshd-keygen.target\n[Install]\nWantedBy=multi-user.target\n",
		"usr/lib/udev/rules.d/99-qemu-guest-agent.rules": `ENV{SYSTEMD_WANTS}="qemu-guest-agent.service"` + "\n",
		"usr/bin/dracut":                                 "",
		"boot/vmlinuz-3.10.0-1160.el7.x86_64":            "kernel",
		"boot/initramfs-3.10.0-1160.el7.x86_64.img":      "virtio_blk.ko.xz is not a path\n",
		"lib/modules/3.10.0-1160.el7.x86_64/modules.dep": "kernel/drivers/net/virtio_net.ko.xz:\n",
		"etc/machine-id":                                 "0123\n",
	})

const (
	blsMenu = "insmod part_gpt\nif [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=1f5f ro rhgb quiet \"\nfi\ninsmod blscfg\nset timeout=5\nblscfg\nmenuentry 'UEFI Firmware Settings' {\n\tfwsetup\n}\n"
	keyfile = "[connection]\nid=ens192\nuuid=0123\ntype=ethernet\ninterface-name=ens192\ntimestamp=1\n\n[ethernet]\nmac-address=52:54:00:AA:BB:CC\n\n[ipv4]\nmethod=auto\n"

	elCloudConfig = `users:
 - default

disable_root: true
ssh_pwauth: false
ssh_genkeytypes: ~
cloud_init_modules:
 - migrator
 - [growpart, always]
 - resizefs
 - set_hostname
 - users-groups
 - ssh
cloud_final_modules:
 - scripts-user
system_info:
  distro: rhel
  default_user:
    name: cloud-user
  network:
    renderers: ['sysconfig', 'eni', 'netplan', 'network-manager', 'networkd']
`
)

var amazonCloudConfig = strings.Replace(elCloudConfig, "  distro: rhel\n  default_user:\n    name: cloud-user\n  network:\n    renderers: ['sysconfig', 'eni', 'netplan', 'network-manager', 'networkd']\n",
	"  distro: amazon\n  default_user:\n    name: ec2-user\n", 1)

func osRelease(id, like, version, name string) string {
	return "NAME=\"x\"\nVERSION_ID=\"" + version + "\"\nID=\"" + id + "\"\nID_LIKE=\"" + like + "\"\nPRETTY_NAME=\"" + name + "\"\n"
}

func ifcfg(card string) string {
	return "TYPE=\"Ethernet\"\nBOOTPROTO=\"dhcp\"\nNAME=\"" + card + "\"\nUUID=\"0123\"\nDEVICE=\"" + card + "\"\nONBOOT=\"yes\"\nHWADDR=\"52:54:00:AA:BB:CC\"\n"
}

// blsEntries is an entry with the given options and one for rescue.
func blsEntries(options string) files {
	entry := func(version, options string) string {
		return "title Linux (" + version + ")\nversion " + version + "\nlinux /vmlinuz-" + version + "\ninitrd /initramfs-" + version + ".img\noptions " + options + "\ngrub_users $grub_users\n"
	}
	return files{
		"boot/loader/entries/0123-5.14.0.conf":   entry("5.14.0", options),
		"boot/loader/entries/0123-0-rescue.conf": entry("0-rescue-0123", "root=UUID=1f5f ro rhgb quiet"),
	}
}

// environmentBlock is GRUB's, whose size is fixed.
func environmentBlock(line string) string {
	text := "# GRUB Environment Block\n" + line + "\n"
	return text + strings.Repeat("#", 1024-len(text))
}

// script is an init script, with the links that chkconfig makes where it is on.
func script(name string, on bool, lines ...string) files {
	f := files{"etc/rc.d/init.d/" + name: "#!/bin/bash\n# chkconfig: 2345 50 50\n" + strings.Join(lines, "\n") + "\n", "etc/init.d": "-> rc.d/init.d"}
	for _, level := range []string{"2", "3", "4", "5"} {
		f["etc/rc"+level+".d"] = "-> rc.d/rc" + level + ".d"
		if on {
			f["etc/rc.d/rc"+level+".d/S50"+name] = "-> ../init.d/" + name
		}
	}
	return f
}

// redhatTree makes a tree and its rpm database.
func redhatTree(t *testing.T, base files, more ...files) string {
	t.Helper()
	all := with(base, more...)
	Ran(t, all["system"], Fixtures)
	withDatabase(t, all)
	return guesttest.NewTreeOf(t, all)
}

// withDatabase makes the rpm database that a tree describes.
func withDatabase(t *testing.T, tree files) {
	t.Helper()
	tree["var/lib/rpm/rpmdb.sqlite"] = rpmDatabase(t, tree["rpms"])
	delete(tree, "rpms")
	delete(tree, "system")
}

var rpmDatabases sync.Map

// rpmDatabase returns the database of a guest with the packages, as rpm itself
// writes it. Packages are given as NAME-VERSION.
func rpmDatabase(t *testing.T, packages string) string {
	t.Helper()
	if made, ok := rpmDatabases.Load(packages); ok {
		return made.(string)
	}
	dir := t.TempDir()
	args := append([]string{"--dbpath", dir + "/db", "--install", "--justdb", "--nodeps", "--nosignature"},
		buildRPMs(t, dir, strings.Fields(packages))...)
	if out, err := exec.Command("rpm", args...).CombinedOutput(); err != nil {
		t.Fatalf("rpm %v: %v\n%s", args, err, out)
	}
	made, err := os.ReadFile(dir + "/db/rpmdb.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	rpmDatabases.Store(packages, string(made))
	return string(made)
}

// buildRPMs builds packages with nothing in them, and returns their files.
func buildRPMs(t *testing.T, dir string, packages []string) []string {
	t.Helper()
	spec := "Name: none\nVersion: 1\nRelease: 1.el\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n"
	for _, p := range packages {
		at := strings.LastIndex(p, "-")
		spec += "%package -n " + p[:at] + "\nVersion: " + p[at+1:] + "\nSummary: x\n%description -n " + p[:at] + "\nx\n%files -n " + p[:at] + "\n"
	}
	if err := os.WriteFile(dir+"/all.spec", []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, dir+"/all.spec").CombinedOutput()
	if err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	built, err := filepath.Glob(dir + "/RPMS/noarch/*.rpm")
	if err != nil || len(built) != len(packages) {
		t.Fatalf("rpmbuild made %v, %v, want %v", built, err, packages)
	}
	return built
}
