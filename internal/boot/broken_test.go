package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == RelayVerb {
		if err := Relay(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// imageVariable names the image that hack/boot-image.sh makes; without it no
// guest is booted.
const imageVariable = "OPENSTACK_READY_BOOT_IMAGE"

// allVariable asks for every broken image; without it the first ones are proved,
// since each takes a boot of about a minute.
const (
	allVariable = "OPENSTACK_READY_BOOT_ALL"
	fewBreaks   = 2
)

// copyOfReady copies the ready image.
func copyOfReady(t *testing.T) string {
	t.Helper()
	ready := os.Getenv(imageVariable)
	if ready == "" {
		t.Skipf("needs %s, the image that hack/boot-image.sh makes: no guest is booted (make test-boot does)", imageVariable)
	}
	needPrograms(t, "qemu-system-x86_64", "qemu-system-x86", "debugfs", "e2fsprogs")
	path := filepath.Join(t.TempDir(), "image.raw")
	output(t, "cp", "--sparse=always", ready, path)
	return path
}

func prove(t *testing.T, path string, via ...Via) *Result {
	t.Helper()
	rep, err := report.Inspect(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Prove(context.Background(), Options{
		Image: path, Facts: &rep.Facts, Via: via, NoReboot: len(via) == 1, Timeout: 30 * time.Minute, CPUs: 1, Memory: 512,
		Progress: func(via Via, stage Stage, detail string) { t.Log(ProgressLine(via, stage, detail)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestReadyImageIsProvedBothWays(t *testing.T) {
	path := copyOfReady(t) // Before TMPDIR changes, which it follows.
	temp := tempFolder(t)
	result := prove(t, path, Ways()...)
	expectNothingLeft(t, temp)
	for _, f := range result.Findings {
		want := requirement.Met
		if f.ID == requirement.GuestAgent {
			want = requirement.NotApplicable // It is not installed.
		}
		if f.Verdict != want {
			t.Errorf("%s is %s, want %s: %q", f.ID, f.Verdict, want, f.Evidence)
		}
	}
}

// breaks each break a ready image in one way, by commands of debugfs; write
// puts a file with a text there.
var breaks = []struct {
	name   string
	remove []string
	write  map[string]string
	links  map[string]string
	// edit changes a file that is there.
	edit map[string]func(string) string
	// keys: there are SSH host keys from long ago.
	keys   bool
	caught requirement.ID
}{
	{
		name: "no growpart", remove: []string{"/usr/bin/growpart"},
		caught: requirement.RootResize,
	},
	{
		name: "a firewall that drops port 22", remove: []string{"/etc/nftables.conf", "/etc/systemd/system/nftables.service"},
		write: map[string]string{"/etc/nftables.conf": "flush ruleset\ntable inet filter {\n chain input {\n  type filter hook input priority 0; policy accept;\n  tcp dport 22 drop\n }\n}\n"},
		links: map[string]string{
			"/etc/systemd/system/sysinit.target.wants/nftables.service": "/lib/systemd/system/nftables.service",
		},
		caught: requirement.NoFirewall,
	},
	{
		name:   "no console on ttyS0",
		edit:   map[string]func(string) string{"/boot/grub/grub.cfg": func(s string) string { return strings.Replace(s, " console=ttyS0,115200n8", "", 1) }},
		caught: requirement.ConsoleLog,
	},
	{
		name: "a name for one MAC address", remove: []string{"/etc/network/interfaces"},
		write: map[string]string{
			"/etc/udev/rules.d/70-persistent-net.rules": `SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="52:54:00:12:34:56", NAME="lan0"` + "\n",
			"/etc/network/interfaces":                   "auto lo\niface lo inet loopback\nauto lan0\niface lan0 inet dhcp\n",
			"/etc/cloud/cloud.cfg.d/98_network.cfg":     "network: {config: disabled}\n",
		},
		caught: requirement.NoHardcodedMAC,
	},
	{
		name: "cloud-init disabled by its file", write: map[string]string{"/etc/cloud/cloud-init.disabled": ""},
		caught: requirement.Datasource,
	},
	{
		name:   "data sources without OpenStack",
		remove: []string{"/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg"},
		write:  map[string]string{"/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg": "datasource_list: [ NoCloud, None ]\n"},
		caught: requirement.Datasource,
	},
	{
		name:   "host keys of the build",
		write:  map[string]string{"/etc/cloud/cloud.cfg.d/98_keys.cfg": "ssh_deletekeys: false\n"},
		keys:   true,
		caught: requirement.IdentityReset,
	},
	{
		name:   "no SSH server started",
		remove: []string{"/etc/systemd/system/multi-user.target.wants/ssh.service", "/etc/systemd/system/sshd.service"},
		caught: requirement.SSHServer,
	},
}

func TestBrokenImageIsCaughtByTheRightProofAndNoOther(t *testing.T) {
	for n, b := range breaks {
		if n >= fewBreaks && os.Getenv(allVariable) == "" {
			t.Skipf("needs %s=1: %d of %d broken images are not booted (make test-boot boots all)", allVariable, len(breaks)-n, len(breaks))
		}
		t.Run(b.name, func(t *testing.T) {
			path := copyOfReady(t)
			d := editor{t: t, disk: path}
			for _, name := range b.remove {
				d.run("rm " + name)
			}
			for name, text := range b.write {
				d.write(name, text)
			}
			for name, target := range b.links {
				d.run("symlink " + name + " " + target)
			}
			for name, change := range b.edit {
				before := d.run("cat " + name)
				after := change(before)
				if after == before {
					t.Fatalf("%s did not change", name)
				}
				d.run("rm " + name)
				d.write(name, after)
			}
			if b.keys {
				d.hostKeys()
			}
			result := prove(t, path, ConfigDrive)
			var caught []requirement.ID
			for _, f := range result.Findings {
				if f.Verdict == requirement.Unmet {
					caught = append(caught, f.ID)
				}
				t.Logf("%-16s %-8s %q", f.ID, f.Verdict, f.Evidence)
			}
			if !slices.Equal(caught, []requirement.ID{b.caught}) {
				t.Errorf("caught by %v, want %s; the console's last lines:\n%s", caught, b.caught, strings.Join(result.Runs[0].LastLines, "\n"))
			}
		})
	}
}

// editor changes files of the image without mounting it.
type editor struct {
	t    *testing.T
	disk string
}

// rootOffset is where hack/boot-image.sh puts the partition, in bytes.
const rootOffset = 2048 * 512

func (e editor) run(command string) string {
	e.t.Helper()
	c := exec.Command("debugfs", "-w", "-R", command, fmt.Sprintf("%s?offset=%d", e.disk, rootOffset))
	var complaints strings.Builder
	c.Stderr = &complaints
	out, err := c.Output()
	// debugfs ends well whatever happens; its first words are its version.
	if _, rest, _ := strings.Cut(complaints.String(), "\n"); err != nil || rest != "" {
		e.t.Fatalf("debugfs %s: %v: %s", command, err, rest)
	}
	return string(out)
}

func (e editor) write(name, text string) {
	e.t.Helper()
	local := filepath.Join(e.t.TempDir(), "file")
	if err := os.WriteFile(local, []byte(text), 0o644); err != nil {
		e.t.Fatal(err)
	}
	e.run("write " + local + " " + name)
}

// hostKeys adds a pair of keys, as a build leaves one.
func (e editor) hostKeys() {
	e.t.Helper()
	needPrograms(e.t, "ssh-keygen", "openssh-client")
	key := filepath.Join(e.t.TempDir(), "key")
	output(e.t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	for _, suffix := range []string{"", ".pub"} {
		name := "/etc/ssh/ssh_host_ed25519_key" + suffix
		e.run("write " + key + suffix + " " + name)
		e.run("set_inode_field " + name + " uid 0")
		e.run("set_inode_field " + name + " mtime 20200101")
	}
}
