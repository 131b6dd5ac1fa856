package ext_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ext"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

func load(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func save(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// changes are three rounds of them; each makes a transaction.
func changes(t testing.TB) [][]string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"short": "short\n", "long": strings.Repeat("a longer one\n", 9000),
		// Blocks that start with the journal's magic are escaped in it.
		"magic": strings.Repeat("\xc0\x3b\x39\x98"+strings.Repeat("m", 1020), 12),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	return [][]string{
		{"mkdir new", "cd new", "write " + at("long") + " file", "symlink link file", "cd /", "rm many/name-0007-" + strings.Repeat("x", 40)},
		{"write " + at("magic") + " magic", "rm a/b/file", "write " + at("short") + " a/b/file", "set_inode_field pieces mode 0100600"},
		{"rm pieces", "write " + at("long") + " other", "mkdir a/c", "rm new/file"},
	}
}

// dirty changes the file system at path as commands say, but leaves all that
// is new in its journal, a transaction for each round of commands, and in no
// other place. The file system is then like that of a machine that was killed.
func dirty(t testing.TB, path, options string, rounds [][]string) {
	t.Helper()
	after := save(t, load(t, path))
	blockSize := int(number(t, debugfs(t, path, "stats"), `Block size: +(\d+)`))
	var script []string
	for _, commands := range rounds {
		before := load(t, after)
		debugfs(t, after, commands...)
		numbers, data := changed(before, load(t, after), blockSize)
		script = append(script, fmt.Sprintf("jw -b %s %s", strings.Join(numbers, ","), save(t, data)))
	}
	writeJournal(t, path, options, script...)
}

// writeJournal has debugfs run commands on the open journal; it ends with
// status 0 even when it has not understood them.
func writeJournal(t testing.TB, path, options string, commands ...string) {
	t.Helper()
	out := debugfs(t, path, append(append([]string{"jo " + options}, commands...), "jc")...)
	for _, complaint := range []string{"Unknown request", "Usage", "while", "rror"} {
		if strings.Contains(out, complaint) {
			t.Fatalf("debugfs complained:\n%s", out)
		}
	}
}

// changed returns the blocks that differ: their numbers, and what is in them.
func changed(before, after []byte, blockSize int) (numbers []string, data []byte) {
	for at := 0; at < len(after); at += blockSize {
		if block := after[at:min(at+blockSize, len(after))]; !bytes.Equal(block, before[at:at+len(block)]) {
			numbers = append(numbers, fmt.Sprint(at/blockSize))
			data = append(data, block...)
		}
	}
	return numbers, data
}

// snapshot is all that the file system shows, without the sizes of folders,
// which e2fsck changes when it makes their hash trees.
func snapshot(t testing.TB, fsys *filesystem.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat := *info.Sys().(*filesystem.Stat)
		text := fmt.Sprint(info.Mode(), info.ModTime().Unix(), stat)
		switch info.Mode().Type() {
		case 0:
			content, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", info.Size(), sha256.Sum256(content))
		case fs.ModeSymlink:
			target, err := fsys.ReadLink(name)
			if err != nil {
				return err
			}
			text += " " + target
		}
		all[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sameSnapshot(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: got %s, want %s", name, got[name], w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: is not there after the replay", name)
		}
	}
}

// sameAsAfterReplay compares the dirty file system at path with a copy that
// e2fsck has replayed and checked, and, where this may be done, with a copy
// that Linux has mounted.
func sameAsAfterReplay(t testing.TB, path string) *filesystem.FS {
	t.Helper()
	fsys := openFS(t, path)
	if g := fsys.Geometry; !g.Clean || g.Replayed == 0 {
		t.Errorf("geometry: got %+v, want a clean one with replayed blocks", g)
	}
	repaired := save(t, load(t, path))
	disktest.Run(t, "sh", "-c", `e2fsck -fy "$1" || test $? -eq 1`, "sh", repaired)
	clean := openFS(t, repaired)
	if clean.Geometry.Replayed != 0 {
		t.Fatal("e2fsck has replayed nothing")
	}
	sameSnapshot(t, snapshot(t, fsys), snapshot(t, clean))
	if where := mounted(t, save(t, load(t, path)), "rw"); where != "" {
		disktest.SameTree(t, fsys, where)
	}
	return fsys
}

// mounted mounts the file system at path where that may be done, until the
// test ends. It returns "" elsewhere.
func mounted(t testing.TB, path, options string) string {
	t.Helper()
	where := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(where, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "ext4", "-o", "loop,"+options, path, where).CombinedOutput(); err != nil {
		t.Logf("Linux's own reading is left out: mount: %v %s", err, out)
		return ""
	}
	t.Cleanup(func() { disktest.Run(t, "umount", where) })
	return where
}

