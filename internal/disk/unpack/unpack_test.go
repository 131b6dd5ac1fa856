package unpack_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/unpack"
)

var commands = map[unpack.Kind]string{unpack.Gzip: "gzip -9", unpack.XZ: "xz -6", unpack.Zstd: "zstd -q"}

func packed(t testing.TB, data []byte, kind unpack.Kind, options ...string) []byte {
	t.Helper()
	fields := append(strings.Fields(commands[kind]), options...)
	disktest.Need(t, "unpacking", fields[0])
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return []byte(disktest.Run(t, fields[0], append(fields[1:], "-c", path)...))
}

func source(t testing.TB, file []byte, kind unpack.Kind) unpack.Source {
	t.Helper()
	return unpack.Source{ReaderAt: bytes.NewReader(file), Size: int64(len(file)), Kind: kind, TempDir: t.TempDir(), Limit: 64 << 20}
}

func TestZerosTakeNoRoom(t *testing.T) {
	data := make([]byte, 20<<20+100)
	copy(data[5<<20:], "somewhere")
	for kind := range commands {
		t.Run(string(kind), func(t *testing.T) {
			f, err := unpack.Unpack(t.Context(), source(t, packed(t, data, kind), kind))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}()
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size+1))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(data))
			}
			if used := onDisk(t, f.File); used > 1<<20 {
				t.Errorf("it takes %d bytes of room", used)
			}
		})
	}
}

// A window above 128 MiB costs more memory than an image is worth: here the
// frame header asks for 1 GiB.
func TestHugeWindowsAreRefused(t *testing.T) {
	file := []byte(unpack.ZstdMagic + "\x00\xa0" + "\x09\x00\x00" + "x")
	if _, err := unpack.Unpack(t.Context(), source(t, file, unpack.Zstd)); !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), "window") {
		t.Errorf("got %v, want ErrCorrupt because of the window", err)
	}
}

func FuzzUnpack(f *testing.F) {
	kinds := []unpack.Kind{unpack.Gzip, unpack.XZ, unpack.Zstd}
	for i, kind := range kinds {
		f.Add(uint8(i), packed(f, bytes.Repeat([]byte("0123456789abcdef"), 1<<9), kind))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, which uint8, file []byte) {
		s := unpack.Source{ReaderAt: bytes.NewReader(file), Size: int64(len(file)), Kind: kinds[int(which)%len(kinds)], TempDir: dir, Limit: 1 << 20}
		if out, err := unpack.Unpack(t.Context(), s); err == nil {
			_ = out.Close()
		}
	})
}
