package ext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ext"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// debugfs runs commands that change or show the file system at path.
func debugfs(t testing.TB, path string, commands ...string) string {
	t.Helper()
	return disktest.RunWith(t, strings.Join(commands, "\n")+"\n", "debugfs", "-w", "-f", "-", path)
}

// smallTree has one file, one link, one file in 10 pieces, and 300 names.
func smallTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("hello\n"), 0o644))
	must(os.Symlink("/a/b", filepath.Join(dir, "link")))
	f, err := os.Create(filepath.Join(dir, "pieces"))
	must(err)
	for i := range int64(10) {
		_, err := f.WriteAt([]byte("piece"), i*8192)
		must(err)
	}
	must(f.Close())
	must(os.Mkdir(filepath.Join(dir, "many"), 0o755))
	for i := range 300 {
		must(os.WriteFile(filepath.Join(dir, "many", fmt.Sprintf("name-%04d-%s", i, strings.Repeat("x", 40))), nil, 0o644))
	}
	return dir
}

func TestHashTreesHoldTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading directories with hash trees", "mke2fs", "e2fsck", "debugfs")
	tree := disktest.Tree(t, 1024)
	for _, args := range []string{"-t ext4", "-t ext4 -O ^metadata_csum", "-t ext3", "-t ext4 -O large_dir"} {
		t.Run(args, func(t *testing.T) {
			path := makeFS(t, tree, "80M", append(strings.Fields(args), "-b", "1024", "-N", "1500")...)
			indexDirectories(t, path)
			if out := debugfs(t, path, "stat /many"); !strings.Contains(out, "Flags: 0x1000") && !strings.Contains(out, "Flags: 0x81000") {
				t.Fatalf("e2fsck made no hash tree:\n%s", out)
			}
			disktest.SameTree(t, openFS(t, path), tree)
		})
	}
}

// indexDirectories: e2fsck ends with status 1 when it has changed something.
func indexDirectories(t testing.TB, path string) {
	t.Helper()
	disktest.Run(t, "sh", "-c", `e2fsck -fyD "$1" || test $? -eq 1`, "sh", path)
}

func TestWhatMke2fsCannotWriteIsReadToo(t *testing.T) {
	disktest.Need(t, "reading sockets and late times", "mke2fs", "debugfs")
	path := makeFS(t, smallTree(t), "16M", "-t", "ext4")
	debugfs(t, path,
		"mknod socket p", "set_inode_field socket mode 0140755",
		"set_inode_field a/b/file mtime 0x1", "set_inode_field a/b/file mtime_extra 0x5",
		"set_inode_field pieces mtime 0x80000000", "set_inode_field pieces mtime_extra 0x0")
	fsys := openFS(t, path)
	info, err := fsys.Stat("socket")
	if err != nil || info.Mode() != fs.ModeSocket|0o755 {
		t.Errorf("socket: got %v, %v", info, err)
	}
	if _, err := fsys.Open("socket"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("socket: got %v, want ErrInvalid", err)
	}
	for name, want := range map[string]time.Time{
		"a/b/file": time.Date(2106, 2, 7, 6, 28, 17, 1, time.UTC),
		"pieces":   time.Date(1901, 12, 13, 20, 45, 52, 0, time.UTC),
	} {
		if info, err := fsys.Stat(name); err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", name, info, err, want)
		}
	}
}

func TestFileSystemKeepsTheRulesOfIOFS(t *testing.T) {
	disktest.Need(t, "the rules of io/fs", "mke2fs")
	fsys := openFS(t, makeFS(t, smallTree(t), "16M", "-t", "ext4"))
	if err := fstest.TestFS(fsys, "a/b/file", "link", "pieces"); err != nil {
		t.Error(err)
	}
	if got, err := fs.Glob(fsys, "link/f*"); err != nil || len(got) != 1 || got[0] != "link/file" {
		t.Errorf("glob through a link: got %q, %v", got, err)
	}
}

