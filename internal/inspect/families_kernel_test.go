package inspect

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// familyKernel is what a family's tree has of its kernel and packages.
type familyKernel struct {
	name             string
	version          string
	image, initramfs string // in the guest
	packed           string // how its initramfs is compressed
	suffix           string // of its modules
	more             files
	manager          string
	cloudInit        string // the version in the database
	growpart, ssh    string // packages
	xen              requirement.Verdict
}

func rpmFiles(t *testing.T, dir string) files {
	t.Helper()
	b, err := os.ReadFile("packages/testdata/Packages.db")
	if err != nil {
		t.Fatal(err)
	}
	return files{dir + "/Packages.db": string(b)}
}

func familyKernels(t *testing.T) map[string]familyKernel {
	const old, el7, el9 = "2.6.32-754.el6.x86_64", "3.10.0-1160.el7.x86_64", "5.14.0-427.el9.x86_64"
	const suse, arch, alpine, gentoo = "6.4.0-150600.23-default", "6.10.1-arch1-1", "6.6.14-0-virt", "6.6.21-gentoo"
	rpm := func(dir string, more files) files { return rpmFiles(t, dir).with(more) }
	list := []familyKernel{
		{
			name: "EL 6", version: old, image: "/boot/vmlinuz-" + old, initramfs: "/boot/initramfs-" + old + ".img", packed: "gzip", suffix: ".ko",
			more:    rpm("var/lib/rpm", files{"boot/config-" + old: "CONFIG_MODULES=y\nCONFIG_XEN=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=m\n"}),
			manager: "rpm", cloudInit: "23.4-7.el9", growpart: "cloud-utils-growpart", ssh: "openssh-server", xen: met,
		},
		{
			name: "EL 7", version: el7, image: "/boot/vmlinuz-" + el7, initramfs: "/boot/initramfs-" + el7 + ".img", packed: "gzip", suffix: ".ko.xz",
			more: rpm("var/lib/rpm", nil), manager: "rpm", cloudInit: "23.4-7.el9", growpart: "cloud-utils-growpart", ssh: "openssh-server",
		},
		{
			name: "EL 9", version: el9, image: "/boot/vmlinuz-" + el9, initramfs: "/boot/initramfs-" + el9 + ".img", packed: "gzip", suffix: ".ko.xz",
			more:    rpm("var/lib/rpm", files{"usr/lib/modules/" + el9 + "/vmlinuz": "x", "boot/vmlinuz-0-rescue-0123": "x", "boot/initramfs-0-rescue-0123.img": "x"}),
			manager: "rpm", cloudInit: "23.4-7.el9", growpart: "cloud-utils-growpart", ssh: "openssh-server",
		},
		{
			name: "SUSE", version: suse, image: "/boot/vmlinuz-" + suse, initramfs: "/boot/initrd-" + suse, packed: "xz", suffix: ".ko.zst",
			more:    rpm("usr/lib/sysimage/rpm", files{"var/lib/rpm": "-> ../../usr/lib/sysimage/rpm", "boot/vmlinux-" + suse + ".gz": "x"}),
			manager: "rpm", cloudInit: "23.4-7.el9", growpart: "growpart", ssh: "openssh-server",
		},
		{
			name: "Arch", version: arch, image: "/boot/vmlinuz-linux", initramfs: "/boot/initramfs-linux.img", packed: "zstd", suffix: ".ko.zst",
			more: files{
				"usr/lib/modules/" + arch + "/pkgbase": "linux\n", "var/lib/pacman/local/cloud-init-24.3-1/desc": "%NAME%\ncloud-init\n\n%VERSION%\n24.3-1\n",
				"boot/EFI/Linux/arch.efi": gone,
			},
			manager: "pacman", cloudInit: "24.3-1", growpart: "cloud-guest-utils", ssh: "openssh",
		},
		{
			name: "Alpine", version: alpine, image: "/boot/vmlinuz-virt", initramfs: "/boot/initramfs-virt", packed: "gzip", suffix: ".ko.gz",
			more:    files{"usr/lib/apk/db/installed": "P:cloud-init\nV:24.4-r0\n\nP:openssh-server-pam\nV:9.7-r0\n"},
			manager: "apk", cloudInit: "24.4-r0", growpart: "cloud-utils-growpart sfdisk partx", ssh: "openssh-server-pam",
		},
		{
			name: "Gentoo", version: gentoo, image: "/boot/kernel-" + gentoo, initramfs: "/boot/initramfs-" + gentoo + ".img", packed: "lzma", suffix: ".ko",
			more:    files{"var/db/pkg/app-emulation/cloud-init-24.1.4-r1/PF": "x"},
			manager: "portage", cloudInit: "24.1.4-r1", growpart: "sys-fs/growpart", ssh: "net-misc/openssh",
		},
	}
	kernels := map[string]familyKernel{}
	for _, k := range list {
		kernels[k.name] = k
	}
	return kernels
}

// files are the kernel, its initramfs with the modules, the others beside it,
// and the packages.
func (k familyKernel) files(t *testing.T, early ...string) files {
	t.Helper()
	dir := "usr/lib/modules/" + k.version
	var names []string
	for _, name := range early {
		names = append(names, dir+"/kernel/drivers/"+name+k.suffix)
	}
	names = append(names, "usr/share/growroot/00growroot.sh", dir+"/kernel/drivers/xen-blkfront"+k.suffix)
	f := k.more.with(files{
		k.image[1:]:              "x",
		k.initramfs[1:]:          cpioOf("kernel/x86/microcode/GenuineIntel.bin") + squeezed(t, k.packed, cpioOf(names...)),
		dir + "/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
	})
	dep := ""
	for _, name := range []string{"virtio_net", "sr_mod", "isofs", "ata_piix", "ahci"} {
		f[dir+"/kernel/"+name+k.suffix] = "x"
		dep += "kernel/" + name + k.suffix + ": x\n"
	}
	return f.with(files{dir + "/modules.dep": dep})
}

