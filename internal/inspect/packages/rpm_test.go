package packages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// need skips the test where a program is missing.
func need(t testing.TB, what string, programs map[string]string) {
	t.Helper()
	for program, from := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian package %s): %s is not tested", program, from, what)
		}
	}
}

func run(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

const dbPath = "var/lib/rpm"

// rpmRoot makes a guest whose packages rpm itself has entered, in the one
// backend that Debian's rpm writes, and returns its root and what rpm says is
// installed.
func rpmRoot(t testing.TB) (root string, want []Package) {
	t.Helper()
	need(t, "the database of rpm", map[string]string{"rpm": "rpm", "rpmbuild": "rpm"})
	dir, root := t.TempDir(), t.TempDir()
	spec, err := filepath.Abs("testdata/guest.spec")
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, spec)
	files, err := filepath.Glob(filepath.Join(dir, "RPMS/noarch/*.rpm"))
	if err != nil || len(files) == 0 {
		t.Fatalf("rpmbuild made no packages: %v", err)
	}
	rpm(t, root, append([]string{"-i", "--justdb", "--nodeps"}, files...)...)
	return root, rpmSays(rpm(t, root, "-qa", "--qf", queryFormat))
}

const queryFormat = `%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n`

func rpm(t testing.TB, root string, args ...string) string {
	return run(t, root, "rpm", append([]string{"--root", root, "--define", "_dbpath /" + dbPath}, args...)...)
}

// rpmSays is the answer to a query, in the order of Read.
func rpmSays(answer string) []Package {
	var list []Package
	for line := range strings.Lines(answer) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		list = append(list, Package{name, version})
	}
	return sorted(list)
}

func sorted(list []Package) []Package {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Name+" "+a.Version, b.Name+" "+b.Version) })
	return list
}

// check reads the database of a guest and compares it with what its own
// program says.
func check(t testing.TB, fsys fs.FS, manager, path string, want []Package) *Database {
	t.Helper()
	d, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if d.Manager != manager || d.Path != path {
		t.Errorf("read the %s database %s, want %s %s", d.Manager, d.Path, manager, path)
	}
	if len(want) == 0 || !slices.Equal(sorted(d.Packages), want) {
		t.Errorf("got %d packages, want %d:\n%v\n%v", len(d.Packages), len(want), sorted(d.Packages), want)
	}
	return d
}

