package disktest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Tree makes a folder of everything that is awkward to store: sizes around
// the limits of a file system with blocks of blockSize bytes, holes, many
// pieces, links, names, owners and times. It returns its path.
func Tree(t testing.TB, blockSize int) string {
	t.Helper()
	root := TreeWithoutHoles(t, blockSize)
	b := builder{TB: t, root: root, random: rand.New(rand.NewPCG(8, 8)), blockSize: blockSize}
	b.holes()
	return root
}

// TreeWithoutHoles is for mke2fs with inline_data, which stores files with
// holes wrong (e2fsprogs 1.47.0).
func TreeWithoutHoles(t testing.TB, blockSize int) string {
	t.Helper()
	b := builder{TB: t, root: t.TempDir(), random: rand.New(rand.NewPCG(7, 7)), blockSize: blockSize}
	b.sizes()
	b.links()
	b.names()
	b.folders()
	b.owners()
	b.devices()
	b.times()
	return b.root
}

type builder struct {
	testing.TB
	root      string
	random    *rand.Rand
	blockSize int
}

func (b *builder) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *builder) folder(name string) string {
	path := filepath.Join(b.root, name)
	b.must(os.MkdirAll(path, 0o755))
	return path
}

func (b *builder) bytes(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(b.random.Uint32())
	}
	return data
}

func (b *builder) sizes() {
	folder := b.folder("sizes")
	pointers := b.blockSize / 4
	var sizes []int
	// What fits in an inode of 128, 256 or 1024 bytes, and in blocks.
	for _, limit := range []int{1, 60, 100, 156, 160, 512, 880, b.blockSize, 12 * b.blockSize, (12 + pointers) * b.blockSize} {
		sizes = append(sizes, limit-1, limit, limit+1)
	}
	for _, size := range sizes {
		b.must(os.WriteFile(filepath.Join(folder, fmt.Sprint(size)), b.bytes(size), 0o644))
	}
}

// sparse makes a file of size bytes with data of one block at the offsets.
func (b *builder) sparse(name string, size int64, offsets ...int64) {
	f, err := os.Create(name)
	b.must(err)
	for _, off := range offsets {
		_, err := f.WriteAt(b.bytes(b.blockSize), off)
		b.must(err)
	}
	b.must(f.Truncate(size))
	b.must(f.Close())
}

func (b *builder) holes() {
	folder, block := b.folder("holes"), int64(b.blockSize)
	b.sparse(filepath.Join(folder, "all"), 50*block)
	b.sparse(filepath.Join(folder, "start"), 20*block, 19*block)
	b.sparse(filepath.Join(folder, "middle"), 20*block, 0, 19*block)
	b.sparse(filepath.Join(folder, "end"), 20*block+1, 0)
	pointers := block / 4
	double, triple := 12+pointers, 12+pointers+pointers*pointers
	b.sparse(filepath.Join(folder, "double"), (double+3)*block, 0, (double+1)*block)
	if triple*block < 100<<20 {
		b.sparse(filepath.Join(folder, "triple"), (triple+3)*block+5, 5*block, (triple+1)*block)
	}
	var every []int64
	for i := range int64(500) {
		every = append(every, 2*i*block)
	}
	b.sparse(filepath.Join(folder, "pieces"), 1001*block, every...)
}

func (b *builder) links() {
	folder := b.folder("links")
	for _, length := range []int{1, 58, 59, 60, 61, 62, 150, 160, 255, 1000, 2000, 4000} {
		if length < b.blockSize {
			target := strings.Repeat("t/", length)[:length]
			b.must(os.Symlink(target, filepath.Join(folder, fmt.Sprint(length))))
		}
	}
	b.must(os.Symlink("/sizes/1", filepath.Join(folder, "absolute")))
	b.must(os.Link(filepath.Join(b.root, "sizes/61"), filepath.Join(folder, "hard")))
}

func (b *builder) names() {
	folder := b.folder("names")
	for _, name := range []string{
		"x", strings.Repeat("n", 255), strings.Repeat("é", 127), "\xff\xfe not UTF-8 \x80", " ", "a\nb", "-rf", "*", "\\", "...",
	} {
		b.must(os.WriteFile(filepath.Join(folder, name), []byte(name), 0o644))
	}
}

func (b *builder) folders() {
	deep := "deep"
	for range 60 {
		deep += "/d"
	}
	b.must(os.WriteFile(filepath.Join(b.folder(deep), "f"), []byte("deep"), 0o644))
	b.folder("empty")
	few := b.folder("few")
	for i := range 4 {
		b.must(os.WriteFile(filepath.Join(few, fmt.Sprintf("file-%d", i)), nil, 0o644))
	}
	many := b.folder("many")
	for i := range 700 {
		b.must(os.WriteFile(filepath.Join(many, fmt.Sprintf("%s-%d", strings.Repeat("x", i%40), i)), nil, 0o644))
	}
}

func (b *builder) owners() {
	folder := b.folder("owners")
	for i, mode := range []uint32{0, 0o600, 0o4755, 0o2755, 0o1777, 0o7777} {
		path := filepath.Join(folder, fmt.Sprintf("%o", mode))
		b.must(os.WriteFile(path, []byte("mode"), 0o600))
		if os.Geteuid() == 0 {
			b.must(os.Lchown(path, i*30000, 200000-i*30000))
		}
		b.must(syscall.Chmod(path, mode))
	}
	attributed := filepath.Join(folder, "attribute")
	b.must(os.WriteFile(attributed, b.bytes(40), 0o644))
	if err := syscall.Setxattr(attributed, "user.awkward", b.bytes(30), 0); err != nil && !errors.Is(err, syscall.ENOTSUP) {
		b.Fatal(err)
	}
}

