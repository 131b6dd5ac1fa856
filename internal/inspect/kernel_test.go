package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// bzImage is the front of a kernel for x86 that says which version it is
// (kernel, arch/x86/boot.rst).
func bzImage(version string) string {
	b := make([]byte, 0x300)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x80)
	copy(b[0x280:], version+" (builder@host) #1 SMP")
	return string(b)
}

// peOf is an EFI program with sections, each as long as its content.
func peOf(sections ...[2]string) string {
	b := make([]byte, 0x1000)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[60:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x86:], uint16(len(sections)))
	for i, s := range sections {
		h := b[0x80+24+40*i:]
		copy(h, s[0])
		for j, v := range []int{len(s[1]), 0, len(s[1]), len(b)} {
			binary.LittleEndian.PutUint32(h[8+4*j:], uint32(v))
		}
		b = append(b, s[1]...)
	}
	return string(b)
}

func TestKernelsOfEveryLayout(t *testing.T) {
	const machine = "0123456789abcdef0123456789abcdef"
	modules := func(versions ...string) files {
		f := files{"lib": "-> usr/lib"}
		for _, v := range versions {
			f["usr/lib/modules/"+v+"/modules.dep"] = ""
		}
		return f
	}
	tests := []struct {
		name  string
		files files
		want  []Kernel
	}{
		{
			"Debian", modules("6.1.0-9-amd64").with(files{
				"boot/vmlinuz-6.1.0-9-amd64": "x", "boot/initrd.img-6.1.0-9-amd64": "x", "boot/config-6.1.0-9-amd64": "x",
				"boot/System.map-6.1.0-9-amd64": "x", "boot/vmlinuz-6.1.0-8-amd64.old": "x",
			}),
			[]Kernel{{"6.1.0-9-amd64", "/boot/vmlinuz-6.1.0-9-amd64", "/boot/initrd.img-6.1.0-9-amd64", "/boot/config-6.1.0-9-amd64"}},
		},
		{
			"Red Hat, with one for repair", modules("5.14.0-427.el9.x86_64").with(files{
				"boot/vmlinuz-5.14.0-427.el9.x86_64": bzImage("5.14.0-427.el9.x86_64"), "boot/initramfs-5.14.0-427.el9.x86_64.img": "x",
				"boot/initramfs-5.14.0-427.el9.x86_64kdump.img": "x", "boot/vmlinuz-0-rescue-" + machine: "x",
				"boot/initramfs-0-rescue-" + machine + ".img": "x", "usr/lib/modules/5.14.0-427.el9.x86_64/vmlinuz": "x",
				"usr/lib/modules/5.14.0-427.el9.x86_64/config": "x", "boot/.vmlinuz-5.14.0-427.el9.x86_64.hmac": "x",
			}),
			[]Kernel{{"5.14.0-427.el9.x86_64", "/boot/vmlinuz-5.14.0-427.el9.x86_64", "/boot/initramfs-5.14.0-427.el9.x86_64.img", "/lib/modules/5.14.0-427.el9.x86_64/config"}},
		},
		{
			"SUSE, with the kernel for debuggers", modules("6.4.0-150600.23-default").with(files{
				"boot/vmlinux-6.4.0-150600.23-default.gz": "x", "boot/vmlinuz-6.4.0-150600.23-default": "-> ../usr/lib/modules/6.4.0-150600.23-default/vmlinuz",
				"usr/lib/modules/6.4.0-150600.23-default/vmlinuz": "x", "boot/vmlinuz": "-> vmlinuz-6.4.0-150600.23-default",
				"boot/initrd-6.4.0-150600.23-default": "x", "boot/initrd": "-> initrd-6.4.0-150600.23-default",
			}),
			[]Kernel{{"6.4.0-150600.23-default", "/boot/vmlinuz-6.4.0-150600.23-default", "/boot/initrd-6.4.0-150600.23-default", ""}},
		},
		{
			"Arch by its package", modules("6.10.1-arch1-1", "6.9.1-lts").with(files{
				"boot/vmlinuz-linux": "x", "boot/initramfs-linux.img": "x", "boot/initramfs-linux-fallback.img": "x",
				"usr/lib/modules/6.10.1-arch1-1/pkgbase": "linux\n", "usr/lib/modules/6.9.1-lts/pkgbase": "linux-lts\n",
				"usr/lib/modules/6.10.1-arch1-1/vmlinuz": "x",
			}),
			[]Kernel{{"6.10.1-arch1-1", "/boot/vmlinuz-linux", "/boot/initramfs-linux.img", ""}},
		},
		{
			"Arch by what the kernel says", modules("6.10.2-arch1-1").with(files{
				"boot/vmlinuz-linux": bzImage("6.10.1-arch1-1"), "boot/initramfs-linux.img": "x", "usr/lib/modules/6.10.2-arch1-1/pkgbase": "linux\n",
			}),
			[]Kernel{{"6.10.1-arch1-1", "/boot/vmlinuz-linux", "/boot/initramfs-linux.img", ""}},
		},
		{
			"Alpine", modules("6.6.9-0-virt", "6.6.14-0-virt", "6.6.20-0-lts").with(files{
				"boot/vmlinuz-virt": "x", "boot/initramfs-virt": "x", "boot/config-6.6.14-0-virt": "x",
			}),
			[]Kernel{{"6.6.14-0-virt", "/boot/vmlinuz-virt", "/boot/initramfs-virt", "/boot/config-6.6.14-0-virt"}},
		},
		{
			"Gentoo, genkernel", modules("6.1.0-gentoo").with(files{
				"boot/kernel-genkernel-x86_64-6.1.0-gentoo": "x", "boot/initramfs-genkernel-x86_64-6.1.0-gentoo.img": "x",
				"usr/src/linux-6.1.0-gentoo/.config": "x",
			}),
			[]Kernel{{"6.1.0-gentoo", "/boot/kernel-genkernel-x86_64-6.1.0-gentoo", "/boot/initramfs-genkernel-x86_64-6.1.0-gentoo.img", "/usr/src/linux-6.1.0-gentoo/.config"}},
		},
		{
			"kernel-install", modules("6.8.0-1.fc40").with(files{
				"boot/efi/" + machine + "/6.8.0-1.fc40/linux": "x", "boot/efi/" + machine + "/6.8.0-1.fc40/initrd": "x",
				"boot/vmlinuz-6.8.0-1.fc40": "x", "boot/initramfs-6.8.0-1.fc40.img": "x",
				"boot/efi/" + machine + "/notes": "x", "boot/efi/EFI/BOOT/BOOTX64.EFI": "x",
			}),
			[]Kernel{{"6.8.0-1.fc40", "/boot/efi/" + machine + "/6.8.0-1.fc40/linux", "/boot/efi/" + machine + "/6.8.0-1.fc40/initrd", ""}},
		},
		{
			"unified", modules("6.8.0-1", "6.10.1-arch1-1").with(files{
				"efi/EFI/Linux/a-6.8.0-1.efi":            peOf([2]string{".uname", "6.8.0-1\x00"}, [2]string{".initrd", "x"}),
				"usr/lib/modules/6.10.1-arch1-1/pkgbase": "linux\n",
				"efi/EFI/Linux/arch-linux.efi":           peOf([2]string{".linux", "x"}),
			}),
			[]Kernel{
				{"6.8.0-1", "/efi/EFI/Linux/a-6.8.0-1.efi", "/efi/EFI/Linux/a-6.8.0-1.efi", ""},
				{"6.10.1-arch1-1", "/efi/EFI/Linux/arch-linux.efi", "/efi/EFI/Linux/arch-linux.efi", ""},
			},
		},
		{
			"beside its modules alone", modules("6.8.0-1").with(files{"usr/lib/modules/6.8.0-1/vmlinuz": "x"}),
			[]Kernel{{"6.8.0-1", "/lib/modules/6.8.0-1/vmlinuz", "", ""}},
		},
		{"modules without a kernel", modules("6.8.0-1"), nil},
	}
	for _, tt := range tests {
		n := &notes{}
		if got := kernels(newTree(tt.files.fs()), n); !reflect.DeepEqual(got, tt.want) || n.err() != nil {
			t.Errorf("%s: got %+v, %v\nwant %+v", tt.name, got, n.err(), tt.want)
		}
	}
}

