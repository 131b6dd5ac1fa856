//go:build unix

package unpack_test

import (
	"os"
	"syscall"
	"testing"
)

// onDisk is how many bytes of room a file takes.
func onDisk(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