func TestKernelsAndPackagesOfEveryFamily(t *testing.T) {
	kernels := familyKernels(t)
	for _, family := range familyTrees {
		k, ok := kernels[family.name]
		if !ok {
			t.Errorf("%s: has no kernel in this test", family.name)
			continue
		}
		t.Run(family.name, func(t *testing.T) {
			ready := family.tree().with(k.files(t, "virtio_pci", "virtio_blk", "virtio_scsi"))
			g := guestOf(t, ready)
			got := slices.Clone(g.facts.Kernels)
			for i := range got {
				got[i].Config = ""
			}
			if want := []Kernel{{Version: k.version, Image: k.image, Initramfs: k.initramfs}}; !slices.Equal(got, want) {
				t.Errorf("kernels: got %+v, want %+v", got, want)
			}
			if g.facts.Packages == nil || g.facts.Packages.Manager != k.manager || g.facts.PackagesUnknown != "" || g.facts.CloudInit.Version != k.cloudInit {
				t.Errorf("packages: got %+v %q, cloud-init %q; want %s, %q", g.facts.Packages, g.facts.PackagesUnknown, g.facts.CloudInit.Version, k.manager, k.cloudInit)
			}
			xen := k.xen
			if xen == "" {
				xen = notApplicable
			}
			for _, row := range []struct {
				name     string
				id       requirement.ID
				change   files
				verdict  requirement.Verdict
				evidence string
			}{
				{"all there", requirement.Virtio, nil, met, k.initramfs + ": usr/lib/modules/" + k.version + "/kernel/drivers/virtio_pci" + k.suffix},
				{"host-only initramfs", requirement.Virtio, k.files(t, "virtio_pci", "virtio_blk"), unmet, k.initramfs + ": virtio_scsi neither built in nor in the initramfs"},
				{"no initramfs", requirement.Virtio, files{k.initramfs[1:]: gone}, unmet, "the kernel has no initramfs"},
				{"LZO", requirement.Virtio, files{k.initramfs[1:]: "\x89LZO\x00\x0d\x0a\x1a\x0a"}, unknown, "LZO, which is not read"},
				{"modules.dep lost", requirement.Virtio, files{"usr/lib/modules/" + k.version + "/modules.dep": gone}, unknown, "modules.dep"},
				{"Xen", requirement.XenPVKernel, nil, xen, k.version},
				{"no kernel", requirement.XenPVKernel, files{k.image[1:]: gone, "usr/lib/modules/" + k.version + "/vmlinuz": gone, "boot/vmlinux-" + k.version + ".gz": gone}, unknown, "no kernel was found"},
				{"grows", requirement.RootResize, nil, met, "growpart is there"},
				{"no growpart", requirement.RootResize, files{"usr/bin/growpart": gone}, unmet, "(package " + k.growpart + ")"},
				{"no sshd", requirement.SSHServer, files{"usr/sbin/sshd": gone}, unmet, "(package " + k.ssh + ")"},
				{"no agent", requirement.GuestAgent, files{"usr/sbin/qemu-ga": gone}, unmet, "qemu-guest-agent)"},
				{"no cloud-init", requirement.UserData, files{"usr/bin/cloud-init": gone}, unmet, "cloud-init): there is no program"},
			} {
				got := look(t, row.id, ready.with(row.change), readyLayout())
				shown := slices.ContainsFunc(got.Evidence, func(e string) bool { return strings.Contains(e, row.evidence) })
				if got.Verdict != row.verdict || !shown {
					t.Errorf("%s, %s: got %s, want %s with %q in:\n\t%s", row.id, row.name, got.Verdict, row.verdict, row.evidence, strings.Join(got.Evidence, "\n\t"))
				}
			}
		})
	}
}

func TestPackagesAreInTheEvidence(t *testing.T) {
	ready := el9Files().with(rpmFiles(t, "var/lib/rpm"))
	for id, want := range map[requirement.ID]string{
		requirement.SSHServer:  "/usr/sbin/sshd is installed (package openssh-server 8.7p1-38.el9)",
		requirement.GuestAgent: "/usr/sbin/qemu-ga (package qemu-guest-agent 17:8.2.0-38.el9)",
		requirement.UserData:   "cloud-init 23.4-7.el9 (/usr/bin/cloud-init) is started by",
	} {
		got := look(t, id, ready, readyLayout())
		if got.Verdict != met || !slices.ContainsFunc(got.Evidence, func(e string) bool { return strings.HasPrefix(e, want) }) {
			t.Errorf("%s: got %s, want %q in:\n\t%s", id, got.Verdict, want, strings.Join(got.Evidence, "\n\t"))
		}
	}
}

// TestUnreadPackagesAreSaid: what could not be read is a fact of its own, and
// hides nothing else.
func TestUnreadPackagesAreSaid(t *testing.T) {
	broken := el9Files().with(files{"var/lib/rpm/rpmdb.sqlite": "SQLite", "var/lib/rpm/rpmdb.sqlite-wal": "changes"})
	g := guestOf(t, broken)
	if g.facts.Packages != nil || !strings.Contains(g.facts.PackagesUnknown, "/var/lib/rpm: rpmdb.sqlite: rpmdb.sqlite-wal beside it holds 7 bytes") {
		t.Errorf("got %+v, %q", g.facts.Packages, g.facts.PackagesUnknown)
	}
	if !g.facts.CloudInit.Installed || g.facts.CloudInit.Version != "" {
		t.Errorf("got %+v", g.facts.CloudInit)
	}
}