func TestDirtyFileSystemIsReadAsAfterItsReplay(t *testing.T) {
	disktest.Need(t, "replaying journals", "mke2fs", "e2fsck", "debugfs")
	for _, test := range []struct{ mkfs, journal string }{
		{"-t ext3 -b 1024", ""},
		{"-t ext3 -b 4096", "-c -v 1"},
		{"-t ext4 -b 1024 -O ^64bit", "-c -v 2"},
		{"-t ext4 -b 2048 -O ^64bit", "-c -v 3"},
		{"-t ext4 -b 4096", "-c -v 2"},
		{"-t ext4 -b 4096", "-c -v 3"},
		{"-t ext4 -b 2048 -O metadata_csum_seed,orphan_file", ""},
	} {
		t.Run(test.mkfs+" "+test.journal, func(t *testing.T) {
			path := makeFS(t, smallTree(t), "16M", strings.Fields(test.mkfs)...)
			dirty(t, path, test.journal, changes(t))
			fsys := sameAsAfterReplay(t, path)
			if content, err := fs.ReadFile(fsys, "a/b/file"); err != nil || string(content) != "short\n" {
				t.Errorf("a/b/file: got %q, %v", content, err)
			}
			if _, err := fsys.Stat("pieces"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("pieces: got %v, want that it is gone", err)
			}
		})
	}
}

func TestRevokedBlockIsNotReplayed(t *testing.T) {
	disktest.Need(t, "revoke records", "mke2fs", "e2fsck", "debugfs")
	for _, options := range []string{"", "-c -v 2", "-c -v 3"} {
		for _, features := range []string{"64bit", "^64bit"} {
			t.Run(options+features, func(t *testing.T) {
				path := makeFS(t, smallTree(t), "16M", "-t", "ext4", "-b", "1024", "-O", features)
				old, newer := save(t, bytes.Repeat([]byte("old!"), 256)), save(t, bytes.Repeat([]byte("new!"), 256))
				at := blocks(t, path, "/pieces")[1:]
				writeJournal(t, path, options,
					fmt.Sprintf("jw -b %d %s", at[0], old), fmt.Sprintf("jw -b %d %s", at[1], old), fmt.Sprintf("jw -r %d,%d", at[0], at[1]),
					fmt.Sprintf("jw -b %d %s", at[1], newer), fmt.Sprintf("jw -r %d", at[2]), fmt.Sprintf("jw -b %d -c %s", at[3], newer))
				content, err := fs.ReadFile(sameAsAfterReplay(t, path), "pieces")
				if err != nil {
					t.Fatal(err)
				}
				for offset, want := range map[int]string{0: "piece", 8192: "new!", 2 * 8192: "piece", 3 * 8192: "piece"} {
					if got := string(content[offset : offset+len(want)]); got != want {
						t.Errorf("at %d: got %q, want %q", offset, got, want)
					}
				}
			})
		}
	}
}

// TestMachineThatWasKilled copies file systems while Linux has them mounted.
func TestMachineThatWasKilled(t *testing.T) {
	disktest.Need(t, "the journals that Linux writes", "mke2fs", "e2fsck", "debugfs")
	for _, test := range []struct{ mkfs, mount string }{
		{"-b 1024", "rw"},
		{"-b 4096 -O ^metadata_csum", "journal_checksum"},
		{"-b 4096 -O ^metadata_csum", "journal_async_commit,data=writeback"},
		{"-b 4096 -O ^metadata_csum,^64bit", "rw"},
		{"-b 4096", "data=journal"},
		{"-b 4096 -O orphan_file,inline_data", "rw"},
	} {
		t.Run(test.mkfs+" "+test.mount, func(t *testing.T) {
			path := makeFS(t, smallTree(t), "16M", append([]string{"-t", "ext4"}, strings.Fields(test.mkfs)...)...)
			where := mounted(t, path, test.mount)
			if where == "" {
				t.Skip("needs root and loop devices: journals that Linux writes are not tested")
			}
			work(t, where)
			killed := save(t, load(t, path))
			if out := debugfs(t, killed, "stat /round-9"); !strings.Contains(out, "not found") {
				t.Skip("needs a machine that is less busy: Linux has put what was written last into its place already, so that this journal is not tested")
			}
			content, err := fs.ReadFile(sameAsAfterReplay(t, killed), "round-9/magic")
			if err != nil || !bytes.HasPrefix(content, []byte("\xc0\x3b\x39\x98")) {
				t.Errorf("round-9/magic: got %.4x, %v", content, err)
			}
		})
	}
}

