package inspect

import (
	"path"
	"strconv"
	"strings"
)

// kernelPrefixes are how distributions name kernel files in /boot.
var kernelPrefixes = []string{"vmlinuz-", "vmlinux-", "Image-", "kernel-"}

// kernels lists the kernels in /boot with their initramfs.
func kernels(t *tree, n *notes) []Kernel {
	names := t.names(n, "/boot")
	var found []Kernel
	for _, name := range names {
		for _, prefix := range kernelPrefixes {
			version, ok := strings.CutPrefix(name, prefix)
			if !ok || version == "" || strings.HasSuffix(version, ".old") {
				continue
			}
			found = append(found, Kernel{
				Version: version, Image: path.Join("/boot", name), Initramfs: initramfsOf(names, version),
			})
			break
		}
	}
	return found
}

// initramfsOf returns the initramfs of a kernel version as Debian, Red Hat,
// SUSE and Arch name it.
func initramfsOf(names []string, version string) string {
	for _, want := range []string{
		"initrd.img-" + version, "initramfs-" + version + ".img", "initrd-" + version, "initrd-" + version + ".img",
	} {
		for _, name := range names {
			if name == want {
				return path.Join("/boot", name)
			}
		}
	}
	return ""
}

// olderThan reports whether a kernel's version is below major.0; ok is false
// where it does not start with a number.
func (k Kernel) olderThan(major int) (older, ok bool) {
	first, _, _ := strings.Cut(k.Version, ".")
	v, err := strconv.Atoi(first)
	return err == nil && v < major, err == nil
}
