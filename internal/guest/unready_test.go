package guest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// unready is a guest as an installer and a build leave it. Its tree lacks what
// every requirement asks for but those listed.
type unready struct {
	// name is the system's, and after a comma what is particular.
	name     string
	tree     files
	programs files
	// good are requirements that the tree meets from the start.
	good []requirement.ID
	// stuck are those that no change of files meets, with a part of the reason
	// that is given.
	stuck map[requirement.ID]string
	// after are files as they must be at the end; "-" is one that must be gone.
	after files
}

// The shells that a guest can have as sh. Debian's busybox takes its own rpm and
// dpkg for those of the guest.
var (
	dash        = []string{"dash"}
	busybox     = []string{"busybox", "sh"}
	otherShells = [][]string{{"bash", "--posix"}, {"mksh"}, {"yash", "--posixly-correct"}}
)

// expectReady mends each guest under dash, and the first under the other shells
// too.
func expectReady(t *testing.T, others [][]string, guests ...unready) {
	t.Helper()
	for i, g := range guests {
		shells := [][]string{dash}
		if i == 0 {
			shells = append(shells, others...)
		}
		for _, shell := range shells {
			t.Run(g.name+" "+shell[0], func(t *testing.T) {
				needPrograms(t, shell[0], "systemctl", "cpio")
				t.Parallel()
				g.expectMended(t, shell)
			})
		}
	}
}

func (g unready) expectMended(t *testing.T, shell []string) {
	t.Helper()
	system, _, _ := strings.Cut(g.name, ", ")
	Ran(t, system, Fixtures)
	root := guesttest.NewTreeOf(t, g.tree)
	first := g.run(t, shell, root, report.Mend)
	for i, f := range first.Findings {
		reason, stuck := g.stuck[f.ID]
		switch {
		case slices.Contains(g.good, f.ID):
			expectOK(t, first.Before[i], f)
		case stuck:
			expectFinding(t, first.Before[i], requirement.Unmet, "")
			expectFinding(t, f, requirement.Unmet, reason)
		default:
			expectFinding(t, first.Before[i], requirement.Unmet, "")
			expectFinding(t, f, requirement.Met, "")
		}
	}
	for name, want := range g.after {
		expectFile(t, filepath.Join(root, name), want)
	}
	if second := g.run(t, shell, root, report.Mend); len(second.Changes) > 0 {
		t.Errorf("a second run changed something: %v", second.Changes)
	}
}

func expectOK(t *testing.T, findings ...requirement.Finding) {
	t.Helper()
	for _, f := range findings {
		if !f.Verdict.OK() {
			t.Errorf("%s: got %s: %v", f.ID, f.Verdict, f.Evidence)
		}
	}
}

func (g unready) run(t *testing.T, shell []string, root string, mode report.Mode) *report.Report {
	t.Helper()
	var ids []requirement.ID
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		ids = append(ids, r.ID)
	}
	rep, err := runFor(t, Settings{}, shell, root, mode, "", ids, g.programs).report(mode)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// spoilt is what a build leaves on any Linux.
var spoilt = with(card("enp1s0", "52:54:00:aa:bb:cd"), files{
	"etc/passwd":                    "root:x:0:0:root:/root:/bin/sh\n",
	"etc/shadow":                    "root:*:19000:0:99999:7:::\n",
	"proc/self/mountinfo":           "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n",
	"root/.ssh/authorized_keys":     "ssh-ed25519 AAAA builder\n",
	"root/.ash_history":             "x\n",
	"etc/ssh/ssh_host_rsa_key":      "x",
	"etc/machine-id":                "0123\n",
	persistent:                      macRule,
	"etc/cloud/cloud-init.disabled": "",
	"etc/growroot-disabled":         "",
	"etc/cloud/cloud.cfg.d/50.cfg":  "ssh_pwauth: true\npreserve_hostname: true\n",
})

// initramfsOf is a kernel with an initramfs that has no virtio.
func kernelWith(version, image, initramfs, content string) files {
	return files{
		image:     "kernel",
		initramfs: content,
		"lib/modules/" + version + "/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
		"lib/modules/" + version + "/modules.dep":     "kernel/drivers/net/virtio_net.ko:\nkernel/drivers/ata/ahci.ko:\n",
	}
}
