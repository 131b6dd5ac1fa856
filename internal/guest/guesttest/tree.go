package guesttest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// debian is the least that makes a tree a Debian guest with systemd.
var debian = map[string]string{
	"etc/os-release":      "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
	"run/systemd/system/": "",
	"var/lib/dpkg/status": "",
	"etc/passwd":          "root:x:0:0:root:/root:/bin/bash\n",
	"etc/shadow":          "root:*:19000:0:99999:7:::\n",
	"proc/self/mountinfo": "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n",
}

// NewTree makes a directory with the files of a Debian guest and the given ones,
// and returns it. A name that ends in "/" is a directory; contents that begin
// with "-> " are the target of a symbolic link; "-" takes a file out.
func NewTree(t *testing.T, files ...map[string]string) string {
	t.Helper()
	return NewTreeOf(t, debian, files...)
}

// NewTreeOf is NewTree for a guest that is no Debian but has the files of base.
func NewTreeOf(t *testing.T, base map[string]string, files ...map[string]string) string {
	t.Helper()
	all := maps.Clone(base)
	for _, more := range files {
		maps.Copy(all, more)
	}
	root := t.TempDir()
	for name, text := range all {
		if text != "-" {
			plant(t, filepath.Join(root, name), text, strings.HasSuffix(name, "/"))
		}
	}
	return root
}

func plant(t *testing.T, path, text string, dir bool) {
	t.Helper()
	parent := filepath.Dir(path)
	if dir {
		parent = path
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	target, link := strings.CutPrefix(text, "-> ")
	switch {
	case dir:
	case link:
		err = os.Symlink(target, path)
	default:
		err = os.WriteFile(path, []byte(text), mode(path))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mode makes what lies in a folder of programs executable.
func mode(path string) os.FileMode {
	if strings.HasSuffix(filepath.Dir(path), "bin") {
		return 0o755
	}
	return 0o644
}

// Installed returns a tree's list of installed packages, given as "name version".
func Installed(packages ...string) map[string]string {
	var b strings.Builder
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		b.WriteString("Package: " + name + "\nStatus: install ok installed\nMaintainer: x <x@example.org>\n" +
			"Architecture: all\nVersion: " + version + "\nDescription: x\n\n")
	}
	return map[string]string{"var/lib/dpkg/status": b.String()}
}

// InTree returns a communicator to a guest that is only the tree of files at
// root: the guest program works on it in place of the running system. Programs
// in the directory stubs, which may be empty, come before the machine's own.
func InTree(root, stubs string) Exec {
	path := os.Getenv("PATH")
	if stubs != "" {
		path = stubs + ":" + path
	}
	return Exec{Shell: []string{"env", "ROOT=" + root, "ARCH=x86_64", "PATH=" + path, "sh", "-c"}}
}

// Stubs makes a directory of shell scripts, named and with the given bodies, to
// stand in for programs.
func Stubs(t *testing.T, bodies map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range bodies {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
