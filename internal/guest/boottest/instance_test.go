//go:build linux

package boottest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// shells are those that some family has as /bin/sh, and stricter ones.
var shells = [][]string{
	{"dash"}, {"busybox", "sh"}, {"bash", "--posix"}, {"mksh"}, {"yash", "--posix"},
}

type files = map[string]string

// stubs stand in for what only root on a real machine can do: mount hands out
// what lies in the tree's folder drive.
var stubs = map[string]string{
	"mount":      `for folder; do :; done; [ -d "$ROOT/drive" ] || { echo "mount: no medium" >&2; exit 32; }; cp -r "$ROOT/drive/." "$folder"`,
	"umount":     `rm -r "$1"/*`,
	"chown":      `echo "chown $1 ${2#"$ROOT"}" >>"$ROOT/calls"`,
	"useradd":    `while [ $# -gt 1 ]; do shift; done; echo "$1:x:1000:1000::/home/$1:/bin/sh" >>"$ROOT/etc/passwd"; mkdir -p "$ROOT/home/$1"; echo "useradd $1" >>"$ROOT/calls"`,
	"sleep":      `:`,
	"blkid":      `:`,
	"curl":       `echo "curl: no route" >&2; exit 7`,
	"ssh-keygen": `while [ "$1" != -f ]; do shift; done; echo "private $$" >"$2"; echo "public $$" >"$2.pub"`,
}

// guest is a tree of files in which the boot program does its work.
type guest struct {
	root, stubs string
	shell       []string
	// network, where given, is the file of the network namespace to be in.
	network string
	// bare keeps this machine's programs out.
	bare bool
}

func newGuest(t *testing.T, shell []string, more ...files) *guest {
	t.Helper()
	needPrograms(t, shell[0], shell[0])
	all := append([]files{{
		"etc/hosts":                     "127.0.0.1\tlocalhost\n",
		"etc/openstack-ready/boot.conf": "budget=1\n",
		"etc/ssh/":                      "",
		"proc/sys/kernel/hostname":      "image\n",
		"root/":                         "",
		"run/openstack-ready/":          "",
	}}, more...)
	return &guest{
		root:  guesttest.NewTree(t, all...),
		stubs: guesttest.Stubs(t, stubs),
		shell: shell,
	}
}

// boot runs a stage and returns what it says and its exit status.
func (g *guest) boot(t *testing.T, stage string) (said string, status int) {
	t.Helper()
	command := append([]string{g.shell[0]}, g.arguments(stage)...)
	if g.network != "" {
		command = append([]string{"nsenter", "--net=" + g.network}, command...)
	}
	c := exec.Command(command[0], command[1:]...)
	c.Env = []string{"ROOT=" + g.root, "PATH=" + g.path(), "http_proxy=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9"}
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("%s: an unexpected word: %s", stage, stderr.String())
	}
	return strings.ReplaceAll(out.String(), g.root, ""), c.ProcessState.ExitCode()
}

func (g *guest) path() string {
	if g.bare {
		return g.stubs
	}
	return g.stubs + ":" + os.Getenv("PATH")
}

// arguments names the program to the shell. busybox takes its own programs
// before those in PATH, but not before functions.
func (g *guest) arguments(stage string) []string {
	args := slices.Clone(g.shell[1:])
	if g.shell[0] != "busybox" {
		return append(args, bootProgram, stage)
	}
	var prelude strings.Builder
	for name := range stubs {
		if name == "ssh-keygen" || name == "curl" { // busybox has none of its own
			continue
		}
		fmt.Fprintf(&prelude, "%s() { %s/%s \"$@\"; }\n", name, g.stubs, name)
	}
	return append(args, "-c", prelude.String()+". "+bootProgram, "boot", stage)
}

// reboot forgets what lives as long as a boot.
func (g *guest) reboot(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(g.root, "run/openstack-ready")); err != nil {
		t.Fatal(err)
	}
}

// insert makes the given files those of the config drive.
func (g *guest) insert(t *testing.T, drive files) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(g.root, "drive")); err != nil {
		t.Fatal(err)
	}
	for name, text := range drive {
		writeFile(t, filepath.Join(g.root, "drive", name), text, 0o644)
	}
	writeFile(t, filepath.Join(g.root, "dev/disk/by-label/config-2"), "", 0o644)
}

func (g *guest) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.root, name))
	if errors.Is(err, os.ErrNotExist) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// drive is a config drive with the metadata and, where it is not empty, the
// user data.
func drive(metaData, userData string) files {
	f := files{"openstack/latest/meta_data.json": metaData}
	if userData != "" {
		f["openstack/latest/user_data"] = userData
	}
	return f
}

func keysOnly(keys string) string {
	return `{"uuid": "i-1", "public_keys": {"k": "` + keys + `"}}`
}

