package guest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// alpineAny is Alpine as setup-alpine leaves it on a disk: OpenRC, busybox,
// extlinux, a server without PAM.
var alpineAny = with(spoilt, rootPartition("8386560"), services("", "sshd", "cloud-init-local", "cloud-init", "cloud-config", "cloud-final", "acpid", "networking", "qemu-guest-agent"),
	services("default", "iptables"), services("boot", "seedrng"),
	files{
		"etc/passwd":  "root:x:0:0:root:/root:/bin/sh\ndaemon:x:2:2:daemon:/sbin:/sbin/nologin\n",
		"sbin/openrc": "#!/bin/sh\nOS_RELEASE=x\n", "sbin/openrc-run": "x",
		"run/openrc/":         "",
		"etc/init.d/sshd":     "#!/sbin/openrc-run\nstart_pre() {\n\tssh-keygen -A\n}\n",
		"etc/cloud/cloud.cfg": strings.NewReplacer("distro: suse", "distro: alpine\n  network:\n    renderers: ['eni']", "name: suse", "name: alpine").Replace(suseCloudConfig),
		"etc/ssh/sshd_config": "# UsePAM no\nPermitRootLogin yes\n",
		"etc/inittab": "::sysinit:/sbin/openrc sysinit\ntty1::respawn:/sbin/getty 38400 tty1\n" +
			"# Put a getty on the serial port\n#ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n",
		"etc/securetty": "tty1\n",
		interfaces:      lo + "\nauto eth0\niface eth0 inet dhcp\n\thostname builder\n\thwaddress ether 52:54:00:aa:bb:cc\n",
		"sbin/ifup":     "", "sbin/udhcpc": "", "sbin/mkinitfs": "", "sbin/update-extlinux": "",
		"etc/mkinitfs/mkinitfs.conf":  "features=\"ata base cdrom ext4 keymap kms mmc nvme raid scsi usb\"\n",
		"etc/update-extlinux.conf":    "overwrite=1\ndefault_kernel_opts=\"quiet rootfstype=ext4\"\nmodules=sd-mod,usb-storage,ext4\nroot=UUID=1f5f\n",
		"boot/extlinux.conf":          "DEFAULT menu.c32\nMENU AUTOBOOT Alpine will be booted automatically in # seconds.\nLABEL lts\n  MENU DEFAULT\n  MENU LABEL Linux lts\n  LINUX vmlinuz-lts\n  INITRD initramfs-lts\n  APPEND root=UUID=1f5f modules=sd-mod,usb-storage,ext4 quiet rootfstype=ext4 \n\nMENU SEPARATOR\n",
		"var/lib/seedrng/seed.credit": "x",
	}, kernelWith("6.12.58-0-lts", "boot/vmlinuz-lts", "boot/initramfs-lts", initramfs("lib/modules/6.12.58-0-lts/kernel/drivers/ata/ahci.ko.gz")))

var alpine320 = with(alpineAny,
	apkPackages("lib/apk/db/installed", "openssh-server-pam 9.7_p1-r4", "cloud-init 24.1.4-r0", "cloud-utils-growpart 0.33-r0", "sfdisk 2.40.1-r1", "partx 2.40.1-r1", "e2fsprogs-extra 1.47.0-r5", "qemu-guest-agent 9.0.1-r0"),
	files{"etc/os-release": osRelease("alpine", "", "3.20.3", "Alpine Linux v3.20")})

// alpine323 has its data sources in packages of their own.
var alpine323 = with(alpineAny,
	apkPackages("usr/lib/apk/db/installed", "openssh-server-pam 10.2_p1-r0", "cloud-init 25.3-r0", "cloud-init-datasource-configdrive 25.3-r0", "cloud-init-datasource-openstack 25.3-r0",
		"cloud-utils-growpart 0.33-r0", "sfdisk 2.41.2-r0", "partx 2.41.2-r0", "e2fsprogs-extra 1.47.3-r0", "qemu-guest-agent 10.1.2-r0"),
	files{"etc/os-release": osRelease("alpine", "", "3.23.0", "Alpine Linux v3.23")})

// alpineBare has neither cloud-init nor a server, and no package can be had.
var alpineBare = with(alpineAny, apkPackages("usr/lib/apk/db/installed", "cloud-init 25.3-r0"),
	files{"etc/os-release": osRelease("alpine", "", "3.23.0", "Alpine Linux v3.23")})

// services are init scripts of OpenRC, in a runlevel where one is named.
func services(runlevel string, names ...string) files {
	f := files{}
	for _, name := range names {
		f["etc/init.d/"+name] = "#!/sbin/openrc-run\n"
		if runlevel != "" {
			f["etc/runlevels/"+runlevel+"/"+name] = "-> /etc/init.d/" + name
		}
	}
	return f
}

func apkPackages(path string, packages ...string) files {
	var b strings.Builder
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		b.WriteString("C:Q1x=\nP:" + name + "\nV:" + version + "\nA:x86_64\nF:etc\nR:" + name + "\n\n")
	}
	return files{path: b.String()}
}