func TestBlocksThatWereNeverWrittenReadAsZeros(t *testing.T) {
	disktest.Need(t, "reading preallocated files", "mke2fs", "debugfs")
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("junk"), 100<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	path := makeFS(t, smallTree(t), "16M", "-t", "ext4", "-b", "1024")
	want, err := fs.ReadFile(openFS(t, path), "pieces")
	if err != nil {
		t.Fatal(err)
	}
	debugfs(t, path, "write "+junk+" junk", "rm junk", "fallocate pieces 0 72")
	if out := debugfs(t, path, "ex pieces"); !strings.Contains(out, "Uninit") {
		t.Fatalf("debugfs preallocated nothing:\n%s", out)
	}
	got, err := fs.ReadFile(openFS(t, path), "pieces")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("content changed (%v)", err)
	}
}

// TestDescriptorBehindABackupSuperblockIsFound fills all inodes, so that some
// are in group 80: the last, with a superblock, and the first of a meta group.
func TestDescriptorBehindABackupSuperblockIsFound(t *testing.T) {
	disktest.Need(t, "reading sparse_super2 with meta_bg", "mke2fs", "debugfs")
	dir := t.TempDir()
	for i := range 636 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := makeFS(t, dir, "81M", "-t", "ext4", "-O", "sparse_super2,meta_bg,^resize_inode", "-b", "1024", "-g", "1024", "-N", "648")
	if out := debugfs(t, path, "stats"); !strings.Contains(out, "Backup block groups:      1 80") {
		t.Fatalf("group 80 has no superblock:\n%s", out)
	}
	if offset := inodeOffset(t, path, "<647>"); offset < 80<<20 {
		t.Fatalf("inode 647 is at %d, not in group 80", offset)
	}
	disktest.SameTree(t, openFS(t, path), dir)
}

func TestHugeSparseFileIsReadAtItsEnds(t *testing.T) {
	disktest.Need(t, "reading files of more than 4 GiB", "mke2fs")
	const size = 6 << 30
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{0, 3 << 30, size - 5} {
		if _, err := f.WriteAt([]byte("piece"), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ext3", "ext4"} {
		file, err := openFS(t, makeFS(t, dir, "16M", "-t", kind, "-b", "4096")).Open("huge")
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 7)
		for _, off := range []int64{0, 3 << 30, size - 5, 5 << 30} {
			n, _ := file.(interface {
				ReadAt([]byte, int64) (int, error)
			}).ReadAt(got, off)
			want := "piece\x00\x00"[:min(7, size-off)]
			if off == 5<<30 {
				want = "\x00\x00\x00\x00\x00\x00\x00"
			}
			if string(got[:n]) != want {
				t.Errorf("%s: at %d: got %q, want %q", kind, off, got[:n], want)
			}
		}
		if _, err := filesystem.ReadFile(fs.FS(openFS(t, makeFS(t, dir, "16M", "-t", kind))), "huge", 1<<20); !errors.Is(err, filesystem.ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", kind, err)
		}
	}
}

func TestUncleanFileSystemSaysWhy(t *testing.T) {
	disktest.Need(t, "telling clean from unclean file systems", "mke2fs", "debugfs")
	for command, want := range map[string]string{
		"feature needs_recovery":               "",
		"set_super_value state 3":              "found errors",
		"set_super_value state 0":              "was not unmounted",
		"set_super_value last_orphan 12":       "",
		"feature orphan_file orphan_present":   "",
		"set_super_value volume_name harmless": "",
	} {
		path := makeFS(t, smallTree(t), "16M", "-t", "ext4")
		debugfs(t, path, command)
		g := openFS(t, path).Geometry
		if g.Clean != (want == "") || !strings.Contains(g.Unclean, want) {
			t.Errorf("%s: got %v %q, want %q", command, g.Clean, g.Unclean, want)
		}
	}
}

