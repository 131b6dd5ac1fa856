package packages

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// guest is a tree of small files, by path.
type guest map[string]string

func (g guest) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range g {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			m[dir] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
			continue
		}
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

const dpkgStatus = `Package: cloud-init
Status: install ok installed
Architecture: all
Version: 22.4.2-1
Description: x
 Package: not-this

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9

Package: removed
Status: deinstall ok config-files
Version: 3

Package: held
Status: hold ok installed
Version: 1:4

Package: half
Status: install ok half-configured
Version: 5`

func TestReadsEachFormat(t *testing.T) {
	tests := []struct {
		name, manager, path string
		guest               guest
		want                []Package
	}{
		{
			"dpkg", "dpkg", "/var/lib/dpkg/status",
			guest{"var/lib/dpkg/status": dpkgStatus},
			[]Package{{"cloud-init", "22.4.2-1"}, {"held", "1:4"}, {"libc6", "2.36-9"}, {"libc6", "2.36-9"}},
		},
		{
			"dpkg that was cut off", "dpkg", "/var/lib/dpkg/status",
			guest{
				"var/lib/dpkg/status":       dpkgStatus,
				"var/lib/dpkg/updates/0000": "Package: half\nStatus: install ok installed\nVersion: 5\n",
				"var/lib/dpkg/updates/0001": "Package: libc6\nStatus: install ok unpacked\nArchitecture: i386\nVersion: 2.37\n",
				"var/lib/dpkg/updates/tmp":  "Package: x\nStatus: install ok installed\nVersion: 1\n",
			},
			[]Package{{"cloud-init", "22.4.2-1"}, {"half", "5"}, {"held", "1:4"}, {"libc6", "2.36-9"}},
		},
		{
			"apk", "apk", "/lib/apk/db/installed",
			guest{"lib/apk/db/installed": "C:Q1x=\nP:cloud-init\nV:24.4-r0\nF:etc\nR:P:x\n\nP:musl\nV:1.2.5-r0\n\n"},
			[]Package{{"cloud-init", "24.4-r0"}, {"musl", "1.2.5-r0"}},
		},
		{
			"apk in /usr", "apk", "/usr/lib/apk/db/installed",
			guest{"usr/lib/apk/db/installed": "P:musl\nV:1.2.5-r0\n"},
			[]Package{{"musl", "1.2.5-r0"}},
		},
		{
			"pacman", "pacman", "/var/lib/pacman/local",
			guest{
				"var/lib/pacman/local/ALPM_DB_VERSION":                "9\n",
				"var/lib/pacman/local/openssh-1:9.8p1-1/desc":         "%NAME%\nopenssh\n\n%VERSION%\n1:9.8p1-1\n\n%DESC%\n%NAME%\n",
				"var/lib/pacman/local/cloud-guest-utils-0.33-2/mtree": "x",
			},
			[]Package{{"openssh", "1:9.8p1-1"}},
		},
		{
			"Portage", "portage", "/var/db/pkg",
			guest{
				"var/db/pkg/net-misc/openssh-9.8_p1-r2/PF":               "x",
				"var/db/pkg/app-emulation/cloud-init-24.1.4/PF":          "x",
				"var/db/pkg/sys-fs/growpart-0.33/PF":                     "x",
				"var/db/pkg/dev-libs/libfoo-2-bar-3.1b_rc2_p20240101/PF": "x",
				"var/db/pkg/dev-libs/-MERGING-half-1/PF":                 "x",
				"var/db/pkg/dev-libs/no-version/PF":                      "x",
				"var/db/pkg/.cache/x-1/PF":                               "x",
				"var/db/pkg/dev-libs/file-1":                             "x",
			},
			[]Package{
				{"app-emulation/cloud-init", "24.1.4"},
				{"dev-libs/libfoo-2-bar", "3.1b_rc2_p20240101"},
				{"net-misc/openssh", "9.8_p1-r2"},
				{"sys-fs/growpart", "0.33"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.guest.fs(), tt.manager, tt.path, tt.want) })
	}
}

func TestVersionOfSeveralIsTheLast(t *testing.T) {
	d := &Database{Packages: []Package{{"a", "1"}, {"kernel", "1"}, {"kernel", "2"}, {"z", "1"}}}
	if got, ok := d.Version("kernel"); got != "2" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := d.Version("b"); got != "" || ok {
		t.Errorf("of a package that is not installed: got %q, %v", got, ok)
	}
	if got, ok := (*Database)(nil).Version("a"); got != "" || ok {
		t.Errorf("without a database: got %q, %v", got, ok)
	}
}