// initramfs is a cpio archive of empty files, packed as mkinitfs packs it.
func initramfs(names ...string) string {
	var archive, packed bytes.Buffer
	for i, name := range append(names, "TRAILER!!!") {
		fmt.Fprintf(&archive, "070701%08x%08x%08x%072x%08x%08x%s\x00", i, 0o100644, 1, 0, len(name)+1, 0, name)
		archive.Write(make([]byte, (4-archive.Len()%4)%4))
	}
	z := gzip.NewWriter(&packed)
	if _, err := archive.WriteTo(z); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return packed.String()
}

var (
	alpineGood  = []requirement.ID{requirement.PartitionLayout, requirement.XenPVKernel}
	alpineStuck = map[requirement.ID]string{requirement.Virtio: "lacks virtio_blk"}
)

// alpineAfter is the same for every version.
var alpineAfter = files{
	"sbin/openrc": "#!/bin/sh\nOS_RELEASE=x\n", "sbin/openrc-run": "x",
	"etc/inittab": "::sysinit:/sbin/openrc sysinit\ntty1::respawn:/sbin/getty 38400 tty1\n" +
		"# Put a getty on the serial port\nttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100\n",
	"etc/securetty":                          "tty1\nttyS0\n",
	"etc/ssh/sshd_config":                    "UsePAM yes\n# UsePAM no\nPermitRootLogin yes\n",
	interfaces:                               lo + "\n",
	"etc/mkinitfs/mkinitfs.conf":             "features=\"ata base cdrom ext4 keymap kms mmc nvme raid scsi usb virtio\"\n",
	"etc/update-extlinux.conf":               "overwrite=1\ndefault_kernel_opts=\"rootfstype=ext4 console=tty0 console=ttyS0,115200n8\"\nmodules=sd-mod,usb-storage,ext4\nroot=UUID=1f5f\n",
	"etc/runlevels/default/iptables":         "-",
	"etc/machine-id":                         "-",
	"var/lib/seedrng/seed.credit":            "-",
	"etc/systemd":                            "-",
	"etc/runlevels/default/cloud-init-local": "-",
}

var alpineGuests = []unready{
	{name: "Alpine Linux 3.23", tree: alpine323, good: alpineGood, stuck: alpineStuck, after: alpineAfter},
	{name: "Alpine Linux 3.20", tree: alpine320, good: alpineGood, stuck: alpineStuck, after: alpineAfter},
	{
		name: "Alpine Linux 3.23, without packages", tree: alpineBare, good: alpineGood,
		stuck: map[requirement.ID]string{
			requirement.Virtio: "lacks virtio_blk", requirement.SSHServer: "openssh-server-pam is not installed",
			requirement.RootResize: "package partx is not installed", requirement.SSHKey: "cloud-init-datasource-openstack is not installed",
			requirement.UserData: "cloud-init-datasource-configdrive is not installed", requirement.Datasource: "cloud-init-datasource-configdrive is not installed",
			requirement.DHCP: "cloud-init-datasource-configdrive is not installed", requirement.GuestAgent: "qemu-guest-agent is not installed",
		},
	},
}

func TestUnreadyAlpineIsMended(t *testing.T) {
	expectReady(t, append([][]string{busybox}, otherShells...), alpineGuests[0])
}

func alpineMatrix(*testing.T) []unready {
	makers := files{
		"mkinitfs": everyDriver + `grep -q '^features=.*scsi.*virtio' /etc/mkinitfs/mkinitfs.conf || exit 0
cd "$(mktemp -d)"
for name in $(drivers "$1"); do
  mkdir -p "${name%/*}"
  : >"$name"
done
find . | cpio -o -H newc | gzip >"/boot/initramfs-${1##*-}"`,
		"update-extlinux": `. /etc/update-extlinux.conf
sed -i "s/^  APPEND .*/  APPEND root=$root $default_kernel_opts/" /boot/extlinux.conf`,
	}
	return append(slices.Clone(alpineGuests),
		unready{
			name: "Alpine Linux 3.20, rebuilt", only: rebuilt, programs: makers,
			tree: with(alpine320, oldKernel("boot/vmlinuz-old", "boot/initramfs-old")),
		},
		unready{
			name: "Alpine Linux 3.20, beyond mending", settings: Settings{Offline: true}, immutable: append(slices.Clone(immutable), "boot/extlinux.conf"),
			tree: with(alpine320, hopeless, apkPackages("lib/apk/db/installed", "cloud-init 24.1.4-r0", "cloud-utils-growpart 0.33-r0", "sfdisk 2.40.1-r1", "partx 2.40.1-r1", "e2fsprogs-extra 1.47.0-r5"), files{
				"sbin/ifup": "-",
			}),
			stuck: hopelessReasons(map[requirement.ID]string{requirement.ConsoleLog: "/boot/extlinux.conf could not be edited"}),
		},
	)
}
