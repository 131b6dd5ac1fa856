package guest

import (
	"context"
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
	settings Settings
	// immutable are files that nobody can change.
	immutable []string
	// only, where given, are the requirements that are asked for, in a root of
	// its own where initramfs and boot menus are rebuilt by the programs.
	only []requirement.ID
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

// expectReady mends a guest under shells other than dash, under which every
// guest of the matrix is mended.
func expectReady(t *testing.T, shells [][]string, g unready) {
	t.Helper()
	for _, shell := range shells {
		t.Run(g.name+" "+shell[0], func(t *testing.T) {
			needPrograms(t, shell[0], "systemctl", "cpio")
			t.Parallel()
			g.expectMended(t, shell)
		})
	}
}

// expectMended returns what the first of two runs reported.
func (g unready) expectMended(t *testing.T, shell []string) *report.Report {
	t.Helper()
	system, _, _ := strings.Cut(g.name, ", ")
	Ran(t, system, Fixtures)
	root, run := g.plant(t, shell)
	guesttest.MakeImmutable(t, root, g.immutable...)
	first := run()
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
	expectNoChange(t, run())
	return first
}

// plant makes the guest, and returns its tree and what mends it.
func (g unready) plant(t *testing.T, shell []string) (string, func() *report.Report) {
	t.Helper()
	if len(g.only) > 0 {
		root, comm := guesttest.NewBox(t, g.tree, g.programs)
		return root, func() *report.Report { return g.runInBox(t, comm) }
	}
	root := guesttest.NewTreeOf(t, g.tree)
	return root, func() *report.Report { return g.runInTree(t, shell, root) }
}

func expectOK(t *testing.T, findings ...requirement.Finding) {
	t.Helper()
	for _, f := range findings {
		if !f.Verdict.OK() {
			t.Errorf("%s: got %s: %v", f.ID, f.Verdict, f.Evidence)
		}
	}
}

func (g unready) runInTree(t *testing.T, shell []string, root string) *report.Report {
	t.Helper()
	var ids []requirement.ID
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		ids = append(ids, r.ID)
	}
	rep, err := runFor(t, g.settings, shell, root, report.Mend, "", ids, g.programs).report(report.Mend)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func (g unready) runInBox(t *testing.T, comm guesttest.Exec) *report.Report {
	t.Helper()
	opts := Options{Settings: g.settings}
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		if !slices.Contains(g.only, r.ID) {
			opts.Skip = append(opts.Skip, r.ID)
		}
	}
	rep, err := Run(context.Background(), comm, opts)
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
