package disk_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// FuzzOpen opens edited qcow2 images and cut off ones: it must end, within
// bounded memory, and without a panic.
func FuzzOpen(f *testing.F) {
	disktest.Need(f, "fuzzing", "qemu-img")
	raw := filepath.Join(f.TempDir(), "raw")
	if err := os.WriteFile(raw, content(seeded())[:300<<10], 0o600); err != nil {
		f.Fatal(err)
	}
	var images [][]byte
	for _, options := range []string{
		"-o compat=0.10", "-o cluster_size=512", "-c -o cluster_size=4k",
		"-c -o compression_type=zstd,cluster_size=4k", "-o extended_l2=on,cluster_size=16k",
	} {
		path := filepath.Join(f.TempDir(), "image")
		args := append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...)
		disktest.Run(f, "qemu-img", append(args, raw, path)...)
		image, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(len(images)), uint32(len(image)), []byte{})
		f.Add(uint8(len(images)), uint32(len(image)), []byte("\x00\x17\x3f\x00\x24\xff"))
		images = append(images, image)
	}
	f.Fuzz(func(t *testing.T, which uint8, length uint32, edits []byte) {
		edited := disktest.Edit(images[int(which)%len(images)], edits)
		edited = edited[:min(int(length), len(edited))]
		image, err := disk.NewReader(bytes.NewReader(edited), int64(len(edited)))
		if err != nil {
			return
		}
		if image.Size() < 0 {
			t.Errorf("size %d", image.Size())
		}
		for _, off := range []int64{0, image.Size() / 2, image.Size() - 1<<20} {
			_, _ = io.Copy(io.Discard, io.NewSectionReader(image, max(off, 0), 1<<20))
		}
	})
}
