package xfs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// sameState compares what is said of the log with what xfs_logprint says.
func sameState(t testing.TB, path, when string) (clean bool) {
	t.Helper()
	g := openFS(t, path).Geometry
	out := stateOf(t, path)
	clean = strings.Contains(out, "state: <CLEAN>")
	if clean == strings.Contains(out, "state: <DIRTY>") {
		t.Fatalf("%s: no state in:\n%s", when, out)
	}
	if g.Clean != clean || (g.Unclean == "") != clean {
		t.Errorf("%s: got %v %q, but xfs_logprint says clean: %v", when, g.Clean, g.Unclean, clean)
	}
	return clean
}

// stateOf is what xfs_logprint says of the log's state; what it says of its
// content may fail.
func stateOf(t testing.TB, path string) string {
	t.Helper()
	return disktest.Run(t, "sh", "-c", `xfs_logprint -t "$1" 2>&1 | sed -n '/state:/{p;q;}'`, "sh", path)
}

// copyOf is what a disk would have if the machine was cut off now.
func copyOf(t testing.TB, path string) string {
	t.Helper()
	cut := filepath.Join(t.TempDir(), "cut")
	disktest.Run(t, "cp", "--sparse=always", path, cut)
	return cut
}

func TestLogIsCleanWhereXFSToolsSaySo(t *testing.T) {
	disktest.Need(t, "telling a clean log from one to recover", "mkfs.xfs", "xfs_db", "xfs_logprint")
	for _, test := range []struct{ args, options string }{
		{"", "logbsize=32k"}, {"-b size=1024", "logbsize=256k"}, {"-s size=4096 -l su=64k", "logbsize=64k"},
	} {
		t.Run(test.args+" "+test.options, func(t *testing.T) {
			path := disktest.XFS(t, "", 20, strings.Fields(test.args)...)
			sameState(t, path, "new")
			for round := 0; cycle(t, path) < 2; round++ {
				mounted(t, path, func(dir string) {
					churn(t, filepath.Join(dir, "churn"))
					if sameState(t, copyOf(t, path), fmt.Sprintf("round %d, mounted", round)) {
						t.Errorf("round %d: the log is clean, although the file system was in use", round)
					}
				}, test.options)
				if !sameState(t, path, fmt.Sprintf("round %d, unmounted", round)) {
					t.Fatalf("round %d: the log is not clean after unmounting", round)
				}
			}
		})
	}
}

// cycle is how often the log was written through.
func cycle(t testing.TB, path string) int64 {
	t.Helper()
	return number(t, xfsdb(t, path, "sb 0", "p lsn"), `lsn = (0x[0-9a-f]+|0)`) >> 32
}

