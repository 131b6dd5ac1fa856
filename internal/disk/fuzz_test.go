package disk_test

import (
	"io"
	"os"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// FuzzOpen is about telling formats apart, the checks, and what is inside what;
// the packages of the formats have targets of their own.
func FuzzOpen(f *testing.F) {
	disktest.Need(f, "fuzzing", "qemu-img", "gzip", "xz", "zstd", "tar")
	data := content(seeded())[:100<<10]
	var images [][]byte
	for _, options := range []string{"raw", "qcow2", "vmdk", "vmdk -o subformat=streamOptimized", "vpc", "vpc -o subformat=fixed", "vdi"} {
		images = append(images, disktest.Formatted(f, data, options))
	}
	for w := range packers {
		path := f.TempDir() + "/raw"
		if err := os.WriteFile(path, data, 0o600); err != nil {
			f.Fatal(err)
		}
		file, err := os.ReadFile(packed(f, path, w))
		if err != nil {
			f.Fatal(err)
		}
		images = append(images, file)
	}
	disktest.Fuzz(f, images, nil, func(r io.ReaderAt, size int64) (disktest.Disk, error) {
		image, err := disk.NewReader(r, size)
		if err != nil {
			return nil, err
		}
		image.Problems()
		return image, nil
	})
}
