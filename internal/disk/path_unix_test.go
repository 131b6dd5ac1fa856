//go:build unix

package disk_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
)

func TestPathsThatAreNoFileGetAClearSentence(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                            "it is a directory",
		pipe:                           "neither a regular file nor a block device",
		"/dev/null":                    "neither a regular file nor a block device",
		filepath.Join(dir, "missing"):  "no such file",
		filepath.Join(pipe, "in-pipe"): "not a directory",
	} {
		_, err := disk.Open(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}
