package xfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// fewFiles has a file, a link, and a directory with blocks.
func fewFiles(t testing.TB) string {
	t.Helper()
	tree := t.TempDir()
	fill(t, filepath.Join(tree, "dir"), 50, 0)
	fill(t, filepath.Join(tree, "short"), 2, 0)
	if err := os.WriteFile(filepath.Join(tree, "file"), []byte(strings.Repeat("hello\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/file", filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestFileSystemKeepsTheRulesOfIOFS(t *testing.T) {
	disktest.Need(t, "the rules of io/fs", "mkfs.xfs")
	if err := fstest.TestFS(openFS(t, disktest.XFS(t, fewFiles(t), 16)), "file", "link", "dir/-0"); err != nil {
		t.Error(err)
	}
}

func TestTimesBeforeAndAfter32BitsAreRead(t *testing.T) {
	disktest.Need(t, "reading early and late times", "mkfs.xfs")
	for args, times := range map[string][]time.Time{
		"-m bigtime=1": {time.Date(1901, 12, 13, 20, 45, 53, 1, time.UTC), time.Date(1969, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(2486, 1, 2, 3, 4, 5, 999999999, time.UTC)},
		"-m bigtime=0": {time.Date(1901, 12, 13, 20, 45, 53, 1, time.UTC), time.Date(2038, 1, 19, 3, 14, 6, 999999999, time.UTC)},
	} {
		path := disktest.XFS(t, "", 16, strings.Fields(args)...)
		mounted(t, path, func(dir string) {
			for i, when := range times {
				name := filepath.Join(dir, fmt.Sprint(i))
				disktest.Run(t, "touch", "-d", when.Format(time.RFC3339Nano), name)
			}
		})
		fsys := openFS(t, path)
		for i, want := range times {
			if info, err := fsys.Stat(fmt.Sprint(i)); err != nil || !info.ModTime().Equal(want) {
				t.Errorf("%s: got %v, %v, want %v", args, info, err, want)
			}
		}
	}
}

func TestOldInodeCountsItsLinks(t *testing.T) {
	disktest.Need(t, "reading inodes of version 1", "mkfs.xfs", "xfs_db")
	path := disktest.XFS(t, fewFiles(t), 16, "-m", "crc=0")
	ino := inodeOf(t, openFS(t, path), "file")
	xfsdb(t, path, fmt.Sprintf("inode %d", ino), "write core.version 1", "write core.nlinkv1 3")
	n, err := openFS(t, path).Stat("file")
	if err != nil || n.Mode() != 0o644 {
		t.Fatalf("got %v, %v", n, err)
	}
	if got := statOf(n).Nlink; got != 3 {
		t.Errorf("got %d links, want 3", got)
	}
}

func TestNewUUIDLeavesTheBlocksReadable(t *testing.T) {
	disktest.Need(t, "reading xfs with a new UUID", "mkfs.xfs", "xfs_db")
	const uuid = "12345678-1234-1234-1234-123456789abc"
	path := disktest.XFS(t, fewFiles(t), 16, "-m", "uuid=11111111-1111-1111-1111-111111111111")
	xfsdb(t, path, "uuid "+uuid)
	fsys := openFS(t, path)
	if g := fsys.Geometry; g.UUID != uuid || !g.Clean || !strings.Contains(fmt.Sprint(g.Features), "META_UUID") {
		t.Errorf("got %+v", g)
	}
	if err := disktest.FirstError(fsys); err != nil {
		t.Error(err)
	}
}

// TestFeaturesThatAreNotReadAreNamed sets bits of the superblock, from bit 0
// on: of sb_versionnum, sb_features2, sb_features_incompat.
func TestFeaturesThatAreNotReadAreNamed(t *testing.T) {
	disktest.Need(t, "refusing features that are not read", "mkfs.xfs")
	image := map[string][]byte{}
	for _, args := range []string{"crc=0", "crc=1"} {
		var err error
		if image[args], err = os.ReadFile(disktest.XFS(t, fewFiles(t), 16, "-m", args)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args   string
		offset int
		bit    int
		want   string // of the error; empty: it is read
	}{
		{"crc=0", 102, 9, "SHARED"},
		{"crc=0", 102, 14, "ASCII_CI"},
		{"crc=1", 102, 14, "ASCII_CI"},
		{"crc=0", 204, 4, "PARENT"},
		{"crc=0", 204, 8, "CRC"},
		{"crc=0", 204, 20, "0x100000"},
		{"crc=0", 208, 20, "0x100000"},
		{"crc=1", 220, 6, ""},
		{"crc=1", 220, 7, ""},
		{"crc=1", 220, 8, "METADIR"},
		{"crc=1", 220, 9, "ZONED"},
		{"crc=1", 220, 11, "0x800"},
		{"crc=1", 220, 31, "0x80000000"},
		{"crc=1", 216, 31, ""},
		{"crc=1", 212, 31, ""},
	} {
		broken := bytes.Clone(image[test.args])
		broken[test.offset-1-test.bit/8] |= 1 << (test.bit % 8)
		mendSuperblock(broken)
		err := errorOf(broken)
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, diskerr.ErrUnsupported) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s, bit %d before byte %d: got %v, want ErrUnsupported with %q", test.args, test.bit, test.offset, err, test.want)
		}
	}
}

func TestFileSystemWithoutItsLogIsUnclean(t *testing.T) {
	disktest.Need(t, "file systems that need repair", "mkfs.xfs")
	image, err := os.ReadFile(disktest.XFS(t, "", 16))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		edit func(super []byte)
		want string
	}{
		{func(super []byte) { super[219] |= 0x10 }, "need of repair"},
		{func(super []byte) { clear(super[48:56]) }, "another device"},
		{func(super []byte) { clear(super[96:100]) }, "a log of 0 bytes"},
	} {
		broken := bytes.Clone(image)
		test.edit(broken)
		mendSuperblock(broken)
		fsys, err := xfs.Open(bytes.NewReader(broken), int64(len(broken)))
		if err != nil {
			t.Fatal(err)
		}
		if g := fsys.Geometry; g.Clean || !strings.Contains(g.Unclean, test.want) {
			t.Errorf("got %v %q, want %q", g.Clean, g.Unclean, test.want)
		}
	}
}

func TestOpenTellsWhatIsNotThereFromWhatIsBroken(t *testing.T) {
	disktest.Need(t, "refusing broken superblocks", "mkfs.xfs")
	whole, err := os.ReadFile(disktest.XFS(t, "", 16))
	if err != nil {
		t.Fatal(err)
	}
	edited := func(at int, value ...byte) []byte {
		image := bytes.Clone(whole)
		copy(image[at:], value)
		mendSuperblock(image)
		return image
	}
	for _, test := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, diskerr.ErrNotFound},
		{"zeros", make([]byte, 1<<20), diskerr.ErrNotFound},
		{"cut off", whole[:15<<20], diskerr.ErrCorrupt},
		{"cut off in the superblock", whole[:300], diskerr.ErrCorrupt},
		{"version 3", edited(101, 0xa3), diskerr.ErrUnsupported},
		{"in progress", edited(126, 1), diskerr.ErrCorrupt},
		{"sectors of 0", edited(102, 0, 0), diskerr.ErrCorrupt},
		{"sectors of 65280", edited(102, 0xff, 0), diskerr.ErrCorrupt},
		{"blocks of 0", edited(4, 0, 0, 0, 0), diskerr.ErrCorrupt},
		{"blocks of 512", edited(4, 0, 0, 2, 0), diskerr.ErrCorrupt},
		{"blocks of 128 KiB", edited(4, 0, 2, 0, 0), diskerr.ErrCorrupt},
		{"blocks of 2^200", edited(120, 200), diskerr.ErrCorrupt},
		{"inodes of 256", edited(104, 1, 0), diskerr.ErrCorrupt},
		{"inodes of 2^255", edited(122, 255), diskerr.ErrCorrupt},
		{"blocks of 255 inodes", edited(106, 0, 255), diskerr.ErrCorrupt},
		{"blocks of 2^255 inodes", edited(123, 255), diskerr.ErrCorrupt},
		{"directory blocks of 2^255", edited(192, 255), diskerr.ErrCorrupt},
		{"no allocation groups", edited(88, 0, 0, 0, 0), diskerr.ErrCorrupt},
		{"2^32-1 allocation groups", edited(88, 255, 255, 255, 255), diskerr.ErrCorrupt},
		{"allocation groups of 0", edited(84, 0, 0, 0, 0), diskerr.ErrCorrupt},
		{"allocation groups of 2^32-1", edited(84, 255, 255, 255, 255), diskerr.ErrCorrupt},
		{"allocation groups of 2^255", edited(124, 255), diskerr.ErrCorrupt},
		{"2^64-1 blocks", edited(8, 255, 255, 255, 255, 255, 255, 255, 255), diskerr.ErrCorrupt},
		{"no blocks", edited(8, 0, 0, 0, 0, 0, 0, 0, 0), diskerr.ErrCorrupt},
		{"root behind the last block", edited(8, 0, 0, 0, 0, 0, 0, 5, 100), diskerr.ErrCorrupt},
		{"no root", edited(56, 0, 0, 0, 0, 0, 0, 0, 0), diskerr.ErrCorrupt},
		{"absurd root", edited(56, 255, 255, 255, 255, 255, 255, 255, 255), diskerr.ErrCorrupt},
	} {
		if _, err := xfs.Open(bytes.NewReader(test.data), int64(len(test.data))); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

// edit is a change that xfs_db makes, and then mends the checksum. Fields of
// the fork start with u or u3; short directories' with sfdir2 or sfdir3.
type edit struct {
	at      string // a file, and further commands
	command string
	want    string
	kind    error
}

// typed are the directories without the types of files, and with them.
var typed = map[string]string{"crc=0": "ftype=0", "crc=1": "ftype=1"}

// refused makes each edit in a copy of a file system, and reads everything.
func refused(t *testing.T, pristine, version string, edits []edit) {
	t.Helper()
	fsys := openFS(t, pristine)
	fields := strings.NewReplacer("FORK", "u", "SHORT", "sfdir2")
	if version == "crc=1" {
		fields = strings.NewReplacer("FORK", "u3", "SHORT", "sfdir3")
	}
	for _, e := range edits {
		t.Run(version+" "+e.at+" "+e.command, func(t *testing.T) {
			at := strings.Split(fields.Replace(e.at), "; ")
			path := copyOf(t, pristine)
			commands := append([]string{fmt.Sprintf("inode %d", inodeOf(t, fsys, at[0]))}, at[1:]...)
			xfsdb(t, path, append(commands, "write -d "+fields.Replace(e.command))...)
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errorOf(image); !errors.Is(err, e.kind) || !strings.Contains(err.Error(), e.want) {
				t.Errorf("got %v, want %v that says %q", err, e.kind, e.want)
			}
		})
	}
}

func TestImpossibleInodesAreRefused(t *testing.T) {
	disktest.Need(t, "refusing impossible inodes", "mkfs.xfs", "xfs_db")
	for _, version := range []string{"crc=0", "crc=1"} {
		refused(t, disktest.XFS(t, fewFiles(t), 16, "-m", version, "-n", typed[version]), version, []edit{
			{"file", "core.magic 0", "magic is missing", diskerr.ErrCorrupt},
			{"file", "core.version 7", "impossible version 7", diskerr.ErrCorrupt},
			{"file", "core.mode 0", "not in use", diskerr.ErrCorrupt},
			{"file", "core.nlinkv2 0", "not in use", diskerr.ErrCorrupt},
			{"file", "core.size #8000000000000000", "impossible size", diskerr.ErrCorrupt},
			{"file", "core.forkoff 255", "impossible fork offset", diskerr.ErrCorrupt},
			{"file", "core.format 1", "impossible format", diskerr.ErrCorrupt},
			{"file", "core.format 3", "B+tree", diskerr.ErrCorrupt},
			{"file", "core.realtime 1", "real-time device", diskerr.ErrUnsupported},
			{"file", "core.nextents 100", "100 extents in", diskerr.ErrCorrupt},
			{"file", "core.nextents 0x7fffffff", "pieces", diskerr.ErrUnsupported},
			{"file", "FORK.bmx[0].blockcount 0", "out of order", diskerr.ErrCorrupt},
			{"file", "FORK.bmx[0].blockcount 0x1fffff", "impossible block", diskerr.ErrCorrupt},
			{"file", "FORK.bmx[0].startblock 0", "impossible block", diskerr.ErrCorrupt},
			{"file", "FORK.bmx[0].startblock 0xfffffffffffff", "impossible", diskerr.ErrCorrupt},
			{"file", "FORK.bmx[0].startoff 0x3fffffffffffff", "out of order", diskerr.ErrCorrupt},
			{"link", "core.size 0", "target of 0 bytes", diskerr.ErrCorrupt},
			{"link", "core.size 1024", "target of 1024 bytes in", diskerr.ErrCorrupt},
			{"link", "core.size 1025", "target of 1025 bytes", diskerr.ErrCorrupt},
			{"link", "core.format 2", "target", diskerr.ErrCorrupt},
		})
	}
}

func TestImpossibleDirectoriesAreRefused(t *testing.T) {
	disktest.Need(t, "refusing impossible directories", "mkfs.xfs", "xfs_db")
	for _, version := range []string{"crc=0", "crc=1"} {
		refused(t, disktest.XFS(t, fewFiles(t), 16, "-m", version, "-n", typed[version]), version, []edit{
			{"dir", "FORK.bmx[0].extentflag 1", "never written", diskerr.ErrCorrupt},
			{"dir", "FORK.bmx[0].startoff 1", "magic", diskerr.ErrCorrupt},
			{"dir", "FORK.bmx[0].startoff 0x800000", "index block with the magic", diskerr.ErrCorrupt},
			{"dir", "FORK.bmx[0].startoff 0x1000000", "index block with the magic", diskerr.ErrCorrupt},
			{"dir", "FORK.bmx[0].blockcount 0x1fffff", "impossible block", diskerr.ErrCorrupt},
			{"dir", "core.nextents 0", "no blocks", diskerr.ErrCorrupt},
			{"dir", "core.format 1", "bytes of entries in", diskerr.ErrCorrupt},
			{"dir; dblock 0", "btail.count 0xffffffff", "index of 4294967295 entries", diskerr.ErrCorrupt},
			{"dir; dblock 0", "bu[3].namelen 255", "says that it is at", diskerr.ErrCorrupt},
			{"dir; dblock 0", "bu[3].namelen 0", "entry", diskerr.ErrCorrupt},
			{"dir; dblock 0", "bu[3].tag 7", "says that it is at 7", diskerr.ErrCorrupt},
			{"dir; dblock 0", "bu[3].inumber 0", "impossible block", diskerr.ErrCorrupt},
			{"dir; dblock 0", "bu[3].name \"/\"", "impossible name", diskerr.ErrCorrupt},
			{"short", "FORK.SHORT.hdr.count 1", "after the last of 1", diskerr.ErrCorrupt},
			{"short", "FORK.SHORT.hdr.count 255", "cut off", diskerr.ErrCorrupt},
			{"short", "FORK.SHORT.hdr.i8count 255", "entry", diskerr.ErrCorrupt},
			{"short", "FORK.SHORT.list[0].namelen 255", "name of 255 bytes", diskerr.ErrCorrupt},
			{"short", "FORK.SHORT.list[0].name \"/\"", "impossible name", diskerr.ErrCorrupt},
			{"short", "FORK.SHORT.hdr.parent.i4 7", "but says it is in 7", diskerr.ErrCorrupt},
			{"short", "core.size 1", "1 bytes of entries", diskerr.ErrCorrupt},
			{"short", "core.size 4", "no room for its parent", diskerr.ErrCorrupt},
			{"short", "core.size 0x7fffffff", "bytes of entries in", diskerr.ErrCorrupt},
		})
	}
}

func TestImpossibleTreesOfExtentsAreRefused(t *testing.T) {
	disktest.Need(t, "refusing impossible trees of extents", "mkfs.xfs", "xfs_db")
	const leaf = "tree; addr FORK.bmbt.ptrs[1]"
	for _, version := range []string{"crc=0", "crc=1"} {
		pristine := disktest.XFS(t, everyForm(t), 20, "-m", version, "-b", "size=1024", "-n", "size=4096", "-i", "size=512")
		refused(t, pristine, version, []edit{
			{"tree", "FORK.bmbt.level 0", "with 0 levels", diskerr.ErrCorrupt},
			{"tree", "FORK.bmbt.level 10", "with 10 levels", diskerr.ErrCorrupt},
			{"tree", "FORK.bmbt.level 2", "is of level 0, and should be of 1", diskerr.ErrCorrupt},
			{"tree", "FORK.bmbt.numrecs 0", "node of 0 entries", diskerr.ErrCorrupt},
			{"tree", "FORK.bmbt.numrecs 1000", "node of 1000 entries", diskerr.ErrCorrupt},
			{"tree", "FORK.bmbt.ptrs[1] 0", "impossible block", diskerr.ErrCorrupt},
			{"tree", "FORK.bmbt.ptrs[1] 100", "with magic", diskerr.ErrCorrupt},
			{"tree", "core.nextents 3", "and should have 3", diskerr.ErrCorrupt},
			{leaf, "magic 0", "with magic", diskerr.ErrCorrupt},
			{leaf, "numrecs 0", "leaf of 0 extents", diskerr.ErrCorrupt},
			{leaf, "numrecs 1000", "leaf of 1000 extents", diskerr.ErrCorrupt},
			{leaf, "recs[1].blockcount 0", "out of order", diskerr.ErrCorrupt},
			{leaf, "recs[2].startoff 0", "out of order", diskerr.ErrCorrupt},
		})
	}
}

// mendSuperblock makes the superblock's checksum right again, if its sector
// can have one.
func mendSuperblock(image []byte) {
	size := int(binary.BigEndian.Uint16(image[102:]))
	if size < 512 || size > len(image) {
		return
	}
	mendSum(image[:size], 224)
}
