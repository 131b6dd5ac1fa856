package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// kernelPrefixes are how distributions name kernel files in /boot, the usual
// ones first: SUSE has the same kernel twice, as vmlinuz and as vmlinux.
var kernelPrefixes = []string{"vmlinuz-", "Image-", "kernel-", "vmlinux-"}

const (
	modulesDir = "/lib/modules"
	maxKernels = 64
)

// kernels lists the kernels that the image can boot, each version once, with
// what belongs to it: those that kernel-install(8) puts into folders of the boot
// loader, which then has these and not those in /boot, unified kernel images,
// and those beside their modules.
func kernels(t *tree, n *notes) []Kernel {
	l := &kernelList{t: t, n: n, modules: t.names(n, modulesDir)}
	for _, folder := range bootFolders {
		l.inFolders(folder)
	}
	l.inBoot()
	for _, folder := range bootFolders {
		l.unified(folder)
	}
	l.besideModules()
	return l.found
}

type kernelList struct {
	t       *tree
	n       *notes
	modules []string // versions that have a directory of modules
	found   []Kernel
}

// add adds a kernel, unless there is one of that version.
func (l *kernelList) add(k Kernel) {
	if len(l.found) == maxKernels {
		l.n.unknown("the guest has more than %d kernels", maxKernels)
		return
	}
	if slices.ContainsFunc(l.found, func(o Kernel) bool { return o.Version == k.Version }) {
		return
	}
	k.Config = l.config(k)
	l.found = append(l.found, k)
}

// inBoot adds the kernels of /boot, but for those that only repair the system.
func (l *kernelList) inBoot() {
	names := l.t.names(l.n, "/boot")
	for _, prefix := range kernelPrefixes {
		for _, file := range names {
			name, ok := strings.CutPrefix(file, prefix)
			if !ok || name == "" || strings.HasSuffix(name, ".old") || strings.Contains(name, "rescue") {
				continue
			}
			name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".xz")
			image := path.Join("/boot", file)
			version := l.version(image, name)
			l.add(Kernel{Version: version, Image: image, Initramfs: initramfsOf(names, l.names(version, name)...)})
		}
	}
}

// inFolders adds the kernels in FOLDER/TOKEN/VERSION (UAPI.1 Boot Loader
// Specification; kernel-install(8)).
func (l *kernelList) inFolders(folder string) {
	for _, token := range l.t.names(l.n, folder) {
		if token == "EFI" || token == "grub" || token == "grub2" || token == "loader" || strings.Contains(token, ".") {
			continue
		}
		for _, version := range l.directories(path.Join(folder, token)) {
			if !slices.Contains(l.modules, version) {
				continue
			}
			dir := path.Join(folder, token, version)
			k := Kernel{Version: version}
			for _, file := range l.t.glob(l.n, dir, "linux*") {
				k.Image = file
			}
			for _, file := range l.t.glob(l.n, dir, "initrd*") {
				k.Initramfs = file
			}
			if k.Image != "" {
				l.add(k)
			}
		}
	}
}

// directories lists what is in dir, nothing where that is no directory.
func (l *kernelList) directories(dir string) []string {
	if info, err := l.t.stat(dir); err != nil || !info.IsDir() {
		return nil
	}
	return l.t.names(l.n, dir)
}

// unified adds the unified kernel images of an EFI system partition, which
// name the version that is in them (systemd-stub(7)); mkinitcpio calls them
// arch-PACKAGE.efi.
func (l *kernelList) unified(folder string) {
	for _, file := range l.t.glob(l.n, path.Join(folder, "EFI", "Linux"), "*.efi", "*.EFI") {
		name := strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".efi"), ".EFI")
		version, err := l.t.section(file, ".uname", maxBanner)
		if err != nil || len(version) == 0 {
			version = []byte(l.byName(strings.TrimPrefix(name, "arch-")))
		}
		l.add(Kernel{Version: strings.TrimRight(string(version), "\x00\n"), Image: file, Initramfs: file})
	}
}

