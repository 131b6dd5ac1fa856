package postprocessor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
)

// pickDisk returns the path of the artifact's disk: the file that the template
// names, else the one that the builder names, else the only file that is a
// disk image by its contents.
func pickDisk(source packersdk.Artifact, wanted string) (string, error) {
	files := source.Files()
	if len(files) == 0 {
		return "", fmt.Errorf("the artifact of %s has no files (%s): put openstack-ready after a builder that writes a disk, such as qemu", source.BuilderId(), source.String())
	}
	if wanted != "" {
		return named(files, wanted)
	}
	// The qemu builder's artifact says which of its files is the first disk
	// (packer-plugin-qemu, builder/qemu/builder.go).
	if name, ok := source.State("diskName").(string); ok {
		if path, err := named(files, name); err == nil {
			return path, nil
		}
	}
	return onlyDisk(files)
}

func named(files []string, name string) (string, error) {
	for _, path := range files {
		if filepath.Base(path) == name {
			return path, nil
		}
	}
	return "", fmt.Errorf("disk_file: the artifact has no file named %q; it has %s", name, strings.Join(files, ", "))
}

// onlyDisk opens the files to know, but a compressed one only where others could
// be meant as well: unpacking takes long, and is done again to use it.
func onlyDisk(files []string) (string, error) {
	var disks, packed []string
	var refusals []error
	sort := func(path string, err error) {
		if err != nil {
			refusals = append(refusals, err)
			return
		}
		disks = append(disks, path)
	}
	for _, path := range files {
		if wrapping, err := disk.Packed(path); err == nil && wrapping != "" {
			packed = append(packed, path)
			continue
		}
		sort(path, opens(path))
	}
	if len(disks) == 0 && len(packed) == 1 {
		return packed[0], nil
	}
	for _, path := range packed {
		sort(path, opens(path))
	}
	switch len(disks) {
	case 1:
		return disks[0], nil
	case 0:
		return "", fmt.Errorf("none of the artifact's files is a disk image that can be read:\n%w", errors.Join(refusals...))
	}
	return "", fmt.Errorf("the artifact has %d disk images (%s): name the one to publish with disk_file", len(disks), strings.Join(disks, ", "))
}

// opens returns why a file is no disk.
func opens(path string) error {
	image, err := disk.Open(path)
	if err != nil {
		return err
	}
	return image.Close()
}

// openDisk opens the disk once for the inspection and the sending, and tells how
// far it is in unpacking a compressed one.
func openDisk(ctx context.Context, ui packersdk.Ui, path string) (*convert.Disk, error) {
	packed, err := disk.Packed(path)
	if err != nil {
		return nil, err
	}
	if packed != "" {
		ui.Sayf("Unpacking %s, compressed with %s", path, packed)
	}
	return convert.Open(ctx, path, disk.Options{Progress: startWork(ui, "unpacked").progress})
}
