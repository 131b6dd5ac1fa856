//go:build linux

package guesttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Kernel unpacks the kernel of the container's system, with its modules, below
// a directory of the test, and returns its file and the folder of its modules.
// It skips the test where there can be no such system.
func Kernel(t *testing.T) (image, modules string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: to boot a Debian kernel is left out")
	}
	need(t, "mmdebstrap", "mmdebstrap")
	dir := t.TempDir()
	archive, suite, packages := debianArchive("12")
	run(t, "tar", "-C", dir, "-xf", base(t, archive, suite, packages), "--wildcards", "./boot/vmlinuz-*", "./usr/lib/modules")
	images, err := filepath.Glob(dir + "/boot/vmlinuz-*")
	if err != nil || len(images) == 0 {
		t.Fatalf("the Debian system has no kernel: %v", err)
	}
	_, version, _ := strings.Cut(filepath.Base(images[0]), "-")
	return images[0], filepath.Join(dir, "usr/lib/modules", version)
}
