package disktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// Mount mounts the file system in the file image, lets fill change it in the
// folder where it is, and unmounts it. Where that is not allowed, the test is
// skipped; what says what is then left out.
func Mount(t testing.TB, what, image, kind, options string, fill func(dir string)) {
	t.Helper()
	Need(t, what, "mount", "umount")
	if os.Geteuid() != 0 {
		t.Skipf("needs root, to mount %s: %s is not tested", kind, what)
	}
	dir := filepath.Join(t.TempDir(), "mounted")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ownMounts(t)
	if out, err := exec.Command("mount", "-t", kind, "-o", "loop,"+options, image, dir).CombinedOutput(); err != nil {
		t.Skipf("needs a kernel that mounts %s, and loop devices: %s is not tested: %v\n%s", kind, what, err, out)
	}
	defer Run(t, "umount", dir)
	fill(dir)
}

// ownMounts gives the test's thread a mount namespace of its own, until the
// test ends: a namespace that another process made meanwhile, with a copy of
// the mount, would keep the file system mounted.
func ownMounts(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		t.Skipf("needs a mount namespace (unshare: %v): mounting is not tested", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}
