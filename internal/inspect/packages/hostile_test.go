package packages

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// headerOf is a package's header with a description of some length, as rpm
// stores it.
func headerOf(name string, description int) []byte {
	const typeString = 6
	type tag struct {
		number, kind uint32
		value        []byte
	}
	var index, data []byte
	for _, t := range []tag{
		{tagName, typeString, []byte(name + "\x00")},
		{tagVersion, typeString, []byte("1.2\x00")},
		{tagRelease, typeString, []byte("3\x00")},
		{tagEpoch, typeInt32, []byte{0, 0, 0, 4}},
		{1005, typeString, append(bytes.Repeat([]byte("x"), description), 0)},
	} {
		for _, v := range []uint32{t.number, t.kind, uint32(len(data)), 1} {
			index = binary.BigEndian.AppendUint32(index, v)
		}
		data = append(data, t.value...)
	}
	h := binary.BigEndian.AppendUint32(nil, uint32(len(index)/16))
	h = binary.BigEndian.AppendUint32(h, uint32(len(data)))
	return append(append(h, index...), data...)
}

func TestHeader(t *testing.T) {
	whole := headerOf("a", 10)
	if p, err := readHeader(bytes.NewReader(whole), int64(len(whole))); err != nil || p != (Package{"a", "4:1.2-3"}) {
		t.Errorf("got %v, %v", p, err)
	}
	for n := range len(whole) {
		if p, err := readHeader(bytes.NewReader(whole[:n]), int64(n)); err == nil {
			t.Errorf("of %d of its %d bytes: got %v, want an error", n, len(whole), p)
		}
	}
	for name, damage := range map[string]struct {
		at    int
		value uint32
	}{
		"no tags": {0, 0}, "many tags": {0, 0xffffffff}, "much data": {4, 0xffffffff}, "a name behind the data": {16, 0x7fffffff}, "no name": {8, 9},
	} {
		h := bytes.Clone(whole)
		binary.BigEndian.PutUint32(h[damage.at:], damage.value)
		if p, err := readHeader(bytes.NewReader(h), int64(len(h))); err == nil {
			t.Errorf("%s: got %v, want an error", name, p)
		}
	}
}

// TestOnlyTheFrontOfAHeaderIsRead: file lists and change logs are most of a
// database.
func TestOnlyTheFrontOfAHeaderIsRead(t *testing.T) {
	h := headerOf("a", 1<<20)
	r := &counting{r: bytes.NewReader(h)}
	if _, err := readHeader(r, int64(len(h))); err != nil || r.n > 1000 {
		t.Errorf("read %d bytes, %v; want less than 1000", r.n, err)
	}
}

type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// smallDatabases are one of each backend, by the name of its file, with pages
// of 512 bytes so that few packages need all that a format has. A backend whose
// program is missing is left out.
func smallDatabases(t testing.TB) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	sql := &strings.Builder{}
	sql.WriteString("PRAGMA page_size=512; CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);\n")
	load := &strings.Builder{}
	load.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=512\nHEADER=END\n 00000000\n 09000000\n")
	for i := range 12 {
		h := headerOf(fmt.Sprintf("p%d", i), 200*(i%4))
		fmt.Fprintf(sql, "INSERT INTO Packages (blob) VALUES (x'%x');\n", h)
		fmt.Fprintf(load, " %02x000000\n %x\n", i+1, h)
	}
	load.WriteString("DATA=END\n")
	databases := map[string][]byte{}
	for file, make := range map[string]struct {
		input string
		args  []string
	}{
		"rpmdb.sqlite": {sql.String(), []string{"sqlite3", "rpmdb.sqlite"}},
		"Packages":     {load.String(), []string{"db5.3_load", "Packages"}},
	} {
		if _, err := exec.LookPath(make.args[0]); err != nil {
			continue
		}
		cmd := exec.Command(make.args[0], make.args[1:]...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(make.input)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", make.args, err, out)
		}
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		databases[file] = b
	}
	b, err := os.ReadFile("testdata/Packages.db")
	if err != nil {
		t.Fatal(err)
	}
	databases["Packages.db"] = b
	return databases
}

func TestSmallDatabasesAreRead(t *testing.T) {
	for file, b := range smallDatabases(t) {
		want := 12
		if file == "Packages.db" {
			want = 63
		}
		d, err := Read(fstest.MapFS{dbPath + "/" + file: {Data: b}})
		if err != nil || len(d.Packages) != want {
			t.Errorf("%s: got %+v, %v; want %d packages", file, d, err, want)
		}
	}
}

// TestDamageIsAnErrorAndEnds changes bytes where a format keeps its numbers.
func TestDamageIsAnErrorAndEnds(t *testing.T) {
	for file, whole := range smallDatabases(t) {
		t.Run(file, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			failed := 0
			for range 1000 {
				b := bytes.Clone(whole)
				for range 1 + random.IntN(3) {
					b[random.IntN(min(len(b), 8192))] = byte(random.IntN(256))
				}
				if random.IntN(20) == 0 {
					b = b[:random.IntN(len(b))]
				}
				start := time.Now()
				if _, err := Read(fstest.MapFS{dbPath + "/" + file: {Data: b}}); err != nil {
					failed++
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Fatalf("a damaged database took %s", took)
				}
			}
			if failed == 0 {
				t.Error("of 1000 damaged databases none was an error")
			}
		})
	}
}

func fuzzBackend(f *testing.F, file string, read func(source) error) {
	f.Add(smallDatabases(f)[file])
	f.Fuzz(func(t *testing.T, b []byte) {
		left := int64(16 << 20)
		_ = read(source{ReaderAt: bytes.NewReader(b), size: int64(len(b)), left: &left, yield: func(header io.Reader, size int64) error {
			p, err := readHeader(header, size)
			if err == nil && (p.Name == "" || len(p.Name) > maxName) {
				t.Errorf("a name of %d bytes", len(p.Name))
			}
			return err
		}})
	})
}

func FuzzSQLite(f *testing.F)     { fuzzBackend(f, "rpmdb.sqlite", readSQLite) }
func FuzzNDB(f *testing.F)        { fuzzBackend(f, "Packages.db", readNDB) }
func FuzzBerkeleyDB(f *testing.F) { fuzzBackend(f, "Packages", readBDB) }

func FuzzText(f *testing.F) {
	f.Add(dpkgStatus)
	f.Add("P:musl\nV:1\n\nP:x\n")
	f.Add("%NAME%\nx\n\n%VERSION%\n1\n")
	f.Fuzz(func(_ *testing.T, text string) {
		for _, path := range []string{
			"var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/pacman/local/x-1-1/desc",
		} {
			_, _ = Read(guest{path: text}.fs())
		}
	})
}
