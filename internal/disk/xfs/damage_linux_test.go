package xfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// at returns the offset of what commands of xfs_db go to, in bytes.
func at(t testing.TB, path string, commands ...string) int64 {
	t.Helper()
	return number(t, xfsdb(t, path, append(commands, "addr")...), `byte offset (\d+)`)
}

// errorOf opens the image and reads everything.
func errorOf(image []byte) error {
	fsys, err := xfs.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return err
	}
	return disktest.FirstError(fsys)
}

func TestWrongChecksumIsCorruptAndNamed(t *testing.T) {
	disktest.Need(t, "verifying checksums", "mkfs.xfs", "xfs_db")
	path := disktest.XFS(t, everyForm(t), 16, "-b", "size=1024", "-n", "size=4096", "-i", "size=512")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errorOf(whole); err != nil {
		t.Fatal(err)
	}
	const leaf, free = "dblock 33554432", "dblock 67108864" // 32 and 64 GiB
	fsys := openFS(t, path)
	inode := func(name string) string { return fmt.Sprintf("inode %d", inodeOf(t, fsys, name)) }
	tests := []struct {
		name   string
		offset int64
		want   string
	}{
		{"superblock", 0x6c, "superblock: its checksum is wrong"},
		{"end of the superblock's sector", 500, "superblock: its checksum is wrong"},
		{"inode", at(t, path, inode("short/-0")) + 8, "its checksum is wrong"},
		{"inode's end", at(t, path, inode("short/-0")) + 500, "its checksum is wrong"},
		{"block of a directory", at(t, path, inode("block"), "dblock 0") + 0x51, "block at byte 0 of it: directory block"},
		{"leaf of a directory", at(t, path, inode("leaf"), leaf) + 0x41, "index block"},
		{"data of a directory", at(t, path, inode("node"), "dblock 4") + 0x51, "block at byte 4096 of it: directory block"},
		{"node of a directory", at(t, path, inode("tree"), leaf) + 0x41, "index block"},
		{"free index of a directory", at(t, path, inode("tree"), free) + 0x51, "index block"},
		{"tree of extents", at(t, path, inode("tree"), "addr u3.bmbt.ptrs[1]") + 0x51, "B+tree block"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			broken := bytes.Clone(whole)
			broken[test.offset] ^= 0x10
			err := errorOf(broken)
			if !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "checksum is wrong") {
				t.Errorf("got %v, want ErrCorrupt that says %q", err, test.want)
			}
		})
	}
}

// TestBlockOfAnotherPlaceIsCorrupt writes blocks whose checksums are right.
func TestBlockOfAnotherPlaceIsCorrupt(t *testing.T) {
	disktest.Need(t, "refusing blocks that are not where they say", "mkfs.xfs", "xfs_db")
	pristine := disktest.XFS(t, everyForm(t), 16, "-b", "size=1024", "-n", "size=4096", "-i", "size=512")
	fsys := openFS(t, pristine)
	inode := func(name string) string { return fmt.Sprintf("inode %d", inodeOf(t, fsys, name)) }
	const other = "11111111-2222-3333-4444-555555555555"
	for _, test := range []struct{ at, write, want string }{
		{inode("link"), "v3.inumber 7", "says that it is inode 7"},
		{inode("link"), "v3.uuid " + other, "belongs to another file system"},
		{inode("block") + "\ndblock 0", "bhdr.hdr.bno 7", "says that it is at sector 7"},
		{inode("block") + "\ndblock 0", "bhdr.hdr.owner 7", "belongs to inode 7"},
		{inode("block") + "\ndblock 0", "bhdr.hdr.uuid " + other, "belongs to another file system"},
		{inode("leaf") + "\ndblock 33554432", "lhdr.info.owner 7", "belongs to inode 7"},
		{inode("tree") + "\naddr u3.bmbt.ptrs[1]", "owner 7", "belongs to inode 7"},
	} {
		t.Run(test.write, func(t *testing.T) {
			path := copyOf(t, pristine)
			xfsdb(t, path, append(strings.Split(test.at, "\n"), "write -d "+test.write)...)
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errorOf(image); !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrCorrupt that says %q", err, test.want)
			}
		})
	}
}

func TestLongLinksAreReadAndVerified(t *testing.T) {
	disktest.Need(t, "reading long symbolic links of version 5", "mkfs.xfs", "xfs_db")
	for _, blockSize := range []string{"1024", "4096"} {
		path := disktest.XFS(t, "", 16, "-b", "size="+blockSize)
		target := strings.Repeat("t/", 512)[:1023]
		mounted(t, path, func(dir string) {
			if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
		})
		fsys := openFS(t, path)
		if got, err := fsys.ReadLink("link"); err != nil || got != target {
			t.Errorf("blocks of %s: got %q, %v", blockSize, got, err)
		}
		image, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		offset := at(t, path, fmt.Sprintf("inode %d", inodeOf(t, fsys, "link")), "dblock 0")
		for at, want := range map[int64]string{0: "magic", 5: "its checksum is wrong", 1000: "its checksum is wrong"} {
			broken := bytes.Clone(image)
			broken[offset+at] ^= 0x10
			if err := errorOf(broken); !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), want) {
				t.Errorf("blocks of %s, byte %d: got %v, want ErrCorrupt that says %q", blockSize, at, err, want)
			}
		}
	}
}
