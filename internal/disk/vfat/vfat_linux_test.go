package vfat_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/vfat"
)

// kinds are the arguments of mkfs.vfat for every kind, and a size in KiB.
var kinds = []struct {
	args string
	kib  int
	want string
}{
	{"-F 12", 1440, "FAT12"},
	{"-F 12 -s 8 -r 512", 8000, "FAT12"},
	{"-F 16 -s 1", 8000, "FAT16"},
	{"-F 16 -f 1 -R 8", 20000, "FAT16"},
	{"-F 32", 40000, "FAT32"},
	{"-F 32 -s 1", 64 << 10, "FAT32"},
	{"-F 32 -S 4096 -s 1", 300 << 10, "FAT32"},
	{"-F 32 -a -s 2", 100 << 10, "FAT32"},
}

// makeFS makes an empty file system and returns its path.
func makeFS(t testing.TB, kib int, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	args = append(append([]string{"-C", "-i", "cafe1234", "-n", "ESP"}, args...), path, fmt.Sprint(kib))
	disktest.Run(t, "mkfs.vfat", args...)
	return path
}

// mtools runs one of them on the file system at path. They take names for
// those of the locale.
func mtools(t testing.TB, tool, path string, args ...string) {
	t.Helper()
	disktest.Run(t, "env", append([]string{"LC_ALL=C.UTF-8", tool, "-i", path}, args...)...)
}

// makeTree makes a folder of everything that is awkward to store in FAT, in
// less than 1 MiB.
func makeTree(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"EFI/BOOT/BOOTX64.EFI": strings.Repeat("loader ", 9000), "EFI/debian/shimx64.efi": "shim", "EFI/debian/grub.cfg": "search\n",
		"lower.txt": "1", "UPPER.TXT": "2", "Mixed.Txt": "3", "lower.TXT2": "4", "noextension": "5", ".hidden": "6", "two.dots.txt": "7",
		"a name with spaces": "8", "ünïcödé name.txt": "9", "日本語のファイル名": "10", "plus+comma,[x];=": "12",
		strings.Repeat("n", 255): "13", strings.Repeat("thirteen char", 5): "14", "twelve chars": "15", "empty": "",
	}
	for _, size := range []int{511, 512, 513, 4095, 4096, 4097, 70001} {
		files[fmt.Sprintf("sizes/%d", size)] = strings.Repeat("x", size-1) + "!"
	}
	for i := range 300 {
		files[fmt.Sprintf("many/file number %d", i)] = ""
	}
	files["deep/d/d/d/d/d/d/d/f"] = "deep"
	when := time.Date(2019, 12, 31, 23, 59, 58, 0, time.UTC)
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// fill copies what is in dir into the file system at path, in pieces where
// there was a file before.
func fill(t testing.TB, path, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, bytes.Repeat([]byte("junk"), 1500), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		mtools(t, "mcopy", path, junk, fmt.Sprintf("::junk%d", i))
	}
	for i := 0; i < 40; i += 2 {
		mtools(t, "mdel", path, fmt.Sprintf("::junk%d", i))
	}
	for _, e := range entries {
		mtools(t, "mcopy", path, "-s", "-m", filepath.Join(dir, e.Name()), "::")
	}
	mtools(t, "mdel", path, "::junk*")
}