// besideModules adds the kernels that are only, or also, in their modules'
// directory: Arch copies them from there to a name without a version.
func (l *kernelList) besideModules() {
	names := l.t.names(l.n, "/boot")
	for _, version := range l.modules {
		image := path.Join(modulesDir, version, "vmlinuz")
		if l.t.has(l.n, image) {
			l.add(Kernel{Version: version, Image: image, Initramfs: initramfsOf(names, l.names(version, "")...)})
		}
	}
}

// version tells a kernel's version: what it says itself, else by its name.
func (l *kernelList) version(image, name string) string {
	if version := l.t.kernelBanner(image); version != "" {
		return version
	}
	return l.byName(name)
}

// byName returns the directory of modules that a kernel's name means: its own
// name, the newest that the package of that name has, or the newest of that
// flavour; else the name. Gentoo's names have the version in them.
func (l *kernelList) byName(name string) string {
	if slices.Contains(l.modules, name) {
		return name
	}
	best := ""
	for _, version := range l.modules {
		means := l.packageName(version) == name || strings.HasSuffix(version, "-"+name) || strings.Contains(name, version)
		if means && (best == "" || compareVersions(version, best) > 0) {
			best = version
		}
	}
	if best == "" {
		return name
	}
	return best
}

// packageName returns what Arch calls a kernel's package.
func (l *kernelList) packageName(version string) string {
	b, err := l.t.read(path.Join(modulesDir, version, "pkgbase"), maxBanner)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// names are those by which an initramfs can be a kernel's.
func (l *kernelList) names(version, name string) []string {
	flavour := version[strings.LastIndex(version, "-")+1:]
	return []string{version, name, l.packageName(version), flavour}
}

// initramfsOf returns the initramfs of a kernel as Debian, Red Hat, SUSE, Arch,
// Alpine and Gentoo name it.
func initramfsOf(files []string, names ...string) string {
	for _, name := range names {
		if name == "" {
			continue
		}
		for _, want := range []string{
			"initrd.img-" + name, "initramfs-" + name + ".img", "initrd-" + name, "initrd-" + name + ".img", "initramfs-" + name,
		} {
			if slices.Contains(files, want) {
				return path.Join("/boot", want)
			}
		}
	}
	return ""
}

// config returns the file with a kernel's build configuration.
func (l *kernelList) config(k Kernel) string {
	file, _ := l.t.first(l.n, "/boot/config-"+k.Version, path.Join(modulesDir, k.Version, "config"),
		"/usr/src/linux-"+k.Version+"/.config", path.Join(modulesDir, k.Version, "build/.config"))
	return file
}

// maxBanner bounds what is read of a kernel's version, whose own bound is 64
// bytes (kernel, include/uapi/linux/utsname.h).
const maxBanner = 256

// kernelBanner returns the version that a kernel for x86 says it has; empty
// where it is another machine's, or no kernel (kernel, arch/x86/boot.rst,
// kernel_version).
func (t *tree) kernelBanner(file string) string {
	f, err := t.open(file)
	if err != nil {
		return ""
	}
	banner, err := bannerOf(f)
	if errors.Join(err, f.Close()) != nil {
		return ""
	}
	return banner
}

func bannerOf(f io.Reader) (string, error) {
	r, ok := f.(io.ReaderAt)
	if !ok {
		return "", errNotAt
	}
	const setup = 0x200
	header := make([]byte, 0x10)
	if _, err := r.ReadAt(header, setup); err != nil || string(header[2:6]) != "HdrS" {
		return "", err
	}
	text := make([]byte, maxBanner)
	n, err := r.ReadAt(text, setup+int64(binary.LittleEndian.Uint16(header[0xe:])))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	version, _, _ := bytes.Cut(text[:n], []byte(" "))
	if len(version) > 64 || bytes.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
		return "", nil
	}
	return string(version), nil
}

// before3 reports whether a kernel is older than 3.minor; ok is false where
// its version does not start with two numbers.
func (k Kernel) before3(minor int) (older, ok bool) {
	first, rest, _ := strings.Cut(k.Version, ".")
	digits := strings.IndexFunc(rest, func(r rune) bool { return !isDigit(r) })
	if digits < 0 {
		digits = len(rest)
	}
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(rest[:digits])
	return a < 3 || (a == 3 && b < minor), errA == nil && errB == nil
}