func TestReadsWhatRPMWritesToSQLite(t *testing.T) {
	root, want := rpmRoot(t)
	d := check(t, os.DirFS(root), "rpm", "/var/lib/rpm", want)
	for name, want := range map[string]string{
		"cloud-init": "23.4-7.el9", "qemu-guest-agent": "17:8.2.0-38.el9", "kernel-core": "5.14.0-427.el9", "kernel": "",
	} {
		if got, ok := d.Version(name); got != want || ok != (want != "") {
			t.Errorf("Version(%s) = %q, %v; want %q", name, got, ok, want)
		}
	}

	t.Run("of which packages were removed", func(t *testing.T) {
		rpm(t, root, "-e", "--justdb", "--nodeps", "filler-3", "filler-30", "kernel-core")
		check(t, os.DirFS(root), "rpm", "/var/lib/rpm", rpmSays(rpm(t, root, "-qa", "--qf", queryFormat)))
	})
	t.Run("where Fedora and SUSE have it", func(t *testing.T) {
		moved := t.TempDir()
		if err := os.CopyFS(filepath.Join(moved, "usr/lib/sysimage/rpm"), os.DirFS(filepath.Join(root, dbPath))); err != nil {
			t.Fatal(err)
		}
		check(t, os.DirFS(moved), "rpm", "/usr/lib/sysimage/rpm", rpmSays(rpm(t, root, "-qa", "--qf", queryFormat)))
	})
	for _, beside := range []string{"rpmdb.sqlite-wal", "rpmdb.sqlite-journal"} {
		t.Run("with changes in "+beside, func(t *testing.T) {
			file := filepath.Join(root, dbPath, beside)
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Read(os.DirFS(root))
			if !errors.Is(err, diskerr.ErrUnsupported) || !strings.Contains(err.Error(), beside) {
				t.Errorf("got %v, want that %s is not read", err, beside)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestReadsLogOfSQLite: the log of a database that was not closed, as in an
// image of a guest that was cut off.
func TestTellsOfUnwrittenLogOfSQLite(t *testing.T) {
	need(t, "a database with a log", map[string]string{"sqlite3": "sqlite3"})
	dir := t.TempDir()
	db := filepath.Join(dir, dbPath, "rpmdb.sqlite")
	if err := os.MkdirAll(filepath.Dir(db), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "sqlite3", db, "PRAGMA journal_mode=wal", ".filectrl persist_wal 1", "PRAGMA wal_autocheckpoint=0",
		"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)", ".exit")
	if info, err := os.Stat(db + "-wal"); err != nil || info.Size() == 0 {
		t.Skipf("needs a sqlite3 that can keep its log (.filectrl persist_wal): a real log is not tested")
	}
	if _, err := Read(os.DirFS(dir)); !errors.Is(err, diskerr.ErrUnsupported) || !strings.Contains(err.Error(), "rpmdb.sqlite-wal") {
		t.Errorf("got %v, want that the log is not read", err)
	}
}

// TestReadsSQLiteOfEveryPageSize: rpm takes SQLite's default, and a database
// that was vacuumed may have another.
func TestReadsSQLiteOfEveryPageSize(t *testing.T) {
	need(t, "pages of other sizes", map[string]string{"sqlite3": "sqlite3"})
	root, want := rpmRoot(t)
	db := filepath.Join(root, dbPath, "rpmdb.sqlite")
	for _, size := range []int{512, 1024, 65536} {
		run(t, root, "sqlite3", db, "PRAGMA journal_mode=delete", fmt.Sprintf("PRAGMA page_size=%d", size), "VACUUM")
		b, err := os.ReadFile(db)
		if err != nil {
			t.Fatal(err)
		}
		if got := binary.BigEndian.Uint16(b[16:]); got != uint16(size) && size != 65536 {
			t.Fatalf("sqlite3 made pages of %d bytes, want %d", got, size)
		}
		check(t, os.DirFS(root), "rpm", "/var/lib/rpm", want)
	}
}

// headers are those of a database, in rpm's own form.
func headers(t testing.TB, root string) [][]byte {
	t.Helper()
	const magic = 8
	var list [][]byte
	for b := []byte(run(t, root, "rpmdb", "--root", root, "--define", "_dbpath /"+dbPath, "--exportdb")); len(b) > 0; {
		b = b[magic:]
		n := 8 + 16*binary.BigEndian.Uint32(b) + binary.BigEndian.Uint32(b[4:])
		list = append(list, b[:n])
		b = b[n:]
	}
	return list
}

// TestReadsBerkeleyDB: written by Berkeley DB's own program, in both byte
// orders, and read by rpm too.
func TestReadsBerkeleyDB(t *testing.T) {
	need(t, "a database of Berkeley DB", map[string]string{"db5.3_load": "db5.3-util"})
	root, want := rpmRoot(t)
	for _, tt := range []struct {
		order    string
		pageSize int
		number   binary.ByteOrder
	}{{"1234", 4096, binary.LittleEndian}, {"4321", 4096, binary.BigEndian}, {"1234", 512, binary.LittleEndian}, {"1234", 65536, binary.LittleEndian}} {
		t.Run(fmt.Sprintf("order %s, pages of %d", tt.order, tt.pageSize), func(t *testing.T) {
			dir := t.TempDir()
			load := &strings.Builder{}
			fmt.Fprintf(load, "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=%d\ndb_lorder=%s\nHEADER=END\n", tt.pageSize, tt.order)
			key := make([]byte, 4)
			for i, h := range append([][]byte{{9, 0, 0, 0}}, headers(t, root)...) {
				tt.number.PutUint32(key, uint32(i))
				fmt.Fprintf(load, " %x\n %x\n", key, h)
			}
			load.WriteString("DATA=END\n")
			if err := os.WriteFile(filepath.Join(dir, "dump"), []byte(load.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, dbPath), 0o755); err != nil {
				t.Fatal(err)
			}
			run(t, dir, "db5.3_load", "-f", "dump", filepath.Join(dbPath, "Packages"))
			check(t, os.DirFS(dir), "rpm", "/var/lib/rpm", want)
			if tt.number == binary.LittleEndian {
				said := rpm(t, dir, "--define", "_db_backend bdb_ro", "-qa", "--qf", queryFormat)
				if !slices.Equal(rpmSays(said), want) {
					t.Errorf("rpm does not read what was made:\n%s", said)
				}
			}
		})
	}
}

// TestReadsNDB: testdata/Packages.db holds the packages of testdata/guest.spec
// without filler-7, entered and removed by the code of rpm 4.18
// (lib/backend/ndb/rpmpkg.c), as Debian's rpm is built without it.
func TestReadsNDB(t *testing.T) {
	b, err := os.ReadFile("testdata/Packages.db")
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{
		{"cloud-init", "23.4-7.el9"},
		{"kernel-core", "5.14.0-427.el9"},
		{"openssh-server", "8.7p1-38.el9"},
		{"qemu-guest-agent", "17:8.2.0-38.el9"},
	}
	for i := range 60 {
		if i+1 != 7 {
			want = append(want, Package{fmt.Sprintf("filler-%d", i+1), "8.7p1-38.el9"})
		}
	}
	check(t, fstest.MapFS{"usr/lib/sysimage/rpm/Packages.db": {Data: b}}, "rpm", "/usr/lib/sysimage/rpm", sorted(want))
}