// churn makes the log grow by a good part of a MiB.
func churn(t testing.TB, dir string) {
	t.Helper()
	fill(t, dir, 500, 0)
	disktest.Run(t, "sync", dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	disktest.Run(t, "sync", filepath.Dir(dir))
}

func TestMachineThatWasCutOffIsUnclean(t *testing.T) {
	disktest.Need(t, "telling a file system that was cut off", "mkfs.xfs", "xfs_logprint", "xfs_io")
	path := disktest.XFS(t, "", 20)
	mounted(t, path, func(dir string) {
		churn(t, filepath.Join(dir, "x"))
		disktest.Run(t, "xfs_io", "-x", "-c", "freeze", dir)
		sameState(t, copyOf(t, path), "frozen")
		disktest.Run(t, "xfs_io", "-x", "-c", "thaw", "-c", "shutdown", dir)
	})
	if sameState(t, path, "shut down") {
		t.Error("clean after a shutdown")
	}
	if g := openFS(t, path).Geometry; !strings.Contains(g.Unclean, "log must be recovered") {
		t.Errorf("got %q", g.Unclean)
	}
	mounted(t, path, func(string) {})
	if !sameState(t, path, "recovered") {
		t.Error("unclean after recovery")
	}
	mounted(t, path, func(dir string) {
		churn(t, filepath.Join(dir, "x"))
		disktest.Run(t, "mount", "-o", "remount,ro", dir)
		if !sameState(t, copyOf(t, path), "read-only") {
			t.Error("unclean after a remount for reading only")
		}
	})
}

// TestDamagedLogIsUnclean edits the log of a new file system: the record of an
// unmount in its first block, and its body in the second. What xfs_logprint
// takes for dirty, or for no log, is never clean.
func TestDamagedLogIsUnclean(t *testing.T) {
	disktest.Need(t, "doubting damaged logs", "mkfs.xfs", "xfs_db", "xfs_logprint")
	pristine := disktest.XFS(t, "", 16)
	start := number(t, xfsdb(t, pristine, "sb 0", "p logstart"), `logstart = (\d+)`) * 4096
	length := number(t, xfsdb(t, pristine, "sb 0", "p logblocks"), `logblocks = (\d+)`) * 4096
	tests := []struct {
		name string
		edit func(log []byte)
		want string
	}{
		{"nothing", func([]byte) {}, ""},
		{"never written", func(log []byte) { clear(log) }, ""},
		{"torn after the unmount", func(log []byte) { copy(log[1024:], record(log, 2, 600)) }, ""},
		{"a hole after the unmount", func(log []byte) {
			copy(log[1536:], record(log, 3, 5120))
			for at := 2048; at < 2048+5120; at += 512 {
				put32(log[at:], 1)
			}
		}, ""},
		{"a hole at the end, after the unmount", func(log []byte) {
			header := record(log, uint32(len(log)/512-20), 512)
			put32(header[4:], 2)
			put32(header[40:], 1)
			for at := 512; at < len(log); at += 512 {
				put32(log[at:], 2)
			}
			unmount := log[len(log)-20*512:]
			copy(unmount, header)
			unmount[512+9] = 0x20
			put32(unmount[1024:], 1)
			// The start was written anew, without an unmount.
			put32(log[4:], 3)
			put32(log[512:], 3)
			log[512+9] = 0
		}, ""},
		{"another magic", func(log []byte) { log[0] = 1 }, "no record before its head"},
		{"another file system's", func(log []byte) { log[304] ^= 1 }, "belongs to another file system"},
		{"something after the unmount", func(log []byte) {
			copy(log[1024:], record(log, 2, 512))
			put32(log[1024+512:], 1)
		}, "must be recovered"},
		{"no record after the unmount", func(log []byte) { put32(log[1024:], 1) }, "no record before its head"},
		{"two operations", func(log []byte) { put32(log[40:], 2) }, "must be recovered"},
		{"no unmount", func(log []byte) { log[512+9] = 0 }, "must be recovered"},
		{"absurd length", func(log []byte) { put32(log[12:], 0xffffffff) }, "no record before its head"},
		{"absurd size", func(log []byte) { put32(log[320:], 0xffffffff) }, "no record before its head"},
		{"all of one cycle", func(log []byte) {
			for at := 1024; at < len(log); at += 512 {
				put32(log[at:], 1)
			}
		}, "no record before its head"},
		{"a hole", func(log []byte) {
			for at := 1024; at < 100*512; at += 512 {
				put32(log[at:], 1)
			}
			put32(log[50*512:], 0)
		}, "no record before its head"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := copyOf(t, pristine)
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			test.edit(image[start : start+length])
			if err := os.WriteFile(path, image, 0o600); err != nil {
				t.Fatal(err)
			}
			if g := openFS(t, path).Geometry; g.Clean != (test.want == "") || !strings.Contains(g.Unclean, test.want) {
				t.Errorf("got %v %q, want %q", g.Clean, g.Unclean, test.want)
			}
			if state := stateOf(t, path); test.want == "" && !strings.Contains(state, "<CLEAN>") {
				t.Errorf("xfs_logprint says %q", state)
			}
		})
	}
}

// record is the first block of a record at block at, of length bytes, with two
// operations, like the first record of the log but for that.
func record(log []byte, at, length uint32) []byte {
	block := bytes.Clone(log[:512])
	for offset, n := range map[int]uint32{12: length, 20: at, 28: at, 40: 2} {
		put32(block[offset:], n)
	}
	return block
}

func put32(p []byte, n uint32) { binary.BigEndian.PutUint32(p, n) }
