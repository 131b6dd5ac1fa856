package inspect

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// matrixFamily is a family in whose images every requirement is seen met,
// unmet, and neither.
type matrixFamily struct {
	name  string
	ready files
	// unmet breaks every requirement about the guest but xen-pv-kernel;
	// unread hides what each is told from.
	unmet, unread files
	// xen and noXen replace the kernel with one below 3.0.
	xen, noXen files
}

func matrixFamilies(t *testing.T) []matrixFamily {
	t.Helper()
	noUnits := files{
		"usr/lib/systemd/system/basic.target": gone, "usr/lib/systemd/system/basic.target/": "",
		"usr/lib/systemd/system/default.target": gone, "etc/systemd/system/default.target": gone,
		"etc/machine-id": gone, "etc/machine-id/": "", "etc/shadow": gone,
	}.with(brokenCloudConfig)
	spoiled := files{
		"usr/bin/cloud-init": gone, "usr/sbin/qemu-ga": gone, "root/.ssh/authorized_keys": builderKey,
		"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "etc/ssh/ssh_host_rsa_key": "x",
		"etc/systemd/system/systemd-logind.service":                   "-> /dev/null",
		"usr/lib/systemd/system/nftables.service":                     "[Install]\nWantedBy=multi-user.target\n",
		"etc/systemd/system/multi-user.target.wants/nftables.service": "-> /usr/lib/systemd/system/nftables.service",
	}
	return []matrixFamily{debianMatrix(spoiled, noUnits), redHatMatrix(t, spoiled, noUnits)}
}

const (
	xenBuiltIn = "CONFIG_XEN=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN_BLKDEV_FRONTEND=y\nCONFIG_XEN_NETDEV_FRONTEND=y\n"
	xenUnset   = "# CONFIG_XEN is not set\n"
)

func debianMatrix(spoiled, noUnits files) matrixFamily {
	kernel := func(config string) files {
		const old = "2.6.32-5-amd64"
		return files{"boot/vmlinuz-" + version: gone, "boot/vmlinuz-" + old: "x", "boot/config-" + old: config}
	}
	return matrixFamily{
		name: "Debian", ready: realFiles(), xen: kernel(xenBuiltIn), noXen: kernel(xenUnset),
		unmet: spoiled.with(files{
			"boot/grub/grub.cfg": grubConfig("quiet"), "boot/initrd.img-" + version: cpioOf("init"),
			"etc/udev/rules.d/70-persistent-net.rules":               `ATTR{address}=="` + readyMAC + `", NAME="eth0"` + "\n",
			"etc/network/interfaces":                                 "auto eth0\niface eth0 inet dhcp\n",
			"etc/systemd/system/multi-user.target.wants/ssh.service": gone,
		}),
		unread: noUnits.with(files{
			"boot/grub/grub.cfg": gone, "boot/vmlinuz-" + version: gone, "boot/vmlinuz-linux": "x",
		}),
	}
}

func redHatMatrix(t *testing.T, spoiled, noUnits files) matrixFamily {
	t.Helper()
	k := familyKernels(t)["EL 9"]
	ready := files{}
	for name, content := range el9Files() {
		ready[name] = strings.ReplaceAll(content, "UUID=1111", "UUID="+rootUUID)
	}
	modern := files{k.image[1:]: gone, "usr/lib/modules/" + k.version + "/vmlinuz": gone}
	kernel := func(config string) files {
		const old = "2.6.32-754.el6.x86_64"
		return modern.with(files{"boot/vmlinuz-" + old: "x", "boot/config-" + old: config})
	}
	entry := "boot/loader/entries/m-5.14.0-1.el9.x86_64.conf"
	return matrixFamily{
		name: "EL 9", ready: ready.with(k.files(t, "virtio_pci", "virtio_blk", "virtio_scsi")), xen: kernel(xenBuiltIn), noXen: kernel(xenUnset),
		unmet: spoiled.with(files{
			entry: "title Rocky\nlinux /boot/vmlinuz\noptions root=UUID=" + rootUUID + " rhgb quiet\n", k.initramfs[1:]: cpioOf("init"),
			"etc/NetworkManager/system-connections/ens192.nmconnection": "[connection]\ntype=ethernet\ninterface-name=ens192\n" +
				"[ethernet]\nmac-address=" + readyMAC + "\n[ipv4]\nmethod=auto\n",
			"etc/systemd/system/multi-user.target.wants/sshd.service": gone,
		}),
		unread: noUnits.with(modern).with(files{entry: gone, "boot/loader/entries/m-0-rescue.conf": gone, "boot/vmlinuz-linux": "x"}),
	}
}

