package convert

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// sparseRaw writes a raw disk of 24 MiB whose data lie between holes, the last
// of them at its end, and returns its bytes.
func sparseRaw(t *testing.T, path string) []byte {
	t.Helper()
	content := make([]byte, 24<<20)
	random := rand.NewChaCha8([32]byte{1})
	for _, piece := range [][2]int{{0, 70_000}, {3 << 20, 1 << 20}, {9<<20 + 512, 5 << 20}, {20 << 20, 4096}} {
		_, _ = random.Read(content[piece[0] : piece[0]+piece[1]])
	}
	for i := 5 << 20; i < 6<<20; i++ {
		content[i] = byte(i >> 12)
	}
	copy(content[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0})
	content[510], content[511] = 0x55, 0xAA
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for off := 0; off < len(content); off += 4096 {
		if piece := content[off : off+4096]; !bytes.Equal(piece, make([]byte, 4096)) {
			if _, err := file.WriteAt(piece, int64(off)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(file.Truncate(int64(len(content))), file.Close()); err != nil {
		t.Fatal(err)
	}
	return content
}

// inputs are the same disk in every format, made by qemu-img.
func inputs(t *testing.T) (content []byte, paths map[string]string) {
	t.Helper()
	disktest.Need(t, "the disks of other formats are made by it", "qemu-img", "gzip")
	dir := t.TempDir()
	raw := filepath.Join(dir, "disk.raw")
	content = sparseRaw(t, raw)
	paths = map[string]string{"raw": raw}
	for name, args := range map[string][]string{
		"qcow2":            {"-O", "qcow2"},
		"qcow2-512":        {"-O", "qcow2", "-o", "cluster_size=512"},
		"qcow2-extended":   {"-O", "qcow2", "-o", "extended_l2=on"},
		"qcow2-compressed": {"-O", "qcow2", "-c"},
		"vmdk":             {"-O", "vmdk"},
		"vmdk-stream":      {"-O", "vmdk", "-o", "subformat=streamOptimized"},
		"vdi":              {"-O", "vdi"},
		"vhd":              {"-O", "vpc", "-o", "force_size=on"},
		"vhdx":             {"-O", "vhdx"},
	} {
		paths[name] = filepath.Join(dir, name)
		disktest.Run(t, "qemu-img", append(append([]string{"convert", "-f", "raw"}, args...), raw, paths[name])...)
	}
	packed := filepath.Join(dir, "copy.raw")
	if err := os.WriteFile(packed, content, 0o600); err != nil {
		t.Fatal(err)
	}
	disktest.Run(t, "gzip", packed)
	paths["raw.gz"] = packed + ".gz"
	return content, paths
}

func open(t *testing.T, path string) *Disk {
	t.Helper()
	d, err := Open(context.Background(), path, disk.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func readAll(t *testing.T, source Source) []byte {
	t.Helper()
	reader, err := source.Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(reader)
	if err := errors.Join(err, reader.Close()); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEveryFormatBecomesTheSameRawDisk(t *testing.T) {
	want, paths := inputs(t)
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			source := open(t, path).Raw()
			for range 2 {
				if got := readAll(t, source); source.Size() != int64(len(want)) || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes of a source of %d, want the %d of the disk", len(got), source.Size(), len(want))
				}
			}
		})
	}
}

// What is a hole must be known from the map, without reading it.
func TestHolesCostNoReading(t *testing.T) {
	disktest.Need(t, "the empty disks are made by it", "qemu-img")
	for _, format := range []string{"raw", "qcow2", "vmdk", "vdi", "vhdx"} {
		t.Run(format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			disktest.Run(t, "qemu-img", "create", "-q", "-f", format, path, "8G")
			d := open(t, path)
			var data int64
			for off := int64(0); off < d.Size(); {
				length, zero, err := d.image.Extent(off)
				if err != nil {
					t.Fatal(err)
				}
				if !zero {
					data += length
				}
				off += length
			}
			if data > 4096 {
				t.Errorf("%d bytes of an empty disk are to be read", data)
			}
		})
	}
}

func TestADiskThatChangesIsNotSentToItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	sparseRaw(t, path)
	reader, err := open(t, path).Raw().Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, reader); !errors.Is(err, ErrChanged) {
		t.Errorf("error = %v, want ErrChanged", err)
	}
}

func TestSharedReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.raw")
	want := sparseRaw(t, path)
	sum := sha512.Sum512(want)
	counted := &counting{Source: open(t, path).Raw()}
	cases := map[string]struct {
		wait     time.Duration
		read     []func(*Part) ([]byte, map[string]string, error)
		readings int64
	}{
		"is one for all":                  {time.Minute, []reading{whole, whole, whole}, 1},
		"does not wait for who leaves":    {time.Minute, []reading{whole, leaves, whole}, 1},
		"goes on without who fails":       {time.Minute, []reading{fails, whole}, 1},
		"is left by who is too slow":      {20 * time.Millisecond, []reading{whole, slow}, 2},
		"does not wait for who is late":   {20 * time.Millisecond, []reading{whole, late}, 2},
		"is once only, and a retry's own": {time.Minute, []reading{retries}, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			counted.readings.Store(0)
			parts := Share(counted, len(c.read), c.wait)
			results := make(chan error, len(parts))
			for i, part := range parts {
				go func() { results <- compare(c.read[i], part, want, hex.EncodeToString(sum[:])) }()
			}
			for range parts {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			// A busy machine makes more readers slow than those that are meant to be.
			got := counted.readings.Load()
			if got < c.readings || (got > c.readings && c.wait == time.Minute) {
				t.Errorf("the source was read %d times, want %d", got, c.readings)
			}
		})
	}
}

func TestQCOW2IsWhatQEMUTakesForTheSameDisk(t *testing.T) {
	want, paths := inputs(t)
	raw := filepath.Join(t.TempDir(), "want.raw")
	if err := os.WriteFile(raw, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{"raw", "vmdk-stream", "qcow2-compressed", "raw.gz"} {
		for _, compression := range []Compression{None, Zlib, Zstd} {
			t.Run(input+" "+string(compression), func(t *testing.T) {
				d := open(t, paths[input])
				source, err := d.QCOW2(context.Background(), nil)
				if compression != None {
					source, err = d.CompressedQCOW2(context.Background(), compression, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "made.qcow2")
				got := readAll(t, source)
				if int64(len(got)) != source.Size() {
					t.Errorf("got %d bytes of a source of %d", len(got), source.Size())
				}
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
				disktest.Run(t, "qemu-img", "check", "-f", "qcow2", path)
				disktest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, path)
				if again := readAll(t, open(t, path).Raw()); !bytes.Equal(again, want) {
					t.Error("read back, it is another disk")
				}
			})
		}
	}
}

func TestQCOW2OfAnyDiskSize(t *testing.T) {
	disktest.Need(t, "the disks are made and checked by it", "qemu-img")
	for _, size := range []string{"1M", "513M", "33K", "5T"} {
		t.Run(size, func(t *testing.T) {
			dir := t.TempDir()
			disktest.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", dir+"/in", size)
			disktest.Run(t, "qemu-io", "-c", "write -P 7 0 1k", "-c", "write -P 9 16k 512", "-f", "qcow2", dir+"/in")
			d := open(t, dir+"/in")
			for name, source := range sources(t, d) {
				if err := os.WriteFile(dir+"/out", readAll(t, source), 0o600); err != nil {
					t.Fatal(err)
				}
				t.Log(name, source.Size())
				disktest.Run(t, "qemu-img", "check", "-f", "qcow2", dir+"/out")
				disktest.Run(t, "qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", dir+"/in", dir+"/out")
			}
		})
	}
}

func sources(t *testing.T, d *Disk) map[string]Source {
	t.Helper()
	plain, err := d.QCOW2(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := d.CompressedQCOW2(context.Background(), Zlib, nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Source{"plain": plain, "compressed": packed}
}
