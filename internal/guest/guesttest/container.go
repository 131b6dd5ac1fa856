//go:build linux

package guesttest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// releases are Debian's names of its versions, and their kernels. That of
// Debian 11 is the last in its main archive, as its newer ones leave the mirrors.
var releases = map[string]struct{ suite, kernel string }{
	"11": {"bullseye", "linux-image-5.10.0-32-cloud-amd64"},
	"12": {"bookworm", "linux-image-cloud-amd64"},
	"13": {"trixie", "linux-image-cloud-amd64"},
}

// basePackages and a kernel make the container a server as an installer leaves
// it, with a real initramfs and boot menu.
const basePackages = "systemd,systemd-sysv,dbus,libpam-systemd,udev,openssh-server,sudo,ifupdown," +
	"isc-dhcp-client,iproute2,nftables,initramfs-tools,grub-pc-bin," +
	"grub2-common,e2fsprogs,ca-certificates,kmod,procps"

// Container is a Debian system in a directory, which systemd-nspawn can boot.
type Container struct {
	// Dir is its root directory on this machine.
	Dir string

	nspawn *exec.Cmd
	output bytes.Buffer
	leader int
}

// NewContainer unpacks a fresh Debian 12 for the test, and skips the test where
// this machine cannot make or boot one. The unpacked system is made once and
// kept in the checkout's folder .build.
func NewContainer(t testing.TB) *Container {
	t.Helper()
	return NewDebian(t, "12")
}

// NewDebian is NewContainer with a version of Debian: 11, 12 or 13.
func NewDebian(t testing.TB, version string) *Container {
	t.Helper()
	archive, suite, packages := debianArchive(version)
	return unpack(t, archive, suite, packages)
}

func debianArchive(version string) (name, suite, packages string) {
	r := releases[version]
	return "debian-" + version, r.suite, basePackages + "," + r.kernel
}

// NewContainerOf is NewContainer with the given packages, separated by commas.
// name is that of the archive.
func NewContainerOf(t testing.TB, name, packages string) *Container {
	t.Helper()
	return unpack(t, name, releases["12"].suite, packages)
}

func unpack(t testing.TB, name, suite, packages string) *Container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: to mend a real Debian in a container is left out")
	}
	need(t, "mmdebstrap", "mmdebstrap")
	need(t, "systemd-nspawn", "systemd-container")
	need(t, "nsenter", "util-linux")
	c := &Container{Dir: t.TempDir()}
	run(t, "tar", "-C", c.Dir, "-xf", base(t, name, suite, packages))
	c.forgetDisk(t)
	t.Cleanup(func() { c.Kill() })
	return c
}

// forgetDisk spares dpkg its waiting for the disk, as no container outlives its test.
func (c *Container) forgetDisk(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(c.Dir+"/etc/dpkg/dpkg.cfg.d/test", []byte("force-unsafe-io\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func need(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s (Debian package %s): to mend a real Debian in a container is left out", program, pkg)
	}
}

// base returns the archive of a system as it was installed.
func base(t testing.TB, name, suite, packages string) string {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(self), "..", "..", "..", ".build", "guest")
	archive := filepath.Join(dir, name+".tar")
	if _, err := os.Stat(archive); err == nil {
		return archive
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	run(t, "mmdebstrap", "--quiet", "--variant=apt", "--include="+packages, suite, archive+".part.tar")
	if err := os.Rename(archive+".part.tar", archive); err != nil {
		t.Fatal(err)
	}
	t.Logf("made %s in %s", archive, time.Since(started).Round(time.Second))
	return archive
}

// Chroot runs a shell script in the container while it is not booted. What it
// mounts is gone at its end.
func (c *Container) Chroot(t testing.TB, script string) {
	t.Helper()
	run(t, "unshare", "--mount", "chroot", c.Dir, "/bin/sh", "-euc", script)
}

// Listen makes the container's SSH server listen on a port of this machine's
// loopback only, from its next start, and returns the port.
func (c *Container) Listen(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c.Chroot(t, fmt.Sprintf("printf 'Port %d\\nListenAddress 127.0.0.1\\n' >/etc/ssh/sshd_config.d/test.conf", port))
	return port
}

// Boot starts the container and waits until its boot is over. It shares this
// machine's network, which it cannot change.
func (c *Container) Boot(t testing.TB) {
	t.Helper()
	c.output.Reset()
	// A machine that is itself a container may have no machine ID, which linking
	// the journals needs.
	c.nspawn = exec.Command("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--link-journal=no",
		"--console=pipe", "--timezone=off", "--directory="+c.Dir)
	c.nspawn.Stdout, c.nspawn.Stderr = &c.output, &c.output
	if err := c.nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(3 * time.Minute)
	for !c.booted() {
		if time.Now().After(deadline) {
			c.Kill()
			t.Fatalf("the container did not boot:\n%s", c.output.String())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *Container) booted() bool {
	c.leader = c.findLeader()
	if c.leader == 0 {
		return false
	}
	out, _ := c.As("root").Output(bootState)
	state := strings.TrimSpace(out)
	return state == "running" || state == "degraded"
}

// bootState asks systemd, OpenRC or sysvinit whether the boot is over.
const bootState = `if [ -d /run/systemd/system ]; then
  systemctl is-system-running
elif [ -d /run/openrc ]; then
  test "$(cat /run/openrc/softlevel)" = default && ! pgrep -f '^/sbin/openrc ' && echo running
elif /sbin/runlevel | grep -q 2 && ! pgrep -f '^/bin/sh /etc/init.d/rc '; then
  echo running
fi`

// findLeader returns the container's process 1, a child of systemd-nspawn.
func (c *Container) findLeader() int {
	pid := c.nspawn.Process.Pid
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for _, child := range strings.Fields(string(b)) {
		comm, err := os.ReadFile("/proc/" + child + "/comm")
		if name := strings.TrimSpace(string(comm)); err == nil && (name == "systemd" || name == "init") {
			leader, _ := strconv.Atoi(child)
			return leader
		}
	}
	return 0
}

// As returns a communicator that is logged in to the booted container.
func (c *Container) As(user string) Exec {
	shell := []string{
		"nsenter", "--target", strconv.Itoa(c.leader), "--mount", "--uts", "--ipc", "--pid", "--cgroup",
		"--root", "--wd", "env", "-i", "PATH=/usr/local/bin:/usr/bin:/bin", "TERM=dumb",
	}
	return Exec{Shell: append(shell, "/sbin/runuser", "-u", user, "--", "/bin/sh", "-c")}
}

// Shutdown powers the container off, as a build's shutdown command does.
func (c *Container) Shutdown(t testing.TB) {
	t.Helper()
	if _, err := c.As("root").Output("/sbin/poweroff"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = c.nspawn.Wait()
		close(done)
	}()
	select {
	case <-done:
		c.nspawn = nil
	case <-time.After(5 * time.Minute):
		c.Kill()
		t.Fatalf("the container did not shut down:\n%s", c.output.String())
	}
}

// Kill ends a container that still runs.
func (c *Container) Kill() {
	if c.nspawn == nil {
		return
	}
	if c.leader != 0 {
		_ = syscall.Kill(c.leader, syscall.SIGKILL)
	}
	_ = c.nspawn.Process.Kill()
	_ = c.nspawn.Wait()
	c.nspawn = nil
}
