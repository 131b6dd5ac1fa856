package xz_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xz"
)

const window = 8 << 20

func content() []byte {
	var b bytes.Buffer
	for i := range 20000 {
		fmt.Fprintf(&b, "line %d\n", i*i)
	}
	return b.Bytes()
}

// packed packs data with the real xz.
func packed(t testing.TB, data []byte, options string) []byte {
	t.Helper()
	disktest.Need(t, "reading xz files", "xz")
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	disktest.Run(t, "xz", append(strings.Fields(options), path)...)
	file, err := os.ReadFile(path + ".xz")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func unpacked(file []byte) ([]byte, error) {
	return io.ReadAll(io.LimitReader(xz.NewReader(bytes.NewReader(file), window), 16<<20))
}

func TestReadsWhatXZPacks(t *testing.T) {
	data := content()
	for _, options := range []string{
		"-0", "-6", "-T2 --block-size=20KiB", "--check=none", "--check=crc32", "--check=crc64", "--check=sha256", "-T2 --block-size=7KiB --check=sha256",
	} {
		t.Run(options, func(t *testing.T) {
			got, err := unpacked(packed(t, data, options))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, len(data))
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if got, err := unpacked(packed(t, nil, "-6")); err != nil || len(got) > 0 {
			t.Errorf("got %d bytes, %v, want none", len(got), err)
		}
	})
	t.Run("streams and padding", func(t *testing.T) {
		one := packed(t, data, "-0")
		file := bytes.Join([][]byte{one, make([]byte, 8), one, make([]byte, 4)}, nil)
		if got, err := unpacked(file); err != nil || len(got) != 2*len(data) {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, 2*len(data))
		}
	})
}

func TestReadsOneStreamAndNothingBehindIt(t *testing.T) {
	data := content()
	file := bufio.NewReader(bytes.NewReader(append(packed(t, data, "-0"), "behind"...)))
	one := xz.NewStreamReader(file, window)
	if got, err := io.ReadAll(one); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, %v, want %d", len(got), err, len(data))
	}
	if n, err := one.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: got %d bytes, %v", n, err)
	}
	if behind, err := io.ReadAll(file); err != nil || string(behind) != "behind" {
		t.Errorf("got %q, %v, want what stands behind the stream", behind, err)
	}
}

// The packed size of a chunk of LZMA2 is not needed to unpack it: where it is
// damaged, the data may still be right.
func TestEveryDamagedByteIsNoticed(t *testing.T) {
	data := content()[:3000]
	file := packed(t, data, "-0 --check=crc32")
	for i := range file {
		damaged := bytes.Clone(file)
		damaged[i] ^= 0x10
		if got, err := unpacked(damaged); err == nil && !bytes.Equal(got, data) {
			t.Errorf("byte %d of %d was damaged, and nothing noticed", i, len(file))
		}
	}
	for n := range file {
		if _, err := unpacked(file[:n]); !errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
			t.Errorf("cut to %d bytes: got %v, want %v", n, err, io.ErrUnexpectedEOF)
		}
	}
}

func TestWhatIsNotReadIsSaid(t *testing.T) {
	for options, want := range map[string]string{
		"--x86 --lzma2": "other filters than LZMA2",
		"-9e":           "67108864 bytes, and 8388608 at most",
	} {
		if _, err := unpacked(packed(t, content(), options)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", options, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, options := range []string{"-0", "-T2 --block-size=1KiB --check=sha256"} {
		f.Add(packed(f, content()[:3000], options))
	}
	f.Fuzz(func(_ *testing.T, file []byte) { _, _ = unpacked(file) })
}