func openFS(t testing.TB, path string) *filesystem.FS {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := vfat.Open(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// shown is what a file system shows of its files.
func shown(t testing.TB, fsys fs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			all[name+"/"] = ""
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(fsys, name)
		all[name] = fmt.Sprint(info.Size(), info.ModTime().Unix(), string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryKindHoldsTheSourceTree(t *testing.T) {
	disktest.Need(t, "reading FAT", "mkfs.vfat", "mcopy", "mdel")
	tree := makeTree(t)
	want := shown(t, os.DirFS(tree))
	for _, kind := range kinds {
		t.Run(fmt.Sprint(kind.args, kind.kib), func(t *testing.T) {
			path := makeFS(t, kind.kib, strings.Fields(kind.args)...)
			fill(t, path, tree)
			fsys := openFS(t, path)
			g := fsys.Geometry
			if g.Type != "vfat" || g.UUID != "CAFE-1234" || g.Label != "ESP" || g.Features[0] != kind.want || !g.Clean {
				t.Errorf("geometry: got %+v, want a clean %s", g, kind.want)
			}
			if size := int64(kind.kib) << 10; g.Bytes > size || g.Bytes <= size-g.Step {
				t.Errorf("geometry: got %d bytes of %d, with steps of %d", g.Bytes, size, g.Step)
			}
			got := shown(t, fsys)
			for name, w := range want {
				if got[name] != w {
					t.Errorf("%q: got %.80q, want %.80q", name, got[name], w)
				}
			}
			if len(got) != len(want) {
				t.Errorf("got %d files, want %d", len(got), len(want))
			}
		})
	}
}

func TestGeometryIsThatOfBlkid(t *testing.T) {
	disktest.Need(t, "the identity of FAT", "mkfs.vfat", "blkid", "mlabel")
	for _, label := range []string{"", "::boot", "::ÄB"} {
		path := makeFS(t, 16384)
		if label != "" {
			mtools(t, "mlabel", path, label)
		}
		g := openFS(t, path).Geometry
		out := disktest.Run(t, "blkid", "-p", "-o", "export", path)
		for key, got := range map[string]string{"UUID": g.UUID, "TYPE": g.Type} {
			if !strings.Contains(out, key+"="+got+"\n") {
				t.Errorf("%s: got %q, blkid says\n%s", key, got, out)
			}
		}
		if label != "::ÄB" && !strings.Contains(out, "LABEL="+g.Label+"\n") {
			t.Errorf("label: got %q, blkid says\n%s", g.Label, out)
		}
	}
}

func TestNamesAreFoundInAnyCase(t *testing.T) {
	disktest.Need(t, "looking up names in FAT", "mkfs.vfat", "mcopy", "mdel")
	path := makeFS(t, 16384)
	fill(t, path, makeTree(t))
	fsys := openFS(t, path)
	for name, found := range map[string]bool{
		"efi/boot/bootx64.efi": true, "EFI/Boot/BootX64.efi": true, "Efi/Debian/SHIMX64.EFI": true, "ÜNÏCÖDÉ Name.TXT": true,
		"mixed.txt": true, "mixed.txt..": true, "mixed.tx": false, "efi/boot/bootaa64.efi": false,
	} {
		if _, err := fsys.Stat(name); (err == nil) != found || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want it found: %v", name, err, found)
		}
	}
	if err := fstest.TestFS(fsys, "EFI/BOOT/BOOTX64.EFI"); err != nil {
		t.Error(err)
	}
}

func TestShortNamesAreShownAsLinuxShowsThem(t *testing.T) {
	disktest.Need(t, "reading short names", "mkfs.vfat")
	path := makeFS(t, 1440, "-F", "12")
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root := (1 + 2*int(binary.LittleEndian.Uint16(image[22:]))) * 512
	record := func(i int, name string, flags byte) {
		copy(image[root+32*i:], name)
		image[root+32*i+11], image[root+32*i+12] = 0x20, flags
	}
	record(1, "LOWER   TXT", 0x18)
	record(2, "BASE    TXT", 0x08)
	record(3, "EXT     TXT", 0x10)
	record(4, "\x05KANJI     ", 0)
	record(5, "\xe5GONE   TXT", 0)
	record(6, "\x9aBER       ", 0)
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := openFS(t, path).ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := "EXT.txt base.TXT lower.txt ÜBER σKANJI"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDirtyFileSystemIsUnclean(t *testing.T) {
	disktest.Need(t, "telling clean from dirty FAT", "mkfs.vfat")
	const fat12, fat16, fat32 = "-F 12 -s 64", "-F 16 -s 4 -R 4", "-F 32 -s 1 -R 32"
	for _, test := range []struct {
		args   string
		offset int64
		value  byte
		want   string
	}{
		{fat12, 37, 0x01, "not unmounted"},
		{fat16, 37, 0x01, "not unmounted"},
		{fat16, 37, 0x02, "has failed"},
		{fat16, 4*512 + 3, 0x7f, "not unmounted"},
		{fat16, 4*512 + 3, 0xbf, "has failed"},
		{fat32, 65, 0x01, "not unmounted"},
		{fat32, 32*512 + 7, 0x07, "not unmounted"},
		{fat32, 32*512 + 7, 0x0b, "has failed"},
		{fat32, 32*512 + 7, 0x0f, ""},
	} {
		path := makeFS(t, 40000, strings.Fields(test.args)...)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{test.value}, test.offset); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if g := openFS(t, path).Geometry; g.Clean != (test.want == "") || !strings.Contains(g.Unclean, test.want) {
			t.Errorf("%s with %#x at %d: got %v %q, want %q", test.args, test.value, test.offset, g.Clean, g.Unclean, test.want)
		}
	}
}

func TestWhatIsBrokenIsCorrupt(t *testing.T) {
	disktest.Need(t, "refusing broken FAT", "mkfs.vfat", "mcopy")
	path := makeFS(t, 1440, "-F", "12", "-s", "1")
	tree := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "f"), make([]byte, 3000), 0o644); err != nil {
		t.Fatal(err)
	}
	mtools(t, "mcopy", path, "-s", tree, "::")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root := (1 + 2*int(binary.LittleEndian.Uint16(whole[22:]))) * 512
	data := root + 512*int(binary.LittleEndian.Uint16(whole[17:]))/16
	for _, test := range []struct {
		name   string
		offset int
		value  string
		kind   error
		want   string
	}{
		{"sector size", 11, "\x01\x02", diskerr.ErrNotFound, "no FAT"},
		{"no clusters", 14, "\xff\xff", diskerr.ErrCorrupt, "boot sector"},
		{"larger than its partition", 19, "\xff\xff", diskerr.ErrCorrupt, "but its partition only"},
		{"directory of one cluster again and again", 512 + 3, "\x02\xf0\xff", diskerr.ErrCorrupt, "chain of clusters has no end"},
		{"chain that ends", 512 + 3, "\xff\xff\xff", diskerr.ErrCorrupt, "ends at byte"},
		{"chain out of the disk", 512 + 3, "\xff\xef\xee", diskerr.ErrCorrupt, "impossible number"},
		{"directory without itself", data, "x", diskerr.ErrCorrupt, "its entry for itself"},
		{"directory in itself", data + 64 + 11, "\x10", diskerr.ErrCorrupt, ""},
		{"name with a slash", data + 64, "a/b        ", diskerr.ErrCorrupt, "impossible name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken := bytes.Clone(whole)
			copy(broken[test.offset:], test.value)
			fsys, err := vfat.Open(bytes.NewReader(broken), int64(len(broken)))
			if err == nil {
				err = disktest.FirstError(fsys)
			}
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v that says %q", err, test.kind, test.want)
			}
		})
	}
}