// work changes the mounted tree in rounds, each made durable by fsync alone,
// and holds a deleted file open until the test ends.
func work(t testing.TB, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	held, err := os.Create(at("held"))
	must(err)
	t.Cleanup(func() { held.Close() }) //nolint:errcheck // it is deleted
	must(held.Truncate(1 << 20))
	must(os.Remove(at("held")))
	must(os.Truncate(at("pieces"), 3*8192+2))
	for i := range 10 {
		folder := at(fmt.Sprintf("round-%d", i))
		must(os.Mkdir(folder, 0o700))
		f, err := os.Create(filepath.Join(folder, "magic"))
		must(err)
		_, err = f.WriteString(strings.Repeat("\xc0\x3b\x39\x98"+strings.Repeat(fmt.Sprint(i), 4092), 5))
		must(err)
		if i > 2 {
			must(os.RemoveAll(at(fmt.Sprintf("round-%d", i-2))))
			must(os.Remove(at(fmt.Sprintf("many/name-%04d-%s", i, strings.Repeat("x", 40)))))
		}
		must(f.Sync())
		must(f.Close())
	}
}

func TestFastCommitsAreRefused(t *testing.T) {
	disktest.Need(t, "recognising fast commits", "mke2fs", "debugfs")
	path := makeFS(t, smallTree(t), "16M", "-t", "ext4", "-O", "fast_commit")
	where := mounted(t, path, "rw")
	if where == "" {
		t.Skip("needs root and loop devices: fast commits are not tested")
	}
	work(t, where)
	killed := save(t, load(t, path))
	if out := debugfs(t, killed, "logdump"); !strings.Contains(out, "tag HEAD") {
		t.Skipf("this Linux has made no fast commit:\n%s", out)
	}
	if g := openFS(t, killed).Geometry; g.Clean || !strings.Contains(g.Unclean, "fast commits") {
		t.Errorf("got %+v, want an unclean one for its fast commits", g)
	}
}

// TestJournalThatCannotBeReplayedIsUnclean breaks a dirty file system, of
// which Linux would then refuse to mount it, or find an error in it.
func TestJournalThatCannotBeReplayedIsUnclean(t *testing.T) {
	disktest.Need(t, "refusing broken journals", "mke2fs", "debugfs")
	path := makeFS(t, smallTree(t), "16M", "-t", "ext4", "-b", "1024")
	dirty(t, path, "-c -v 3", changes(t)[:1])
	start := blocks(t, path, "<8>")[0] * 1024
	whole := load(t, path)
	commit := int64(bytes.Index(whole[start+1024:], []byte("\xc0\x3b\x39\x98\x00\x00\x00\x02"))) + 1024
	tests := []struct {
		name    string
		offset  int64
		value   byte
		command string
		want    string
	}{
		{name: "magic", offset: start + 3, value: 1, want: "its magic is missing"},
		{name: "block size", offset: start + 0x0e, value: 8, want: "blocks of 3072 bytes"},
		{name: "features", offset: start + 0x28, value: 1, want: "unknown features"},
		{name: "checksum", offset: start + 0x1b, value: 9, want: "its superblock: its checksum is wrong"},
		{name: "descriptor", offset: start + 1024 + 15, value: 7, want: "transaction 1: a block of it has a wrong checksum"},
		{name: "data", offset: start + 2048 + 99, value: 7, want: "has a wrong checksum"},
		{name: "commit", offset: start + commit + 0x3f, value: 7, want: "transaction 1: its commit has a wrong checksum"},
		{name: "another device", command: "ssv journal_inum 0\nssv journal_dev 0x801", want: "on another device"},
		{name: "no journal", command: "feature ^has_journal", want: "there is none"},
		{name: "journal inode is free", command: "set_inode_field <8> links_count 0", want: "not in use"},
		{name: "errors", command: "ssv state 3", want: "found errors"},
		{name: "not checked", command: "ssv state 0", want: "not unmounted"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			broken := bytes.Clone(whole)
			if test.command == "" {
				broken[test.offset] ^= test.value
			}
			path := save(t, broken)
			if test.command != "" {
				// Only the superblock in the journal counts after the replay.
				path = makeFS(t, smallTree(t), "16M", "-t", "ext4", "-b", "1024")
				debugfs(t, path, "feature needs_recovery", test.command)
			}
			if g := openFS(t, path).Geometry; g.Clean || !strings.Contains(g.Unclean, test.want) {
				t.Errorf("got clean %v, %q, want it to say %q", g.Clean, g.Unclean, test.want)
			}
		})
	}
}

