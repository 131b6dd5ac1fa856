//go:build linux

// Package boottest tries the boot program of guests without cloud-init: with
// every shell, every way to metadata, and real disks in a real machine.
package boottest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

const bootProgram = "../scripts/boot/boot.sh"

// machine is a virtual machine without a system of its own: a real kernel, and
// an initramfs with the tools that the boot program can use.
type machine struct {
	dir, kernel, modules string
	disks                []string
}

// drivers are the modules that the machine loads, without what they need.
var drivers = []string{
	"virtio_pci", "virtio_blk", "dm-mod", "crc32c_generic", "xfs", "btrfs", "isofs", "vfat", "nls_cp437", "nls_ascii",
}

// tools are programs of this machine, with their Debian packages, which go into
// the virtual one: folder bin is for all disks, the others are for some.
var tools = []struct{ folder, program, pkg string }{
	{"bin", "dash", "dash"},
	{"bin", "partx", "util-linux"},
	{"bin", "blkid", "util-linux"},
	{"bin", "flock", "util-linux"},
	{"bin", "mke2fs", "e2fsprogs"},
	{"bin", "e2fsck", "e2fsprogs"},
	{"bin", "resize2fs", "e2fsprogs"},
	{"bin", "mkfs.xfs", "xfsprogs"},
	{"bin", "xfs_repair", "xfsprogs"},
	{"bin", "xfs_db", "xfsprogs"},
	{"bin", "xfs_growfs", "xfsprogs"},
	{"bin", "mkfs.btrfs", "btrfs-progs"},
	{"bin", "btrfs", "btrfs-progs"},
	{"bin", "lvm", "lvm2"},
	{"bin", "ssh-keygen", "openssh-client"},
	{"with/sfdisk", "sfdisk", "fdisk"},
	{"with/sgdisk", "sgdisk", "gdisk"},
	{"with/parted", "parted", "parted"},
	{"with/growpart", "growpart", "cloud-guest-utils"},
	{"with/growpart", "sfdisk", "fdisk"},
	{"with/old", "sfdisk", "fdisk"},
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	needPrograms(t, "qemu-system-x86_64", "qemu-system-x86", "busybox", "busybox-static", "ldd", "libc-bin")
	for _, tool := range tools {
		needPrograms(t, tool.program, tool.pkg)
	}
	m := &machine{dir: t.TempDir()}
	m.kernel, m.modules = guesttest.Kernel(t)
	return m
}

// needPrograms takes pairs of a program and its Debian package.
func needPrograms(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if _, err := exec.LookPath(pairs[i]); err != nil {
			t.Skipf("needs %s (Debian package %s): this test of the boot program is left out", pairs[i], pairs[i+1])
		}
	}
}

// addDisk gives the machine a disk file, which it calls by the name.
func (m *machine) addDisk(name, path string) {
	m.disks = append(m.disks,
		"-drive", "if=none,format=raw,file.locking=off,id="+name+",file="+path,
		"-device", "virtio-blk-pci,drive="+name+",serial="+name)
}

// run boots the machine with a script as its first process, and returns what
// it says until it powers itself off.
func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	initramfs := m.initramfs(t, script)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	args := []string{
		"-machine", "pc", "-cpu", "max", "-m", "768", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-accel", "tcg", "-kernel", m.kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1",
	}
	started := time.Now()
	out, err := exec.CommandContext(ctx, "qemu-system-x86_64", append(args, m.disks...)...).CombinedOutput()
	t.Logf("the machine ran for %s", time.Since(started).Round(time.Second))
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

func (m *machine) initramfs(t *testing.T, script string) string {
	t.Helper()
	root := filepath.Join(m.dir, "initramfs")
	for _, dir := range []string{"bin", "lib64", "dev", "proc", "sys", "run", "mnt", "tmp", "etc", "usr/libexec/openstack-ready", "modules"} {
		mkdir(t, filepath.Join(root, dir))
	}
	shell(t, root, `
		cp "$(command -v busybox)" bin/busybox
		for applet in $(bin/busybox --list); do [ -e bin/$applet ] || ln -s busybox bin/$applet; done
		rm -f bin/sh bin/partprobe bin/blockdev
		ln -s dash bin/sh`)
	for _, tool := range tools {
		m.addTool(t, root, tool.folder, tool.program)
	}
	m.addModules(t, root)
	copyFile(t, bootProgram, filepath.Join(root, "usr/libexec/openstack-ready/boot"), 0o755)
	writeFile(t, filepath.Join(root, "init"), script, 0o755)
	image := filepath.Join(m.dir, "initramfs.cpio")
	shell(t, root, "find . | busybox cpio -o -H newc >"+image+" 2>/dev/null")
	return image
}

// addTool copies a program with its libraries.
func (m *machine) addTool(t *testing.T, root, folder, program string) {
	t.Helper()
	shell(t, root, `
		mkdir -p `+folder+`
		file=$(readlink -f "$(PATH=/usr/sbin:/sbin:/usr/bin:/bin command -v `+program+`)")
		rm -f `+folder+`/`+program+`
		cp "$file" `+folder+`/`+program+`
		for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*'); do
			mkdir -p ".${library%/*}"
			cp -L "$library" ".$library"
		done`)
}

// addModules copies the drivers and what they need, in an order in which they
// can be loaded.
func (m *machine) addModules(t *testing.T, root string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(m.modules, "modules.dep"))
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string][]string{}
	byName := map[string]string{}
	for line := range strings.Lines(string(b)) {
		file, deps, _ := strings.Cut(strings.TrimSpace(line), ":")
		needs[file] = strings.Fields(deps)
		byName[strings.TrimSuffix(filepath.Base(file), ".ko")] = file
	}
	var order []string
	loaded := map[string]bool{}
	var load func(file string)
	load = func(file string) {
		if file == "" || loaded[file] {
			return
		}
		loaded[file] = true
		for _, dep := range needs[file] {
			load(dep)
		}
		copyFile(t, filepath.Join(m.modules, file), filepath.Join(root, "modules", filepath.Base(file)), 0o644)
		order = append(order, "/modules/"+filepath.Base(file))
	}
	for _, driver := range drivers {
		load(byName[driver])
	}
	writeFile(t, filepath.Join(root, "modules/order"), strings.Join(order, "\n")+"\n", 0o644)
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, string(b), mode)
}

// shell runs a script in a folder and returns what it prints.
func shell(t *testing.T, dir, script string) string {
	t.Helper()
	c := exec.Command("sh", "-euc", script)
	c.Dir = dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	return string(out)
}
