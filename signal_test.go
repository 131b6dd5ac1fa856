package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// TestTerminatedProofLeavesNothingBehind ends the verb as a CI system does.
func TestTerminatedProofLeavesNothingBehind(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("needs programs for x86_64 and signals: to end a proof from outside is left out")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("needs qemu-system-x86_64 (Debian package qemu-system-x86): to end a proof from outside is left out")
	}
	disktest.Need(t, "to end a proof from outside", "debugfs")
	disk := disktest.Debian(t)
	// A program of this machine tells for which architecture the disk is.
	for _, command := range []string{"rm /sbin/init", "write /bin/true /sbin/init"} {
		disktest.Run(t, "debugfs", "-w", "-R", command, disk+"?offset=1048576")
	}
	temp, err := os.MkdirTemp("/tmp", "t") // A socket's path must be short.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	prove := exec.Command(buildPlugin(t), "prove", disk)
	prove.Env = append(os.Environ(), "TMPDIR="+temp)
	said, err := prove.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := prove.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	if !lines.Scan() || !strings.Contains(lines.Text(), "firmware") {
		t.Fatalf("the proof said %q, want that its machine runs", lines.Text())
	}
	if err := prove.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Log(lines.Text())
	}
	var exit *exec.ExitError
	if err := prove.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("the proof ended with %v, want status 2", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