// FuzzOpen reads edited file systems of every kind.
func FuzzOpen(f *testing.F) {
	disktest.Need(f, "fuzzing FAT", "mkfs.vfat", "mcopy")
	dir := filepath.Join(f.TempDir(), "A long name")
	if err := os.MkdirAll(filepath.Join(dir, "EFI/BOOT"), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "EFI/BOOT/BOOTX64.EFI"), bytes.Repeat([]byte("loader"), 500), 0o644); err != nil {
		f.Fatal(err)
	}
	var images [][]byte
	for _, kind := range []int{0, 2, 5} {
		path := makeFS(f, kinds[kind].kib, strings.Fields(kinds[kind].args)...)
		mtools(f, "mcopy", path, "-s", dir, "::")
		image, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(len(images)), []byte{})
		f.Add(uint8(len(images)), []byte("\x00\x0d\x05\x00\x16\x01"))
		images = append(images, shortened(image))
	}
	f.Fuzz(func(_ *testing.T, which uint8, edits []byte) {
		image := disktest.Edit(images[int(which)%len(images)], edits)
		if fsys, err := vfat.Open(bytes.NewReader(image), int64(len(image))); err == nil {
			disktest.ReadEverything(fsys)
		}
	})
}

// shortened is the start of a file system, which says that it has no more.
func shortened(image []byte) []byte {
	const sectors = 4800 // enough clusters for FAT16
	if len(image) < sectors*512 {
		return image
	}
	image = bytes.Clone(image[:sectors*512])
	binary.LittleEndian.PutUint16(image[19:], sectors)
	return image
}
