//go:build linux

package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// A container has no disk of its own for partition-layout to look at.
const template = `
variable "port" { type = number }
variable "key" { type = string }
variable "dir" { type = string }

source "null" "guest" {
  communicator         = "ssh"
  ssh_host             = "127.0.0.1"
  ssh_port             = var.port
  ssh_username         = "packer"
  ssh_private_key_file = var.key
}

build {
  sources = ["null.guest"]

  provisioner "openstack-ready" {
    skip           = ["partition-layout"]
    initialisation = "cloud-init"
    default_user   = "tux"
    datasources    = ["OpenStack", "ConfigDrive"]
    network        = "dhcp-all"
    console        = ["tty0", "ttyS1,9600"]
    firewall       = "keep"
    packages       = ["netcat-traditional"]
    cleanup        = ["package-cache"]
    lock_passwords = false
    report         = "${var.dir}/report.json"
    log_file       = "${var.dir}/guest.log"
    timeout        = "10m"
  }
}
`

// TestPackerMakesAGuestReady: the released way, with the real Packer, over SSH.
func TestPackerMakesAGuestReady(t *testing.T) {
	packer := findPacker(t)
	c := guesttest.NewContainer(t)
	c.Chroot(t, guesttest.Unready)
	port := c.Listen(t)
	dir := t.TempDir()
	copyFile(t, c.Dir+"/home/packer/.ssh/id_ed25519", dir+"/key")
	if err := os.WriteFile(dir+"/guest.pkr.hcl", []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Boot(t)

	installPlugin(t, packer, dir)
	said := run(t, dir, packer, "build", "-color=false", "-var", "dir="+dir, "-var", "key="+dir+"/key",
		"-var", "port="+strconv.Itoa(port), dir+"/guest.pkr.hcl")
	for _, want := range []string{
		"Making the guest ready for OpenStack", "  install cloud-guest-utils cloud-init qemu-guest-agent netcat-traditional\n", "  mend datasource", "The report is in " + dir,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("Packer did not say %q:\n%s", want, said)
		}
	}
	expectReport(t, dir+"/report.json")
	expectFiles(t, map[string]string{
		dir + "/guest.log": `(?m)^Setting up cloud-init `,
		c.Dir + "/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": `datasource_list: \[ OpenStack, ConfigDrive \]\nsystem_info: { default_user: { name: tux } }\nnetwork: { config: disabled }\n`,
		c.Dir + "/boot/grub/grub.cfg":                              `\tlinux\t\S+ .*console=tty0 console=ttyS1,9600\n`,
		c.Dir + "/etc/shadow":                                      `(?m)^packer:\$`,
	})
	if _, err := c.As("root").Output("systemctl is-enabled nftables.service"); err != nil {
		t.Error(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func expectReport(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rep report.Report
	if err := json.Unmarshal(b, &rep); err != nil {
		t.Fatal(err)
	}
	if rep.System.Login != "packer" || rep.System.VersionID != "12" || len(rep.Changes) == 0 {
		t.Errorf("got system %+v and %d changes", rep.System, len(rep.Changes))
	}
	if len(rep.Skipped) != 1 || rep.Skipped[0] != requirement.PartitionLayout {
		t.Errorf("skipped: got %v", rep.Skipped)
	}
	if got, want := len(rep.Findings), len(requirement.SeenFrom(requirement.Guest))-1; got != want {
		t.Errorf("got %d findings, want %d", got, want)
	}
	for _, f := range rep.Findings {
		want := requirement.Met
		switch f.ID {
		case requirement.NoFirewall, requirement.XenPVKernel:
			want = requirement.NotApplicable
		}
		if f.Verdict != want {
			t.Errorf("%s: got %s, want %s: %v", f.ID, f.Verdict, want, f.Evidence)
		}
	}
}

// expectFiles looks for a pattern in each file.
func expectFiles(t *testing.T, patterns map[string]string) {
	t.Helper()
	for path, pattern := range patterns {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		} else if !regexp.MustCompile(pattern).Match(b) {
			t.Errorf("%s does not match %q:\n%s", path, pattern, b)
		}
	}
}
