package guesttest

import (
	"debug/elf"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// boxPrograms are what the guest program itself calls in every guest.
const boxPrograms = "sh [ awk basename cat chmod cksum cmp cp cpio cut date df dirname env expr find grep gzip head id kill ln ls mkdir " +
	"mktemp mv od printf ps readlink rm sed sha256sum sleep sort stat sync tail tee test timeout touch tr true uname uniq wc"

// NewBox is NewTreeOf for a tree that can be worked on as the root of a running
// system, without ROOT: it has busybox, and the given shell scripts in /usr/sbin.
// It returns the tree and a communicator to it, as root.
func NewBox(t *testing.T, base, programs map[string]string) (string, Exec) {
	t.Helper()
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("needs root and mount namespaces (%s): to rebuild boot menus and initramfs in a root of its own is left out", strings.TrimSpace(string(out)))
	}
	busybox := staticBusybox(t)
	tree := maps.Clone(base)
	for name, body := range programs {
		tree["usr/sbin/"+name] = "#!/bin/sh\n" + body + "\n"
	}
	tree["bin/busybox"] = busybox
	for _, name := range strings.Fields(boxPrograms) {
		tree["bin/"+name] = "-> busybox"
	}
	for _, dir := range []string{"dev/", "tmp/", "var/run/", "sbin/"} {
		tree[dir] = ""
	}
	root := NewTreeOf(t, tree)
	return root, Exec{Shell: []string{
		"unshare", "--mount", "sh", "-c", `mount --rbind /dev "$0/dev" && exec chroot "$0" /bin/env -i ARCH=x86_64 PATH=/usr/sbin:/usr/bin:/bin /bin/sh -c "$1"`, root,
	}}
}

// staticBusybox returns this machine's busybox, which must need no library.
func staticBusybox(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs busybox (Debian package busybox-static): to rebuild boot menus and initramfs in a root of its own is left out")
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Skip("needs a static busybox (Debian package busybox-static): to rebuild boot menus and initramfs in a root of its own is left out")
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// MakeImmutable keeps everybody from changing files of a tree (chattr(1)) until
// the test is over.
func MakeImmutable(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if out, err := exec.Command("chattr", "+i", path).CombinedOutput(); err != nil {
			t.Skipf("needs root and a file system with immutable files (%s): what cannot be removed is left out", strings.TrimSpace(string(out)))
		}
		t.Cleanup(func() {
			if err := exec.Command("chattr", "-i", path).Run(); err != nil {
				t.Error(err)
			}
		})
	}
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