const (
	gzipped = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
	settle  = "etc/openstack-ready/boot.conf"
	keyFile = "root/.ssh/authorized_keys"
)

// instances are config drives, and what is said and there after both stages of
// the first boot; "-" is a file that must not be there.
var instances = []struct {
	name   string
	tree   files
	drive  files
	said   []string
	status int
	after  files
}{
	{"all that Nova gives", nil, drive(metaData, userData), []string{"the host name is vm1", "2 SSH keys are in root's", "user data was here", "made new SSH host keys"}, 0, files{
		keyFile: firstKey + "\n" + secondKey + "\n", "etc/hostname": "vm1\n", "proc/sys/kernel/hostname": "vm1\n",
		"etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tvm1.novalocal vm1\n",
		"calls":     "chown 0:0 /root/.ssh\n",
	}},
	{"the EC2 layout of a drive", nil, files{
		"ec2/latest/meta-data.json": `{"instance-id": "i-00000001", "local-hostname": "vm1", "public-keys": {"0": {"openssh-key": "` + firstKey + `\n"}, "1": {"openssh-key": "` + secondKey + `"}}}`,
		"ec2/latest/user-data":      userData,
	}, []string{"the host name is vm1", "2 SSH keys", "user data was here"}, 0, files{
		keyFile: firstKey + "\n" + secondKey + "\n", "etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\tvm1\n", "var/lib/openstack-ready/ssh-keys.done": "i-00000001\n",
	}},
	{"nothing but an ID", nil, drive(`{"uuid": "i-1"}`, ""), []string{"holds no host name", "holds no SSH key"}, 0, files{keyFile: "-", "etc/hostname": "-", "var/lib/openstack-ready/user-data.done": "-"}},

	{"an account that is made", files{settle: "# mine\nuser=debian\n", "etc/sudoers.d/": "", "bin/bash": ""}, drive(metaData, ""), []string{"made the account debian", "2 SSH keys are in debian's"}, 0, files{
		"home/debian/.ssh/authorized_keys": firstKey + "\n" + secondKey + "\n", "etc/sudoers.d/90-openstack-ready": "debian ALL=(ALL) NOPASSWD:ALL\n",
	}},
	{"an account without sudo", files{settle: "user=debian\n"}, drive(metaData, ""), []string{"debian cannot become root"}, 0, nil},
	{"an account that is there", files{settle: "user=packer", "etc/passwd": "packer-x:x:1:1::/x:/bin/sh\npacker:x:1000:1001:,,,:/home/p:/bin/sh\n", "home/p/": "", "etc/sudoers.d/": ""}, drive(metaData, ""), []string{"2 SSH keys are in packer's"}, 0, files{
		"home/p/.ssh/authorized_keys": firstKey + "\n" + secondKey + "\n", "etc/sudoers.d/90-openstack-ready": "-",
		"calls": "chown 1000:1001 /home/p/.ssh\n",
	}},
	{"no account name", files{settle: "user=a;b\nbudget=x\nuser_data=perhaps\nnonsense=1\n"}, drive(metaData, userData), []string{"user=a;b, which is no account name", "budget=x, which is no number", "user_data=perhaps", `"nonsense", which is not known`, "2 SSH keys are in root's", "user data is not run"}, 0, nil},
	{"settings are never executed", files{settle: "budget=$(touch $ROOT/executed)\n"}, drive(metaData, ""), []string{"is no number"}, 0, files{"executed": "-"}},

	{"keys that are there stay", files{keyFile: "# mine\n" + firstKey + " other comment\nssh-rsa AAAAmine"}, drive(metaData, ""), nil, 0, files{keyFile: "# mine\n" + firstKey + " other comment\nssh-rsa AAAAmine\n" + secondKey + "\n"}},
	{"a page in place of a key", nil, drive(keysOnly(`<html>\n<body>ssh-rsa AAAA</body>\n`), ""), []string{"line 1 of the SSH keys", "line 2 of the SSH keys", "none of the SSH keys"}, 1, files{keyFile: "-", "var/lib/openstack-ready/ssh-keys.done": "-"}},
	{"one bad key of two", nil, drive(keysOnly(`command=\"x\" ssh-rsa AAAA\n`+firstKey), ""), []string{"line 1 of the SSH keys", "1 SSH keys"}, 0, files{keyFile: firstKey + "\n"}},
	{"a key with an escape", nil, drive(keysOnly(`ssh-rsa AAAAB3 a\u0007b\n`), ""), []string{"1 SSH keys"}, 0, files{keyFile: "ssh-rsa AAAAB3 a?b\n"}},
	{"a comment of every alphabet", nil, drive(keysOnly(`ssh-rsa AAAAB3 \u00e9\u20ac\ud83d\ude00/\/\"\\`), ""), nil, 0, files{keyFile: "ssh-rsa AAAAB3 é€😀//\"\\\n"}},
	{"a folder that is a link", files{"root/.ssh": "-> /etc"}, drive(metaData, ""), []string{"is a symbolic link"}, 1, files{"etc/authorized_keys": "-"}},

	{"a host name that is none", nil, drive(`{"uuid": "i-1", "hostname": "a b;c"}`, ""), []string{"host name of the metadata is none"}, 1, files{"etc/hostname": "-", "var/lib/openstack-ready/host-name.done": "-"}},
	{"the places of other families", files{
		"etc/hostname": "old\n", "etc/HOSTNAME": "old.example\n", "etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=old\n",
		"etc/conf.d/hostname": "hostname=\"old\"\n", "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 old\n::1 localhost\n",
	}, drive(metaData, ""), nil, 0, files{
		"etc/hostname": "vm1\n", "etc/HOSTNAME": "vm1.novalocal\n", "etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=vm1\n",
		"etc/conf.d/hostname": "hostname=\"vm1\"\n", "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1\tvm1.novalocal vm1\n",
	}},

	{"cloud-config", nil, drive(metaData, "#cloud-config\npackages: [x]\n"), []string{`"#cloud-config", which only cloud-init understands`}, 1, files{"var/lib/openstack-ready/user-data.done": "-", keyFile: firstKey + "\n" + secondKey + "\n"}},
	{"MIME", nil, drive(metaData, "Content-Type: multipart/mixed; boundary=x\n"), []string{"a MIME message"}, 1, nil},
	{"a page in place of user data", nil, drive(metaData, "<html>\x1b[2J\n"), []string{"it is no script"}, 1, nil},
	{"user data that fails", nil, drive(metaData, "#!/bin/sh\necho so far >&2\nexit 7\n"), []string{"so far", "ended with status 7", "not run again"}, 1, files{"var/lib/openstack-ready/user-data.done": instance + "\n"}},
	{"user data for another shell", nil, drive(metaData, "#!/no/such/shell\n"), []string{"ended with status 12"}, 1, nil},
	{"user data is damaged", nil, drive(metaData, gzipped+"xx"), []string{"compressed, but damaged"}, 1, files{"var/lib/openstack-ready/user-data": "-"}},
	{"user data switched off", files{settle: "user_data=false\n"}, drive(metaData, userData), []string{"user data is not run"}, 0, files{"var/lib/openstack-ready/user-data": "-"}},

	{"an empty drive", nil, files{"x": ""}, []string{"no metadata for this instance"}, 1, files{"etc/hostname": "-"}},
	{"half an object", nil, drive(metaData[:200], ""), []string{"is no JSON object"}, 1, nil},
	{"two objects", nil, drive(metaData+"{}", ""), []string{"is no JSON object"}, 1, nil},
	{"a page in place of an object", nil, drive("<html>\"x\"</html>", ""), []string{"is no JSON object"}, 1, nil},
	{"a missing colon", nil, drive(`{"uuid" "i-1"}`, ""), []string{"is no JSON object"}, 1, nil},
	{"braces that do not match", nil, drive(`{"uuid": "i-1", "a": [1, 2}]`, ""), []string{"is no JSON object"}, 1, nil},
	{"too deep", nil, drive(`{"a": `+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`, ""), []string{"is no JSON object"}, 1, nil},
	{"too large", nil, drive(`{"uuid": "i-1", "a": "`+strings.Repeat("x", 1<<20)+`"}`, ""), []string{"larger than 1 MiB"}, 1, nil},
	{"no ID", nil, drive(`{"hostname": "vm1", "meta": {"uuid": "i-1"}}`, ""), []string{"no instance ID"}, 1, nil},
	{"an ID that is a path", nil, drive(`{"uuid": "../../etc/passwd"}`, ""), []string{"no instance ID"}, 1, nil},
	{"values of every kind", nil, drive(`{"n": -1.5e+3, "l": [true, null, {"uuid": "no"}, []], "e": {}, "": "", "uuid": "i-1", "hostname": "a-1"}`, ""), []string{"the host name is a-1"}, 0, nil},
}

func TestInstanceIsSetUp(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			for _, test := range instances {
				t.Run(test.name, func(t *testing.T) {
					g := newGuest(t, shell, test.tree)
					g.insert(t, test.drive)
					said, status := g.boot(t, "user-data")
					expectSaid(t, said, test.said)
					if status != test.status {
						t.Errorf("got status %d, want %d:\n%s", status, test.status, said)
					}
					for name, want := range test.after {
						got := g.read(t, name)
						if name == "calls" && strings.HasPrefix(got, want) {
							continue
						}
						if got != want {
							t.Errorf("%s: got %q, want %q", name, got, want)
						}
					}
				})
			}
		})
	}
}

func expectSaid(t *testing.T, said string, want []string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(said, text) {
			t.Errorf("%q is not said:\n%s", text, said)
		}
	}
}

func TestSecondBootDoesNothingTwice(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			g := newGuest(t, shell)
			g.insert(t, drive(metaData, userData))
			g.expectBoot(t, "the host name is vm1", "2 SSH keys", "user data was here")
			before := g.read(t, "etc/ssh/ssh_host_rsa_key")
			writeFile(t, filepath.Join(g.root, keyFile), firstKey+"\n", 0o600)
			g.reboot(t)
			said := g.expectBoot(t, "the metadata is from the config drive")
			if strings.Count(said, "\n") != 1 {
				t.Errorf("more than the source is said:\n%s", said)
			}
			if got := g.read(t, "etc/ssh/ssh_host_rsa_key"); got != before {
				t.Errorf("the host key changed from %q to %q", before, got)
			}
			if got := g.read(t, keyFile); got != firstKey+"\n" {
				t.Errorf("a key that was taken out came back: %q", got)
			}
		})
	}
}

func TestSnapshotBecomesANewInstance(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell[0], func(t *testing.T) {
			g := newGuest(t, shell)
			g.insert(t, drive(metaData, userData))
			g.expectBoot(t, "user data was here")
			old := g.read(t, "etc/ssh/ssh_host_rsa_key")
			g.reboot(t)
			if said, status := g.boot(t, "grow"); status != 1 {
				t.Fatalf("a tree cannot grow, but status is %d: %s", status, said)
			}
			g.insert(t, drive(`{"uuid": "i-2", "hostname": "vm2", "public_keys": {"k": "ssh-rsa AAAAnew"}}`, "#!/bin/sh\necho second\n"))
			g.expectBoot(t, "made new SSH host keys", "the host name is vm2", "1 SSH keys", "second")
			if got := g.read(t, "etc/ssh/ssh_host_rsa_key"); got == old || got == "-" {
				t.Errorf("the host key is still %q", got)
			}
			if got, want := g.read(t, keyFile), firstKey+"\n"+secondKey+"\nssh-rsa AAAAnew\n"; got != want {
				t.Errorf("got keys %q, want %q", got, want)
			}
		})
	}
}

// TestHostKeysOfThisBootStay is the first boot of an image in which another
// unit has made the missing keys already.
func TestHostKeysOfThisBootStay(t *testing.T) {
	g := newGuest(t, []string{"dash"}, files{"etc/ssh/ssh_host_dsa_key": ""})
	g.boot(t, "grow")
	writeFile(t, filepath.Join(g.root, "etc/ssh/ssh_host_ed25519_key"), "fresh", 0o600)
	g.insert(t, drive(metaData, ""))
	if said := g.expectBoot(t, "the host name is vm1"); strings.Contains(said, "host keys") {
		t.Errorf("keys of this boot were replaced:\n%s", said)
	}
	g.reboot(t)
	g.boot(t, "grow")
	g.insert(t, drive(`{"uuid": "i-2"}`, ""))
	g.expectBoot(t, "made new SSH host keys")
	if got := g.read(t, "etc/ssh/ssh_host_ed25519_key"); got == "fresh" {
		t.Error("the keys of the instance before are still there")
	}
}

// TestNothingIsDoneWithoutMetadata is an instance whose metadata comes late:
// the next boot does what was not done.
func TestNothingIsDoneWithoutMetadata(t *testing.T) {
	g := newGuest(t, []string{"dash"})
	said, status := g.boot(t, "keys")
	expectSaid(t, said, []string{"no metadata for this instance was found in 1 seconds", "there is no config drive", "curl: no route"})
	if status != 1 {
		t.Errorf("got status %d, want 1", status)
	}
	if left, err := filepath.Glob(g.root + "/var/lib/openstack-ready/*"); err != nil || len(left) > 0 {
		t.Errorf("marked as done: %v, %v", left, err)
	}
	g.reboot(t)
	g.insert(t, drive(metaData, userData))
	g.expectBoot(t, "the host name is vm1", "2 SSH keys", "user data was here")
}

func TestUserDataIsUnpacked(t *testing.T) {
	g := newGuest(t, []string{"dash"})
	g.insert(t, drive(metaData, ""))
	shell(t, g.root, "printf '#!/bin/sh\\necho unpacked\\n' | gzip >drive/openstack/latest/user_data")
	g.expectBoot(t, "unpacked", "the user data has run")
}

// expectBoot runs both stages, which must succeed, and returns what they say.
func (g *guest) expectBoot(t *testing.T, want ...string) string {
	t.Helper()
	said, status := g.boot(t, "keys")
	more, moreStatus := g.boot(t, "user-data")
	expectSaid(t, said+more, want)
	if status != 0 || moreStatus != 0 {
		t.Errorf("got status %d and %d:\n%s", status, moreStatus, said+more)
	}
	return said + more
}