// matrix holds the verdicts that an image of a family gave.
type matrix map[requirement.ID]map[requirement.Verdict][]string

// TestEveryRequirementIsSeenMetUnmetAndNeither inspects real images of a
// Debian-like and an RPM-like guest, and fails where one cell of the table of
// requirements and verdicts did not come out of an image that was made for it.
func TestEveryRequirementIsSeenMetUnmetAndNeither(t *testing.T) {
	for _, f := range matrixFamilies(t) {
		t.Run(f.name, func(t *testing.T) {
			m := matrix{}
			m.add(t, "ready", makeDisk(t, "dos", rootPart(f.ready)), met, requirement.XenPVKernel)
			m.add(t, "spoiled", asVHD(t, makeDisk(t, "dos", rootPart(f.ready.with(f.unmet)), part{mib: 8, kind: "82"})), unmet, requirement.XenPVKernel)
			m.add(t, "old kernel with Xen", makeDisk(t, "dos", rootPart(f.ready.with(f.xen))), met, except(requirement.XenPVKernel)...)
			m.add(t, "old kernel without Xen", makeDisk(t, "dos", rootPart(f.ready.with(f.noXen))), unmet, except(requirement.XenPVKernel)...)
			m.add(t, "hidden", makeDisk(t, "dos", rootPart(f.ready.with(f.unread))), unknown, requirement.PartitionLayout, requirement.ImageFormat)
			killed := rootPart(f.ready)
			killed.dirty = true
			m.add(t, "not unmounted", makeDisk(t, "dos", killed), unknown, except(requirement.PartitionLayout)...)
			m.addRefused(t, makeDisk(t, "dos", rootPart(f.ready)))
			m.hold(t)
		})
	}
}

// except returns all requirements but one.
func except(one requirement.ID) []requirement.ID {
	var others []requirement.ID
	for _, r := range requirement.SeenFrom(requirement.Disk) {
		if r.ID != one {
			others = append(others, r.ID)
		}
	}
	return others
}

// add inspects an image that was made to give one verdict for each requirement
// but the others.
func (m matrix) add(t *testing.T, name, image string, want requirement.Verdict, others ...requirement.ID) {
	t.Helper()
	for _, f := range mustInspect(t, image).Findings {
		switch {
		case slices.Contains(others, f.ID):
		case f.Verdict != want:
			t.Errorf("%s: %s: got %s, want %s:\n\t%s", name, f.ID, f.Verdict, want, strings.Join(f.Evidence, "\n\t"))
		default:
			m.note(f.ID, f.Verdict, name)
		}
	}
}

// addRefused cuts an image off: of a file that can not be opened there is an
// error and no finding, and so image-format has no third verdict.
func (m matrix) addRefused(t *testing.T, image string) {
	t.Helper()
	if err := os.Truncate(image, 50); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Open(image); !errors.Is(err, disk.ErrCorrupt) {
		t.Errorf("a cut off image: got %v, want ErrCorrupt", err)
		return
	}
	m.note(requirement.ImageFormat, unknown, "cut off, an error")
}

func (m matrix) note(id requirement.ID, verdict requirement.Verdict, name string) {
	if m[id] == nil {
		m[id] = map[requirement.Verdict][]string{}
	}
	m[id][verdict] = append(m[id][verdict], name)
}

// hold fails for each cell that no image filled.
func (m matrix) hold(t *testing.T) {
	t.Helper()
	for _, r := range requirement.SeenFrom(requirement.Disk) {
		row := m[r.ID]
		neither := slices.Concat(row[unknown], row[notApplicable])
		if len(row[met]) == 0 || len(row[unmet]) == 0 || len(neither) == 0 {
			t.Errorf("%s: no image for some verdict: %v", r.ID, row)
		}
		t.Logf("%-17s met: %s; unmet: %s; neither: %s", r.ID, strings.Join(row[met], ", "), strings.Join(row[unmet], ", "), strings.Join(neither, ", "))
	}
	if len(m) != len(requirement.SeenFrom(requirement.Disk)) {
		t.Errorf("verdicts on %v", slices.Sorted(maps.Keys(m)))
	}
}

// asVHD converts an image to a format that Nova refuses.
func asVHD(t *testing.T, image string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.vhd")
	disktest.Run(t, "qemu-img", "convert", "-O", "vpc", "-o", "force_size=on", image, path)
	return path
}
