package guest

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// families have guests that between them lack what each requirement asks for,
// once so that it is mended and once so that it cannot be.
var families = []struct {
	name   string
	guests func(*testing.T) []unready
}{
	{"debian", debianMatrix},
	{"redhat", redhatMatrix},
	{"suse", suseMatrix},
	{"arch", archMatrix},
	{"alpine", alpineMatrix},
	{"gentoo", gentooMatrix},
}

// neverMended are requirements of which nothing is mended in any family.
var neverMended = map[requirement.ID]string{
	requirement.PartitionLayout: "the table of the disk that the build runs from is the builder's: nothing moves a partition in use",
}

// ends are how the findings of a family's guests ended that were unmet before.
type ends struct {
	lock             sync.Mutex
	mended, hopeless map[requirement.ID]bool
	leftOut          bool
}

func (e *ends) add(r *report.Report) {
	e.lock.Lock()
	defer e.lock.Unlock()
	for i, f := range r.Findings {
		switch {
		case r.Before[i].Verdict != requirement.Unmet:
		case f.Verdict == requirement.Met:
			e.mended[f.ID] = true
		default:
			e.hopeless[f.ID] = true
		}
	}
}

// TestEveryFamilyMeetsEveryRequirementOrSaysWhyNot holds the matrix of families
// and requirements: each was unmet and got met, and was unmet and stayed so for
// the right reason, which expectMended looks at.
func TestEveryFamilyMeetsEveryRequirementOrSaysWhyNot(t *testing.T) {
	needPrograms(t, "dash", "systemctl", "cpio", "dpkg-query")
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			seen := &ends{mended: map[requirement.ID]bool{}, hopeless: map[requirement.ID]bool{}}
			t.Run("guests", func(t *testing.T) {
				seen.watch(t)
				for _, g := range family.guests(t) {
					t.Run(g.name, func(t *testing.T) {
						t.Parallel()
						seen.watch(t)
						seen.add(g.expectMended(t, dash))
					})
				}
			})
			if seen.leftOut {
				t.Skip("a guest was left out, and so what its family lacks cannot be told")
			}
			seen.expectAll(t)
		})
	}
}

func (e *ends) watch(t *testing.T) {
	t.Cleanup(func() {
		e.lock.Lock()
		defer e.lock.Unlock()
		e.leftOut = e.leftOut || t.Skipped()
	})
}

func (e *ends) expectAll(t *testing.T) {
	t.Helper()
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		if _, never := neverMended[r.ID]; e.mended[r.ID] == never {
			t.Errorf("%s: a guest where it is unmet before and met after: %t", r.ID, e.mended[r.ID])
		}
		if !e.hopeless[r.ID] {
			t.Errorf("%s: no guest where it cannot be mended", r.ID)
		}
	}
}

// hopeless is what no run mends, in any family: a person's configuration with
// the last word, rules and addresses where only a person can judge them, a swap
// partition in the way, an old kernel.
var hopeless = with(kernelWith("2.6.26-old", "boot/vmlinuz-2.6.26-old", "boot/initramfs-2.6.26-old.img", "x\n"), files{
	"etc/cloud/cloud.cfg.d/zzz.cfg":      "users: [root]\ncloud_init_modules: [seed_random]\ncloud_final_modules: []\ndatasource_list: [Azure]\n",
	"etc/app.conf":                       "52:54:00:aa:bb:cd 52:54:00:aa:bb:cc\n",
	"etc/rc.local":                       "#!/bin/sh\n# iptables -F\niptables-restore </etc/rules\n",
	"sys/block/vda/vda1/size":            "4194304\n",
	"sys/block/vda/vda2/start":           "4196352\n",
	"sys/block/vda/vda2/size":            "4192256\n",
	"sys/block/vda/vda2/partition":       "2\n",
	"boot/vmlinuz-2.6.26-old":            "kernel",
	"boot/config-2.6.26-old":             "CONFIG_PARAVIRT=y\n",
	"lib/modules/2.6.26-old/modules.dep": "",
	"root/.ssh/authorized_keys":          "ssh-ed25519 AAAA builder\n",
	"etc/ssh/ssh_host_rsa_key":           "x",
	"etc/systemd/logind.conf":            "[Login]\nHandlePowerKey=ignore\n",
	"lib/systemd/system/acpid.service":   "-",
	"etc/init.d/acpid":                   "-",
})

// immutable are files that a hardened system lets nobody change.
var immutable = []string{"root/.ssh/authorized_keys", "etc/ssh/ssh_host_rsa_key"}

// hopelessReasons are what is said of it; those of packages and of the console
// are the family's.
func hopelessReasons(more map[requirement.ID]string) map[requirement.ID]string {
	all := map[requirement.ID]string{
		requirement.RootResize:      "cloud_init_modules does not run resizefs",
		requirement.PartitionLayout: "partition vda2 lies behind the root partition vda1",
		requirement.NoHardcodedMAC:  "/etc/app.conf holds the build VM's MAC address",
		requirement.SSHServer:       "was not installed, as install = false asks for",
		requirement.NoFirewall:      "/etc/rc.local loads rules at boot: line 3:iptables-restore",
		requirement.SSHKey:          "/etc/cloud/cloud.cfg.d/zzz.cfg is read after /etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg",
		requirement.UserData:        "cloud_final_modules does not run scripts-user",
		requirement.XenPVKernel:     "kernel 2.6.26-old is built without CONFIG_XEN",
		requirement.Datasource:      "datasource_list is Azure",
		requirement.Virtio:          "kernel 2.6.26-old has no virtio_net",
		requirement.DHCP:            "there is no network stack that cloud-init can configure",
		requirement.IdentityReset:   "/etc/ssh/ssh_host_rsa_key could not be removed",
		requirement.NoSecrets:       "/root/.ssh/authorized_keys could not be removed",
		requirement.ACPIShutdown:    "acpid was not installed, as install = false asks for",
		requirement.GuestAgent:      "qemu-guest-agent was not installed, as install = false asks for",
	}
	maps.Copy(all, more)
	return all
}

// rebuilt are the requirements that turn on what only programs make anew.
var rebuilt = []requirement.ID{requirement.ConsoleLog, requirement.Virtio, requirement.XenPVKernel}

// oldKernel is 2.6.32-old, with Xen whose disk driver is a module, and its initramfs.
func oldKernel(image, initramfs string) files {
	return with(kernelWith("2.6.32-old", image, initramfs, "x\n"), files{
		"boot/config-2.6.32-old": "CONFIG_PARAVIRT_GUEST=y\nCONFIG_PARAVIRT=y\nCONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_XEN_NETDEV_FRONTEND=m\n",
	})
}

// The makers of an initramfs of which Debian has none, or one of other kernels,
// do what their configuration asks for: with the drivers of every machine, they
// list them in the image.
const (
	everyDriver = `drivers() {
  for driver in virtio_pci virtio_blk virtio_scsi xen-blkfront; do
    echo "lib/modules/$1/kernel/drivers/$driver.ko"
  done
}
`
	dracutStandIn = everyDriver + `test "$1" = -f || exit 2
grep -qs '^hostonly="no"' /etc/dracut.conf.d/*.conf || exit 0
drivers "$3" >"$2"`
	grubStandIn = `. /etc/default/grub
printf 'menuentry x {\n\tlinux /vmlinuz root=UUID=1f5f ro %s %s\n}\n' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"`
	brokenStandIn = `echo "${0##*/}: no space left on device" >&2
exit 1`
)

// without takes packages, or whatever is named so, out of a list of words.
func without(list string, names ...string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(list), func(word string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(word, name+"-") })
	}), " ")
}