func TestKernelBannerIsBounded(t *testing.T) {
	for name, image := range map[string]string{
		"no kernel": strings.Repeat("x", 0x300), "short": bzImage("6.1")[:0x20f], "a path": bzImage("../../etc"),
		"control characters": bzImage("6\x00\x01"), "long": bzImage(strings.Repeat("x", 65)),
	} {
		if got, err := bannerOf(bytes.NewReader([]byte(image))); got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got, err := bannerOf(strings.NewReader(bzImage("6.1.0"))); got != "6.1.0" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestKernelBefore(t *testing.T) {
	for version, want := range map[string][2]bool{
		"2.6.32-754.el6": {true, true}, "3.7.10": {true, true}, "3.8.0": {false, true}, "3.10.0-1160.el7": {false, true},
		"6.1": {false, true}, "4.18-rc1": {false, true}, "linux": {false, false}, "3": {false, false}, "3.": {false, false},
	} {
		if older, ok := (Kernel{Version: version}).before3(8); ok != want[1] || (ok && older != want[0]) {
			t.Errorf("%s before 3.8: got %v, %v; want %v", version, older, ok, want)
		}
	}
}

func TestVirtioInOtherKernels(t *testing.T) {
	const old = "2.6.32-754.el6.x86_64"
	drop := files{"boot/vmlinuz-" + version: gone}
	tree := func(v, initramfs string) files {
		return drop.with(files{
			"boot/vmlinuz-" + v: "x", "boot/initramfs-" + v + ".img": initramfs,
			"usr/lib/modules/" + v + "/modules.dep":              "kernel/net/virtio_net.ko: x\nkernel/sr_mod.ko:\n/lib/modules/" + v + "/kernel/isofs.ko:\nkernel/ahci.ko.gz:\n",
			"usr/lib/modules/" + v + "/kernel/net/virtio_net.ko": "x", "usr/lib/modules/" + v + "/kernel/sr_mod.ko": "x",
			"usr/lib/modules/" + v + "/kernel/isofs.ko": "x", "usr/lib/modules/" + v + "/kernel/ahci.ko.gz": "x",
			"usr/lib/modules/" + v + "/config": "CONFIG_MODULES=y\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=m\n# CONFIG_X is not set\n",
		})
	}
	all := cpioOf(moduleFiles("virtio_blk", "virtio_scsi")...)
	monolithic := drop.with(files{"boot/kernel-6.6.1-gentoo": "x", "usr/src/linux-6.6.1-gentoo/.config": "# CONFIG_MODULES is not set\n" +
		"CONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_SCSI_VIRTIO=y\nCONFIG_VIRTIO_NET=y\nCONFIG_BLK_DEV_SR=y\nCONFIG_ISO9660_FS=y\nCONFIG_SATA_AHCI=y\n"})
	squash := cpioOf("usr/lib/modules/x/kernel/virtio_blk.ko", "squashfs-root.img")
	judge(t, requirement.Virtio, []judged{
		{"by its configuration", tree(old, all), nil, met, "/boot/initramfs-" + old + ".img: usr/lib/modules/x/kernel/virtio_blk.ko"},
		{"by its configuration, one missing", tree(old, cpioOf(moduleFiles("virtio_blk")...)), nil, unmet, "virtio_scsi neither built in"},
		{"an absolute name in modules.dep", tree(old, all), nil, met, "a config drive is read with ahci, sr_mod, isofs"},
		{"no list and no configuration", tree(old, all).with(files{"usr/lib/modules/" + old + "/config": gone}), nil, unknown, "modules.builtin"},
		{"Gentoo without modules", monolithic, nil, met, "are built in (/usr/src/linux-6.6.1-gentoo/.config)"},
		{"an image inside", tree(old, squash), nil, unknown, "virtio_scsi may be in squashfs-root.img, which is not read"},
		{"LVM bound to the build VM's disks", files{"etc/lvm/devices/system.devices": "IDTYPE=sys_serial\n"}, nil, unmet, "system.devices lists the disks"},
		{"LVM without such a list", files{"etc/lvm/devices/system.devices": ""}, nil, met, "virtio_net"},
		{"disks by name in fstab", files{"etc/fstab": "UUID=x / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n"}, nil, unmet, "/etc/fstab:2: /dev/sda2 none swap sw 0 0: is another disk"},
		{"disks by serial number in fstab", files{"etc/fstab": "/dev/disk/by-id/ata-VBOX-part1 / ext4\n"}, nil, unmet, "/etc/fstab:1"},
		{"disks that no boot waits for", files{"etc/fstab": "# /dev/sda1 / ext4 defaults\n/dev/sdb1 /srv ext4 nofail 0 0\n/dev/vda1 / ext4 defaults 0 1\n"}, nil, met, "virtio_net"},
		{"disk of a boot entry", files{"boot/grub/grub.cfg": "menuentry 'x' {\n\tlinux /boot/vmlinuz-" + version + " root=/dev/xvda1 ro\n\tinitrd /boot/initrd.img-" + version + "\n}\n"}, nil, unmet, "root=/dev/xvda1 is another disk"},
		{"disks of GRUB's map", files{"boot/grub/device.map": "(fd0) /dev/fd0\n(hd0) /dev/sda\n"}, nil, unmet, "/boot/grub/device.map:2"},
		{"unified", drop.with(files{
			"efi/EFI/Linux/a.efi": peOf([2]string{".uname", version}, [2]string{".initrd", squeezed(t, "zstd", cpioOf(moduleFiles("virtio_blk", "virtio_pci", "virtio_scsi")...))}),
		}), nil, met, "/efi/EFI/Linux/a.efi: usr/lib/modules/x/kernel/virtio_pci.ko"},
		{"unified without initramfs", drop.with(files{"efi/EFI/Linux/a.efi": peOf([2]string{".uname", version})}), nil, unknown, "holds no initramfs"},
		{"another's kernel", files{"boot/vmlinuz-" + version: bzImage("6.9.9")}, nil, unknown, "/lib/modules/6.9.9/modules.builtin"},
	})
}

func TestInitramfsIsReadOnceAndNoFurtherThanNeeded(t *testing.T) {
	whole := cpioOf(append(moduleFiles("virtio_blk", "virtio_pci", "virtio_scsi"), "etc/left-out")...)
	f := readyFiles().with(files{"boot/initrd.img-" + version: whole[:len(whole)-200]})
	tr := newTree(f.fs())
	g := newGuest(tr, readyLayout(), &Facts{})
	k := g.facts.Kernels[0]
	g.readRamdisks(context.Background())
	first := g.ramdisk(k)
	if first.err != nil || len(first.found) != 3 {
		t.Errorf("got %+v", first)
	}
	g.readRamdisks(context.Background())
	if second := g.ramdisk(k); second != first {
		t.Error("the initramfs was read a second time")
	}
	builtIn := f.with(files{
		"boot/initrd.img-" + version:                      "damaged",
		"usr/lib/modules/" + version + "/modules.builtin": "kernel/virtio_pci.ko\nkernel/virtio_blk.ko\nkernel/virtio_scsi.ko\n",
	})
	g = newGuest(newTree(builtIn.fs()), readyLayout(), &Facts{})
	g.readRamdisks(context.Background())
	if r := g.ramdisk(k); r.err != nil {
		t.Errorf("an initramfs that is not needed was read: %v", r.err)
	}
}

// earlyOf is an initramfs with one file of a content, before the modules.
func earlyOf(name, content string) string {
	var b strings.Builder
	b.WriteString("070701")
	for _, v := range []int{1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0} {
		b.WriteString(strings.ToUpper(hex8(v)))
	}
	b.WriteString(name + "\x00")
	pad(&b)
	b.WriteString(content)
	pad(&b)
	return b.String() + cpioOf(moduleFiles("virtio_blk", "virtio_pci", "virtio_scsi")...)
}

func hex8(v int) string {
	const digits = "0123456789abcdef"
	s := make([]byte, 8)
	for i := range s {
		s[7-i] = digits[v>>(4*i)&15]
	}
	return string(s)
}

func TestNoHardcodedMACInTheInitramfs(t *testing.T) {
	initrd := func(name, content string) files { return files{"boot/initrd.img-" + version: earlyOf(name, content)} }
	judge(t, requirement.NoHardcodedMAC, []judged{
		{
			"udev rule", initrd("etc/udev/rules.d/70-persistent-net.rules", "# x\nATTR{address}==\""+readyMAC+"\", NAME=\"eth0\"\n"), nil, unmet,
			"/boot/initrd.img-" + version + ", etc/udev/rules.d/70-persistent-net.rules:2",
		},
		{"link file", initrd("./etc/systemd/network/10.link", "MACAddress="+readyMAC+"\n"), nil, unmet, "10.link:1"},
		{"dracut's arguments", initrd("etc/cmdline.d/40-net.conf", "ifname=lan:"+readyMAC+"\n"), nil, unmet, "40-net.conf:1"},
		{"initramfs-tools", initrd("conf/conf.d/net", "BOOTIF=01-52-54-00-12-34-56\n"), nil, unmet, "conf/conf.d/net:1"},
		{"another file", initrd("usr/share/doc/x", readyMAC+"\n"), nil, met, "no MAC"},
		{"a rule about a disk", initrd("etc/udev/rules.d/50.rules", "ENV{ID_WWN}==\""+readyMAC+"\"\n"), nil, met, "no MAC"},
	})
}

func TestRootResizeOfOldKernels(t *testing.T) {
	const old = "2.6.32-754.el6.x86_64"
	tree := func(names ...string) files {
		return files{
			"boot/vmlinuz-" + version: gone, "boot/vmlinuz-" + old: "x", "usr/lib/os-release": "ID=centos\nVERSION_ID=6\n",
			"boot/initramfs-" + old + ".img": squeezed(t, "gzip", cpioOf(names...)),
		}
	}
	judge(t, requirement.RootResize, []judged{
		{"growroot of dracut", tree("pre-pivot/00growroot.sh"), nil, met, "pre-pivot/00growroot.sh grows the partition"},
		{"growroot of initramfs-tools", tree("scripts/local-bottom/growroot"), nil, met, "growroot grows the partition"},
		{"nothing", tree("init"), nil, unmet, "(package dracut-modules-growroot)"},
		{"damaged", tree("init").with(files{"boot/initramfs-" + old + ".img": "x"}), nil, unknown, "/boot/initramfs-" + old},
	})
}

func TestKernelsAreBounded(t *testing.T) {
	f := files{}
	for i := range maxKernels + 2 {
		f["boot/vmlinuz-6.1."+hex8(i)] = "x"
	}
	n := &notes{}
	if got := kernels(newTree(f.fs()), n); len(got) != maxKernels || n.err() == nil {
		t.Errorf("got %d kernels, %v; want %d and an unknown", len(got), n.err(), maxKernels)
	}
}

func FuzzBannerOf(f *testing.F) {
	f.Add([]byte(bzImage("6.1.0-9-amd64")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if version, _ := bannerOf(bytes.NewReader(b)); len(version) > 64 || strings.ContainsAny(version, "/ \x00") {
			t.Errorf("got the version %q", version)
		}
	})
}
