package disktest

import (
	"os"
	"os/exec"
	"path/filepath"
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
	if out, err := exec.Command("mount", "-t", kind, "-o", "loop,"+options, image, dir).CombinedOutput(); err != nil {
		t.Skipf("needs a kernel that mounts %s, and loop devices: %s is not tested: %v\n%s", kind, what, err, out)
	}
	defer Run(t, "umount", dir)
	fill(dir)
	// Another mount namespace that was made meanwhile keeps the file system
	// mounted.
	Run(t, "sync", "-f", dir)
}