func TestUnreadFeatureIsNamed(t *testing.T) {
	disktest.Need(t, "refusing features that are not read", "mke2fs", "debugfs")
	for _, feature := range []string{"encrypt", "casefold", "compression", "dirdata", "journal_dev"} {
		path := makeFS(t, "", "16M", "-t", "ext4")
		debugfs(t, path, "feature "+feature)
		_, err := tryOpen(t, path)
		if !errors.Is(err, diskerr.ErrUnsupported) || !strings.Contains(err.Error(), feature) {
			t.Errorf("%s: got %v, want ErrUnsupported with its name", feature, err)
		}
	}
}

func TestOpenTellsWhatIsNotThereFromWhatIsBroken(t *testing.T) {
	disktest.Need(t, "refusing cut off file systems", "mke2fs")
	whole, err := os.ReadFile(makeFS(t, "", "16M", "-t", "ext4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, diskerr.ErrNotFound},
		{"zeros", make([]byte, 1<<20), diskerr.ErrNotFound},
		{"cut off", whole[:15<<20], diskerr.ErrCorrupt},
	} {
		if _, err := ext.Open(bytes.NewReader(test.data), int64(len(test.data))); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestWrongChecksumIsCorruptAndNamed(t *testing.T) {
	disktest.Need(t, "verifying checksums", "mke2fs", "e2fsck", "debugfs")
	path := makeFS(t, smallTree(t), "16M", "-t", "ext4", "-b", "1024")
	indexDirectories(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := disktest.FirstError(openFS(t, path)); err != nil {
		t.Fatal(err)
	}
	directory := blocks(t, path, "/many")
	tests := []struct {
		name   string
		offset int64
		want   string
	}{
		{"superblock", 1024 + 0x7c, "superblock: its checksum is wrong"},
		{"group descriptor", 2048 + 0x0c, "descriptor of group 0: its checksum is wrong"},
		{"inode", inodeOffset(t, path, "/a/b/file") + 0x08, "its checksum is wrong"},
		{"inode's extra fields", inodeOffset(t, path, "/a/b/file") + 0x90, "its checksum is wrong"},
		{"extent block", extentBlock(t, path, "/pieces")*1024 + 0x14, "its checksum is wrong"},
		{"hash tree root", directory[0]*1024 + 0x24, "hash tree node: its checksum is wrong"},
		{"hash tree root's count", directory[0]*1024 + 0x23, "hash tree node with"},
		{"directory block", directory[1]*1024 + 0x0a, "block 1: its checksum is wrong"},
		{"directory block's tail", directory[1]*1024 + 1024 - 5, "the entry with its checksum is missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			broken := bytes.Clone(whole)
			broken[test.offset] ^= 0x10
			fsys, err := ext.Open(bytes.NewReader(broken), int64(len(broken)))
			if err == nil {
				err = disktest.FirstError(fsys)
			}
			if !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrCorrupt that says %q", err, test.want)
			}
		})
	}
}

func number(t testing.TB, text, pattern string) int64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in:\n%s", pattern, text)
	}
	n, err := strconv.ParseInt(found[1], 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func inodeOffset(t testing.TB, path, name string) int64 {
	t.Helper()
	out := debugfs(t, path, "imap "+name)
	return number(t, out, `located at block (\d+)`)*1024 + number(t, out, `offset (0x[0-9a-f]+)`)
}

func extentBlock(t testing.TB, path, name string) int64 {
	t.Helper()
	return number(t, debugfs(t, path, "stat "+name), `\(ETB0\):(\d+)`)
}

func blocks(t testing.TB, path, name string) []int64 {
	t.Helper()
	lines := strings.Split(debugfs(t, path, "blocks "+name), "\n")
	var found []int64
	for _, field := range strings.Fields(lines[len(lines)-2]) {
		if n, err := strconv.ParseInt(field, 10, 64); err == nil {
			found = append(found, n)
		}
	}
	if len(found) < 2 {
		t.Fatalf("%s: blocks %v", name, found)
	}
	return found
}

// TestTreesOfDirectoriesStayTrees: without the check, these walks never end,
// or see 2^30 files.
func TestTreesOfDirectoriesStayTrees(t *testing.T) {
	disktest.Need(t, "ending walks over directory cycles", "mke2fs", "debugfs")
	for _, command := range []string{"link /a /a/b/again", "link / /again", "link / /a/again", "link /a /a/again", "link /a/b /a/c"} {
		path := makeFS(t, smallTree(t), "16M", "-t", "ext2")
		debugfs(t, path, command)
		if err := disktest.FirstError(openFS(t, path)); !errors.Is(err, diskerr.ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", command, err)
		}
	}
}

func TestImpossibleBlocksAreCorrupt(t *testing.T) {
	disktest.Need(t, "refusing impossible inodes", "mke2fs", "debugfs")
	tests := []struct{ name, kind, commands string }{
		{"direct block outside", "ext2", "set_inode_field pieces block[0] 99999999"},
		{"indirect block outside", "ext2", "set_inode_field pieces block[IND] 99999999"},
		{"indirect block twice", "ext2", "set_inode_field pieces size 99999999\nset_inode_field pieces block[DIND] 700\nset_inode_field pieces block[IND] 700"},
		{"size beyond the block map", "ext2", "set_inode_field pieces size 0x7fffffffffffffff"},
		{"size beyond extents", "ext4", "set_inode_field pieces size 0x7fffffffffffffff"},
		{"negative size", "ext4", "set_inode_field pieces size 0xffffffffffffffff"},
		{"extents with another magic", "ext4", "set_inode_field pieces block[0] 0"},
		{"entry of a free inode", "ext4", "set_inode_field pieces links_count 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := makeFS(t, smallTree(t), "16M", "-t", test.kind, "-b", "1024")
			debugfs(t, path, test.commands)
			fsys := openFS(t, path)
			_, err := fs.ReadFile(fsys, "pieces")
			if !errors.Is(err, diskerr.ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
		})
	}
}

// FuzzExt reads whatever is there; what matters is that it ends, within
// bounded memory, and without a panic. An input is edits of one of the real
// file systems, so that it stays short. The superblock's checksum is mended,
// or the fuzzer would never get past it.
func FuzzExt(f *testing.F) {
	disktest.Need(f, "fuzzing", "mke2fs")
	tree := f.TempDir()
	for name, content := range map[string]string{"file": "hello", "long": strings.Repeat("x", 30000)} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	if err := os.Symlink("file", filepath.Join(tree, "link")); err != nil {
		f.Fatal(err)
	}
	var images [][]byte
	for _, args := range []string{"-t ext2", "-t ext4 -O ^has_journal,^metadata_csum", "-t ext4 -O ^has_journal", "-t ext4 -O ^has_journal,^metadata_csum,inline_data"} {
		path := makeFS(f, tree, "160K", append(strings.Fields(args), "-b", "1024", "-N", "16", "-O", "^resize_inode")...)
		image, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(len(images)), []byte{})
		f.Add(uint8(len(images)), []byte("\x00\x28\x05\x00\x05\x01"))
		images = append(images, image)
	}
	f.Fuzz(func(_ *testing.T, which uint8, edits []byte) {
		image := disktest.Edit(images[int(which)%len(images)], edits)
		mendSuperblock(image)
		fsys, err := ext.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			return
		}
		disktest.ReadEverything(fsys)
	})
}

func mendSuperblock(image []byte) {
	super := image[1024:2048]
	super[0x175] = 1
	binary.LittleEndian.PutUint32(super[0x3fc:], castagnoli(super[:0x3fc]))
}

// castagnoli is the sum of ext4, written anew so that the test does not lean
// on the code that it tests.
func castagnoli(p []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range p {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78&-(sum&1)
		}
	}
	return sum
}