// TestTheLargestDatabaseIsTheSystems: a Debian can have rpm installed, and an
// EL dpkg, with databases of their own.
func TestTheLargestDatabaseIsTheSystems(t *testing.T) {
	ndb, err := os.ReadFile("testdata/Packages.db")
	if err != nil {
		t.Fatal(err)
	}
	status := guest{"var/lib/dpkg/status": dpkgStatus}.fs()
	status["var/lib/rpm/Packages.db"] = &fstest.MapFile{Data: ndb}
	if d, err := Read(status); err != nil || d.Manager != "rpm" {
		t.Errorf("63 packages of rpm beside 4 of dpkg: got %+v, %v", d, err)
	}
	empty := guest{"var/lib/dpkg/status": dpkgStatus, "var/lib/rpm/Packages": "broken"}.fs()
	if d, err := Read(empty); err != nil || d.Manager != "dpkg" {
		t.Errorf("a broken database of rpm beside dpkg's: got %+v, %v", d, err)
	}
	if _, err := Read(guest{"var/lib/dpkg/status": "", "var/lib/rpm/Packages": strings.Repeat("broken", 100)}.fs()); !errors.Is(err, diskerr.ErrCorrupt) {
		t.Errorf("an empty database of dpkg beside a broken one: %v", err)
	}
	if _, err := Read(guest{"etc/": ""}.fs()); !errors.Is(err, diskerr.ErrNotFound) {
		t.Errorf("no database: %v", err)
	}
}

func TestDatabasesAreBounded(t *testing.T) {
	many := strings.Builder{}
	for i := range maxPackages + 1 {
		many.WriteString("P:p" + strconv.Itoa(i) + "\nV:1\n\n")
	}
	journal, local, categories := guest{"var/lib/dpkg/status": dpkgStatus}, guest{}, guest{}
	for i := range maxText/maxEntry + 1 {
		journal["var/lib/dpkg/updates/"+strconv.Itoa(i)] = strings.Repeat("x", maxEntry)
		local["var/lib/pacman/local/x-1-"+strconv.Itoa(i)+"/desc"] = "%NAME%\nx\n" + strings.Repeat("x", maxEntry-10)
	}
	for i := range maxPackages + 1 {
		categories["var/db/pkg/a/"+strconv.Itoa(i)] = ""
	}
	for name, g := range map[string]guest{
		"a journal": journal, "descriptions": local, "entries": categories,
		"packages":  {"lib/apk/db/installed": many.String()},
		"a name":    {"lib/apk/db/installed": "P:" + strings.Repeat("x", maxName+1) + "\n"},
		"a version": {"var/lib/dpkg/status": "Package: x\nStatus: install ok installed\nVersion: " + strings.Repeat("x", maxName+1)},
		"text":      {"var/lib/dpkg/status": strings.Repeat("x", maxText+1)},
		"an entry":  {"var/lib/pacman/local/x-1-1/desc": strings.Repeat("x", maxEntry+1)},
		"no name":   {"var/lib/pacman/local/x-1-1/desc": "%NAME%\n"},
	} {
		if d, err := Read(g.fs()); err == nil || errors.Is(err, diskerr.ErrNotFound) {
			t.Errorf("%s: got %v, %v; want an error", name, d, err)
		}
	}
}

// TestReadsDebiansOwn reads the database of the machine that runs the test.
func TestReadsDebiansOwn(t *testing.T) {
	need(t, "a real database of dpkg", map[string]string{"dpkg-query": "dpkg"})
	var want []Package
	for line := range strings.Lines(run(t, t.TempDir(), "dpkg-query", "-W", "-f", `${db:Status-Status} ${Package} ${Version}\n`)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "installed" {
			want = append(want, Package{words[1], words[2]})
		}
	}
	status, err := os.ReadFile("/var/lib/dpkg/status")
	if err != nil {
		t.Fatal(err)
	}
	check(t, guest{"var/lib/dpkg/status": string(status)}.fs(), "dpkg", "/var/lib/dpkg/status", sorted(want))
}

func TestReadsWhatPacmanWrites(t *testing.T) {
	need(t, "a real database of pacman", map[string]string{"pacman": "pacman-package-manager"})
	root, dir := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "var/lib/pacman"), 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"--root", root, "--config", "/dev/null", "--noconfirm"}
	install := append(slices.Clone(args), "-U", "--dbonly")
	for name, version := range map[string]string{"openssh": "1:9.8p1-1", "cloud-guest-utils": "0.33-2", "x-2-y": "3-4"} {
		install = append(install, pacmanPackage(t, dir, name, version))
	}
	run(t, dir, "pacman", install...)
	check(t, os.DirFS(root), "pacman", "/var/lib/pacman/local", rpmSays(run(t, dir, "pacman", append(args, "-Q")...)))
}

// pacmanPackage makes a package of no content.
func pacmanPackage(t testing.TB, dir, name, version string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name+".pkg.tar"))
	if err != nil {
		t.Fatal(err)
	}
	info := "pkgname = " + name + "\npkgver = " + version + "\npkgdesc = x\nsize = 1\narch = any\n"
	w := tar.NewWriter(f)
	err = w.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info))})
	if err == nil {
		_, err = w.Write([]byte(info))
	}
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