// devices makes what it may: devices are for root alone.
func (b *builder) devices() {
	folder := b.folder("devices")
	b.must(syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o640))
	if err := syscall.Mknod(filepath.Join(folder, "null"), syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
		b.Logf("no device in the tree: mknod: %v", err)
		return
	}
	b.must(syscall.Mknod(filepath.Join(folder, "disk"), syscall.S_IFBLK|0o660, 259<<8|1))
}

func (b *builder) times() {
	folder := b.folder("times")
	for _, when := range []string{"1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2038-01-19T03:14:07Z"} {
		at, err := time.Parse(time.RFC3339, when)
		b.must(err)
		path := filepath.Join(folder, when[:4])
		b.must(os.WriteFile(path, nil, 0o644))
		b.must(os.Chtimes(path, at, at))
	}
}

// SameTree compares everything in fsys with the folder dir: names, types,
// modes, owners, sizes, times in seconds, link targets and contents. What
// making a file system adds, lost+found, is left out.
func SameTree(t testing.TB, fsys *filesystem.FS, dir string) {
	t.Helper()
	same(t, fsys, dir, func(name string, got, want fs.FileInfo) {
		sameInfo(t, name, got, want)
		sameTimeAndLinks(t, name, got, want)
	})
}

// SameFiles is SameTree without times and numbers of links, for tools that
// can not store them.
func SameFiles(t testing.TB, fsys *filesystem.FS, dir string) {
	t.Helper()
	same(t, fsys, dir, func(name string, got, want fs.FileInfo) { sameInfo(t, name, got, want) })
}

func same(t testing.TB, fsys *filesystem.FS, dir string, sameInfo func(name string, got, want fs.FileInfo)) {
	t.Helper()
	got, want := walk(t, fsys), walk(t, os.DirFS(dir).(fs.ReadLinkFS))
	for name, info := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%q: missing", name)
			continue
		}
		sameInfo(name, got[name], info)
		sameContent(t, fsys, dir, name, info)
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q: is not in the source", name)
		}
	}
}

// walk lists what is below the root. os.DirFS refuses names that are not
// UTF-8, so that they are listed, and looked at by their folder's entries.
func walk(t testing.TB, fsys fs.ReadLinkFS) map[string]fs.FileInfo {
	t.Helper()
	found := map[string]fs.FileInfo{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "lost+found" {
			return fs.SkipDir
		}
		found[name], err = entry.Info()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func sameInfo(t testing.TB, name string, got, want fs.FileInfo) {
	t.Helper()
	if got.Mode() != want.Mode() {
		t.Errorf("%q: mode: got %v, want %v", name, got.Mode(), want.Mode())
	}
	if !want.IsDir() && got.Size() != want.Size() {
		t.Errorf("%q: size: got %d, want %d", name, got.Size(), want.Size())
	}
	stat, wantStat := got.Sys().(*filesystem.Stat), want.Sys().(*syscall.Stat_t)
	if stat.UID != wantStat.Uid || stat.GID != wantStat.Gid {
		t.Errorf("%q: owner: got %d:%d, want %d:%d", name, stat.UID, stat.GID, wantStat.Uid, wantStat.Gid)
	}
}

func sameTimeAndLinks(t testing.TB, name string, got, want fs.FileInfo) {
	t.Helper()
	if name != "." && got.ModTime().Unix() != want.ModTime().Unix() {
		t.Errorf("%q: time: got %v, want %v", name, got.ModTime(), want.ModTime())
	}
	stat, wantStat := got.Sys().(*filesystem.Stat), want.Sys().(*syscall.Stat_t)
	if uint64(stat.Nlink) != uint64(wantStat.Nlink) && !want.IsDir() { //nolint:unconvert // 32 bits wide on arm64
		t.Errorf("%q: links: got %d, want %d", name, stat.Nlink, wantStat.Nlink)
	}
}

func sameContent(t testing.TB, fsys *filesystem.FS, dir, name string, info fs.FileInfo) {
	t.Helper()
	source := filepath.Join(dir, name)
	switch info.Mode().Type() {
	case fs.ModeSymlink:
		got, err := fsys.ReadLink(name)
		want, wantErr := os.Readlink(source)
		if err != nil || wantErr != nil || got != want {
			t.Errorf("%q: target: got %q, want %q (%v, %v)", name, got, want, err, wantErr)
		}
	case 0:
		f, err := os.Open(source)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // nothing was written
		g, err := fsys.Open(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			return
		}
		sameStream(t, name, g, f)
	}
}

func sameStream(t testing.TB, name string, got, want io.Reader) {
	t.Helper()
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	for {
		n, gotErr := io.ReadFull(got, a)
		m, wantErr := io.ReadFull(want, b)
		if !bytes.Equal(a[:n], b[:m]) {
			t.Errorf("%q: content differs", name)
			return
		}
		if !errors.Is(gotErr, wantErr) && !errors.Is(wantErr, gotErr) {
			t.Errorf("%q: got %v, want %v", name, gotErr, wantErr)
			return
		}
		if wantErr != nil {
			return
		}
	}
}
