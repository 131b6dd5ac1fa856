//go:build linux

package guest_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// fault is what goes wrong in a guest that lacks a package.
type fault struct {
	name string
	// inflict and relieve are scripts that root runs in the guest before and
	// after the run.
	inflict, relieve string
	// login is the account of the build; empty means packer.
	login string
	// cutAt is what the guest says last before the connection is lost.
	cutAt string
	// want is part of the run's error or, of one that ends, of the findings.
	want string
	// ready tells that the fault keeps nothing from being mended.
	ready bool
}

var faults = []fault{
	{
		name: "no sudo right", login: "plain",
		inflict: "useradd -m plain", relieve: "userdel -r plain",
		want: "sudo: a password is required; log in as root, give plain passwordless sudo, or set execute_command",
	},
	{
		name:    "unreachable repository",
		inflict: "sed -i.real 's#http://[^/]*/#http://127.0.0.1:9/#' /etc/apt/sources.list",
		relieve: "mv /etc/apt/sources.list.real /etc/apt/sources.list",
		want:    "cloud-guest-utils could not be installed: E: there are package lists that could not be fetched: http://127.0.0.1:9/",
	},
	{
		name:    "full disk of packages",
		inflict: "mount -t tmpfs -o size=4k full /var/cache/apt/archives && mkdir /var/cache/apt/archives/partial",
		relieve: "umount /var/cache/apt/archives",
		want:    "You don't have enough free space in /var/cache/apt/archives/",
	},
	{
		name:    "full /tmp",
		inflict: "mount -t tmpfs -o size=64k,mode=1777 full /tmp",
		relieve: "umount -l /tmp",
		want:    "No space left on device",
	},
	{
		name:    "nearly full /tmp",
		inflict: "mount -t tmpfs -o size=1m,mode=1777 full /tmp",
		relieve: "umount -l /tmp",
		want:    "and this program needs 8192 KiB there: make room before this provisioner",
	},
	{
		name:    "full /boot",
		inflict: "mount -t tmpfs -o size=64k full /boot",
		relieve: "umount -l /boot",
		want:    "only 64 KiB are free in the file system of /boot, and this program needs 1024 KiB there",
	},
	{
		name:    "read-only /usr",
		inflict: "mount --bind /usr /usr && mount -o remount,bind,ro /usr",
		relieve: "umount -l /usr",
		want:    "/usr is mounted read-only: mount it writable before this provisioner",
	},
	{
		name:    "lost Python",
		inflict: "mv /usr/bin/python3 /usr/bin/python3.away",
		relieve: "mv /usr/bin/python3.away /usr/bin/python3",
		want:    "cloud-init's configuration could not be read: there is no python3 for it",
	},
	{
		name:    "noexec /tmp",
		inflict: "mount -t tmpfs -o noexec,mode=1777 temporary /tmp",
		relieve: "umount -l /tmp",
		ready:   true,
	},
	{
		name:  "connection lost while a package is installed",
		cutAt: "stage\tinstall ",
		want:  "the connection was lost",
	},
	{
		name:  "connection lost while it is mended",
		cutAt: "stage\tmend datasource",
		want:  "the connection was lost",
	},
}

// TestFaultsEndInAClearSentence: and after each, a run makes the guest ready.
func TestFaultsEndInAClearSentence(t *testing.T) {
	c := guesttest.NewContainer(t)
	c.Chroot(t, guesttest.Unready)
	c.Listen(t)
	c.Boot(t)
	expectLockWaitedFor(t, c)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			as(t, c, "dpkg --purge cloud-guest-utils && echo 'datasource_list: [ NoCloud ]' >/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg")
			as(t, c, f.inflict)
			said := f.run(t, c)
			as(t, c, f.relieve)
			t.Log(said)
			if !strings.Contains(said, f.want) {
				t.Errorf("got %q, want %q in it", said, f.want)
			}
			expectStillMet(t, provision(t, c, "mend"))
			as(t, c, "! ls -d /tmp/.openstack-ready*")
		})
	}
}

// as runs a script as root.
func as(t *testing.T, c *guesttest.Container, script string) {
	t.Helper()
	if _, err := c.As("root").Output("export PATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + script); err != nil {
		t.Fatal(err)
	}
}

// run returns what a person is told.
func (f fault) run(t *testing.T, c *guesttest.Container) string {
	t.Helper()
	login := f.login
	if login == "" {
		login = "packer"
	}
	var comm packersdk.Communicator = c.As(login)
	if f.cutAt != "" {
		comm = &guesttest.Cut{Exec: c.As(login), At: f.cutAt}
	}
	rep, err := guest.Run(context.Background(), comm, guest.Options{Settings: guest.Settings{Initialisation: guest.InitialisationCloudInit}})
	if err != nil {
		return err.Error()
	}
	var told []string
	for _, finding := range rep.Findings {
		if !finding.Verdict.OK() {
			told = append(told, fmt.Sprintf("%s is %s: %s", finding.ID, finding.Verdict, strings.Join(finding.Evidence, "; ")))
		}
	}
	if f.ready {
		expectStillMet(t, rep)
	}
	return strings.Join(told, "\n")
}

// expectLockWaitedFor holds the package manager's locks, as apt-daily does
// after a boot, while a run begins to install.
func expectLockWaitedFor(t *testing.T, c *guesttest.Container) {
	t.Helper()
	release := hold(t, c.Dir+"/var/lib/apt/lists/lock", c.Dir+"/var/lib/dpkg/lock-frontend")
	released := make(chan struct{})
	rep, err := guest.Run(context.Background(), c.As("packer"), guest.Options{
		Progress: func(stage string) {
			if strings.HasPrefix(stage, "install ") {
				time.AfterFunc(3*time.Second, func() {
					close(released)
					release()
				})
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-released:
	default:
		t.Error("the run did not wait for the locks")
	}
	expectStillMet(t, rep)
}

// hold takes locks as apt does, and returns what releases them.
func hold(t *testing.T, files ...string) (release func()) {
	t.Helper()
	var held []io.Closer
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
			t.Fatalf("lock %s: %v", name, err)
		}
		held = append(held, f)
	}
	return func() {
		for _, f := range held {
			_ = f.Close()
		}
	}
}
