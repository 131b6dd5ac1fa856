package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// content is a disk of random, repetitive and empty stretches, which ends in
// the middle of a cluster of any size above 512 bytes.
func content(r *rand.Rand) []byte {
	const size = 9<<20 + 512
	disk := make([]byte, size)
	for at := 0; at < size; {
		length := min(1+r.IntN(300_000), size-at)
		part := disk[at : at+length]
		switch r.IntN(3) {
		case 0:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		case 1:
			copy(part, bytes.Repeat([]byte(fmt.Sprintf("line %d\n", at)), length/5))
		}
		at += length
	}
	return disk
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func writeFile(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *disk.Image {
	t.Helper()
	image, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	})
	return image
}

// sameBytes compares the whole disk, and many small pieces of it from several
// goroutines at once.
func sameBytes(t *testing.T, image *disk.Image, want []byte) {
	t.Helper()
	if image.Size() != int64(len(want)) {
		t.Fatalf("size: got %d, want %d", image.Size(), len(want))
	}
	got, err := io.ReadAll(io.NewSectionReader(image, 0, image.Size()+1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("content differs at byte %d", firstDifference(got, want))
	}
	var readers sync.WaitGroup
	for seed := range uint64(4) {
		readers.Go(func() { samePieces(t, image, want, rand.New(rand.NewPCG(seed, 0))) })
	}
	readers.Wait()
}

func samePieces(t *testing.T, image *disk.Image, want []byte, r *rand.Rand) {
	buffer := make([]byte, 9000)
	for range 200 {
		piece := buffer[:r.IntN(len(buffer))]
		off := r.IntN(len(want) - len(piece))
		if n, err := image.ReadAt(piece, int64(off)); err != nil || n != len(piece) {
			t.Errorf("read of %d bytes at %d: got %d, %v", len(piece), off, n, err)
		}
		if !bytes.Equal(piece, want[off:off+len(piece)]) {
			t.Errorf("read of %d bytes at %d: wrong content", len(piece), off)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestQCOW2OfEveryKindReadsTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading qcow2 images", "qemu-img")
	want := content(seeded())
	raw := writeFile(t, filepath.Join(t.TempDir(), "raw"), want)
	for _, options := range []string{
		"-o compat=0.10", "-o compat=1.1", "-c -o compat=0.10",
		"-o cluster_size=512", "-o cluster_size=4k", "-o cluster_size=2M",
		"-c", "-c -o cluster_size=512", "-c -o cluster_size=4k", "-c -o cluster_size=2M",
		"-c -o compression_type=zstd", "-c -o compression_type=zstd,cluster_size=4k", "-c -o compression_type=zstd,cluster_size=2M",
		"-o extended_l2=on", "-o extended_l2=on,cluster_size=16k", "-o extended_l2=on,cluster_size=2M",
		"-c -o extended_l2=on,compression_type=zstd",
		"-o lazy_refcounts=on", "-o refcount_bits=1", "-o refcount_bits=64",
		"-o preallocation=metadata", "-o preallocation=falloc", "-o preallocation=full",
	} {
		t.Run(strings.ReplaceAll(options, " ", ""), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			args := append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...)
			disktest.Run(t, "qemu-img", append(args, raw, path)...)
			image := open(t, path)
			if got := image.Info().Format; got != disk.FormatQCOW2 {
				t.Errorf("format: got %s, want qcow2", got)
			}
			sameBytes(t, image, want)
		})
	}
}
