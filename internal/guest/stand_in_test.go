//go:build linux

package guest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

const instanceKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1ps0rGQt0P9yWcC8+9iJZbG1yKpNqAcUAJrpZVYxQ9 me"

// TestDebianWithoutCloudInitBecomesAnInstance mends a real Debian that is to
// have no cloud-init, and boots it where a metadata service answers: as an
// instance, the same again, and an instance of a snapshot of it.
func TestDebianWithoutCloudInitBecomesAnInstance(t *testing.T) {
	c := guesttest.NewContainer(t)
	c.Chroot(t, "useradd -m packer && echo 'packer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/packer")
	c.Boot(t)
	if changes := standIn(t, c); changes == 0 {
		t.Error("nothing was changed")
	}
	if changes := standIn(t, c); changes > 0 {
		t.Error("the second run changed something")
	}
	c.Shutdown(t)

	service := guesttest.NewMetadata(t)
	service.Answer(guesttest.Serve(metadataOf("one")))
	c.Boot(t)
	expectInstance(t, c, "one", 1)
	expectOneMaking(t, c)
	first := hostKey(t, c)
	c.Shutdown(t)
	c.Boot(t)
	expectInstance(t, c, "one", 1)
	if again := hostKey(t, c); again != first {
		t.Error("the second boot of the instance changed its host key")
	}
	c.Shutdown(t)

	service.Answer(guesttest.Serve(metadataOf("two")))
	c.Boot(t)
	expectInstance(t, c, "two", 2)
	if snapshot := hostKey(t, c); snapshot == first {
		t.Error("the instance of a snapshot has the host key of the first")
	}
}

// standIn makes the container ready without cloud-init and returns how many
// things that changed.
func standIn(t *testing.T, c *guesttest.Container) int {
	t.Helper()
	rep, err := guest.Run(context.Background(), c.As("packer"), guest.Options{
		Mode:     report.Mend,
		Settings: guest.Settings{Initialisation: guest.InitialisationScripts},
		Skip:     []requirement.ID{requirement.PartitionLayout, requirement.ConsoleLog, requirement.Virtio, requirement.GuestAgent},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings {
		if !f.Verdict.OK() {
			t.Errorf("%s is %s: %s", f.ID, f.Verdict, strings.Join(f.Evidence, "; "))
		}
	}
	for _, change := range rep.Changes {
		t.Logf("%s: %s", change.ID, change.Text)
	}
	return len(rep.Changes)
}

func metadataOf(name string) map[string]string {
	return map[string]string{
		"/openstack/latest/meta_data.json": fmt.Sprintf(`{"uuid": "id-%s", "hostname": "%[1]s.novalocal", "public_keys": {"me": "%s\n"}}`, name, instanceKey),
		"/openstack/latest/user_data":      "#!/bin/sh\necho ran >>/var/lib/user-data-runs\nhostname >/var/lib/user-data-host\n",
	}
}

// expectInstance looks at what boot and user data have left, runs times so far.
func expectInstance(t *testing.T, c *guesttest.Container, name string, runs int) {
	t.Helper()
	for command, want := range map[string]string{
		"hostname": name,
		"cat /etc/hostname /var/lib/user-data-host":                            name + "\n" + name,
		"cat /home/debian/.ssh/authorized_keys":                                instanceKey,
		"stat -c '%U %a' /home/debian/.ssh/authorized_keys":                    "debian 600",
		"/usr/sbin/runuser -u debian -- sudo -n id -u":                         "0",
		"getent shadow debian | cut -d : -f 2":                                 "*",
		"grep -c ran /var/lib/user-data-runs":                                  fmt.Sprint(runs),
		"systemctl is-active ssh.service":                                      "active",
		"systemctl list-units --failed --plain --no-legend 'openstack-ready*'": "",
	} {
		out, err := c.As("root").Output(command)
		if err != nil {
			t.Error(err)
		}
		if got := strings.TrimSpace(out); got != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
	if t.Failed() {
		out, err := c.As("root").Output("journalctl -b --no-pager -u 'openstack-ready*'")
		t.Logf("%s%v", out, err)
	}
}

func hostKey(t *testing.T, c *guesttest.Container) string {
	t.Helper()
	out, err := c.As("root").Output("cat /etc/ssh/ssh_host_ed25519_key.pub && ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | cut -d ' ' -f 2-")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(out, "\n", 2)
	if key := strings.Join(strings.Fields(lines[0])[:2], " "); strings.TrimSpace(lines[1]) != key {
		t.Errorf("the server shows the key %q, and not that of the file, %q", lines[1], key)
	}
	return lines[0]
}

// expectOneMaking expects that the keys that were missing at boot were made
// once: a person who connects early sees those that stay.
func expectOneMaking(t *testing.T, c *guesttest.Container) {
	t.Helper()
	out, err := c.As("root").Output("journalctl -b --no-pager -o cat -u 'openstack-ready*'")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "made new SSH host keys") {
		t.Errorf("fresh host keys were made again:\n%s", out)
	}
}
