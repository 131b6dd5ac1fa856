//go:build linux

package guest_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// unseeable are the requirements that a container without a disk cannot show.
var unseeable = []requirement.ID{requirement.PartitionLayout}

func TestUnreadyDebianIsMended(t *testing.T) {
	for _, version := range []string{"11", "12", "13"} {
		t.Run(version, func(t *testing.T) {
			c := guesttest.NewDebian(t, version)
			guest.Ran(t, "Debian "+version, guest.Booted)
			c.Chroot(t, guesttest.Unready)
			expectMendedForGood(t, c, checkChangesNothing)
		})
	}
}

// expectMendedForGood boots the container, looks at it, mends it, and sees that
// a second run finds nothing to do, and that it starts as a new machine.
func expectMendedForGood(t *testing.T, c *guesttest.Container, look func(*testing.T, *guesttest.Container)) {
	t.Helper()
	c.Listen(t)
	c.Boot(t)
	look(t, c)
	expectMended(t, provision(t, c, report.Mend))
	second := provision(t, c, report.Mend)
	if len(second.Changes) > 0 {
		t.Errorf("the second run changed something: %v", second.Changes)
	}
	expectStillMet(t, second)
	c.Shutdown(t)
	expectNoIdentity(t, c.Dir)
	c.Boot(t)
	expectNewIdentity(t, c)
}

func provision(t *testing.T, c *guesttest.Container, mode report.Mode) *report.Report {
	t.Helper()
	started := time.Now()
	rep, err := guest.Run(context.Background(), c.As("packer"), guest.Options{
		Mode:     mode,
		Progress: func(stage string) { t.Logf("%4.0fs %s", time.Since(started).Seconds(), stage) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range rep.Findings {
		t.Logf("%s: %s → %s: %s", f.ID, rep.Before[i].Verdict, f.Verdict, strings.Join(f.Evidence, "; "))
	}
	for _, change := range rep.Changes {
		t.Logf("%s: %s", change.ID, change.Text)
	}
	return rep
}

func checkChangesNothing(t *testing.T, c *guesttest.Container) {
	t.Helper()
	before := treeHash(t, c.Dir)
	rep := provision(t, c, report.Check)
	if after := treeHash(t, c.Dir); after != before {
		t.Errorf("a check changed the guest")
	}
	for _, f := range rep.Findings {
		if slices.Contains(lacking, f.ID) != (f.Verdict == requirement.Unmet) && !slices.Contains(unseeable, f.ID) {
			t.Errorf("%s of the unready guest is %s: %v", f.ID, f.Verdict, f.Evidence)
		}
	}
}

// lacking is what the unready container does not meet.
var lacking = []requirement.ID{
	requirement.RootResize, requirement.NoHardcodedMAC, requirement.NoFirewall, requirement.SSHKey,
	requirement.UserData, requirement.ConsoleLog, requirement.Datasource, requirement.Virtio,
	requirement.DHCP, requirement.IdentityReset, requirement.NoSecrets, requirement.GuestAgent,
}

// treeHash hashes names, kinds, modes and contents of all but what a running
// system writes by itself.
func treeHash(t *testing.T, root string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		for _, alive := range []string{"/dev", "/proc", "/run", "/sys", "/tmp", "/var/log", "/var/lib/systemd"} {
			if name == alive {
				return filepath.SkipDir
			}
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h.Write([]byte(name + info.Mode().String()))
		if !info.Mode().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func expectMended(t *testing.T, rep *report.Report) {
	t.Helper()
	if rep.System.ID != "debian" || rep.System.Login != "packer" {
		t.Errorf("got system %+v", rep.System)
	}
	expectStillMet(t, rep)
}

func expectStillMet(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, f := range rep.Findings {
		if !f.Verdict.OK() && !slices.Contains(unseeable, f.ID) {
			t.Errorf("%s is still %s: %s", f.ID, f.Verdict, strings.Join(f.Evidence, "; "))
		}
	}
}

// expectNoIdentity looks at the tree as it would go into the image.
func expectNoIdentity(t *testing.T, root string) {
	t.Helper()
	for _, pattern := range []string{
		"/etc/ssh/ssh_host_*", "/var/lib/systemd/random-seed", "/boot/efi/loader/random-seed", "/var/lib/dhcp/*.leases", "/var/log/journal/*",
		"/home/packer/.ssh/*", "/home/packer/.bash_history", "/root/.config/openstack/*", "/etc/shadow-",
		"/tmp/.openstack-ready*", "/etc/cloud/cloud-init.disabled", "/var/lib/cloud/instances/*",
	} {
		left, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) > 0 {
			t.Errorf("left in the image: %v", left)
		}
	}
	if b, err := os.ReadFile(root + "/etc/machine-id"); err != nil || len(b) > 0 {
		t.Errorf("/etc/machine-id: got %q, %v; want it empty", b, err)
	}
}

// expectNewIdentity looks at an instance of the image.
func expectNewIdentity(t *testing.T, c *guesttest.Container) {
	t.Helper()
	for _, command := range []string{
		"test -s /etc/ssh/ssh_host_ed25519_key",
		"systemctl is-active ssh.service",
		"test -s /etc/machine-id && ! grep 0123456789abcdef /etc/machine-id",
		"! systemctl is-enabled nftables.service firewalld.service",
		"! systemctl is-active nftables.service firewalld.service",
		"! grep ENABLED=yes /etc/ufw/ufw.conf",
	} {
		if _, err := c.As("root").Output(command); err != nil {
			t.Error(err)
		}
	}
}