// TestJournalWithoutChecksumsIsRefusedWhereItIsImpossible: nothing but the
// numbers themselves can tell.
func TestJournalWithoutChecksumsIsRefusedWhereItIsImpossible(t *testing.T) {
	disktest.Need(t, "refusing impossible journals", "mke2fs", "debugfs")
	path := makeFS(t, smallTree(t), "16M", "-t", "ext3", "-b", "1024")
	writeJournal(t, path, "", "jw -b 9000 "+save(t, make([]byte, 1024)), "jw -r 9000")
	start := blocks(t, path, "<8>")[0] * 1024
	whole := load(t, path)
	revoke := start + 4*1024
	for _, test := range []struct {
		name   string
		offset int64
		value  byte
		want   string
	}{
		{"whole", start + 0x3ff, 0, ""},
		{"error noted in the journal", start + 0x23, 5, "found errors"},
		{"longer than it is stored", start + 0x12, 0x08, "are stored"},
		{"longer than is read", start + 0x11, 0x20, "at most 1024 MiB are read"},
		{"start outside", start + 0x1e, 0x70, "cannot start at"},
		{"first block outside", start + 0x16, 0x70, "cannot start at"},
		{"block outside the file system", start + 1024 + 12, 0x70, "impossible block 1879057192"},
		{"too long a revoke block", revoke + 14, 0x70, "revoke block of"},
		{"log of another transaction", start + 1024 + 11, 0x70, ""},
	} {
		broken := bytes.Clone(whole)
		broken[test.offset] ^= test.value
		if g := openFS(t, save(t, broken)).Geometry; g.Clean != (test.want == "") || !strings.Contains(g.Unclean, test.want) {
			t.Errorf("%s: got clean %v, %q, want it to say %q", test.name, g.Clean, g.Unclean, test.want)
		}
	}
}

// TestLogWithoutAnEndIsRefused has nothing but revoke blocks of one transaction.
func TestLogWithoutAnEndIsRefused(t *testing.T) {
	disktest.Need(t, "refusing endless journals", "mke2fs", "debugfs")
	path := makeFS(t, "", "16M", "-t", "ext4", "-b", "1024")
	writeJournal(t, path, "", "jw -b 9000 "+save(t, make([]byte, 1024)))
	data := load(t, path)
	for _, block := range blocks(t, path, "<8>")[1:] {
		copy(data[block*1024:], "\xc0\x3b\x39\x98\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x10")
	}
	if g := openFS(t, save(t, data)).Geometry; g.Clean || !strings.Contains(g.Unclean, "the log has no end") {
		t.Errorf("got %v %q", g.Clean, g.Unclean)
	}
}

// TestTransactionOfAnOlderLogEndsIt: its checksums are wrong, but its time is
// before that of the transaction before it.
func TestTransactionOfAnOlderLogEndsIt(t *testing.T) {
	disktest.Need(t, "stale transactions", "mke2fs", "e2fsck", "debugfs")
	path := makeFS(t, smallTree(t), "16M", "-t", "ext4", "-b", "1024")
	at := blocks(t, path, "/pieces")[1:]
	newer := save(t, bytes.Repeat([]byte("new!"), 256))
	writeJournal(t, path, "-c -v 3", fmt.Sprintf("jw -b %d %s", at[0], newer), fmt.Sprintf("jw -b %d %s", at[1], newer))
	data := load(t, path)
	second := bytes.Index(data, []byte("\xc0\x3b\x39\x98\x00\x00\x00\x02\x00\x00\x00\x02"))
	data[second+0x30] ^= 0x40
	content, err := fs.ReadFile(sameAsAfterReplay(t, save(t, data)), "pieces")
	if err != nil || string(content[:4]) != "new!" || string(content[8192:8197]) != "piece" {
		t.Errorf("got %q and %q, %v; want only the first transaction", content[:4], content[8192:8197], err)
	}
}

// FuzzJournal reads file systems through edited journals.
func FuzzJournal(f *testing.F) {
	disktest.Need(f, "fuzzing journals", "mke2fs", "debugfs")
	var images [][]byte
	for _, options := range []string{"", "-c -v 1", "-c -v 3"} {
		path := makeFS(f, "", "2M", "-t", "ext4", "-O", "^metadata_csum,^resize_inode", "-b", "1024", "-N", "16")
		dirty(f, path, options, [][]string{{"mkdir a"}, {"mkdir b", "rmdir a"}})
		writeJournal(f, path, options, "jw -r 200,201")
		f.Add(uint8(len(images)), []byte{})
		images = append(images, load(f, path))
	}
	f.Fuzz(func(_ *testing.T, which uint8, edits []byte) {
		image := disktest.Edit(images[int(which)%len(images)], edits)
		if fsys, err := ext.Open(bytes.NewReader(image), int64(len(image))); err == nil {
			disktest.ReadEverything(fsys)
		}
	})
}
