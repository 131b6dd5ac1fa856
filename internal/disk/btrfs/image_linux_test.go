package btrfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/btrfs"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// Trees and kinds of items, and sizes, of the images that are damaged.
const (
	rootTree, chunkTree, fsTree, checksumTree      = 1, 3, 5, 7
	inodeItem, inodeRef, dirIndex                  = 1, 12, 96
	extentData, extentSum, rootItem, chunkItem     = 108, 128, 132, 228
	rootBackref, rootRef                           = 144, 156
	super, nodeSize, nodeHeader, itemHeader, ptrTo = 65536, 4096, 101, 25, 33
)

var le = binary.LittleEndian

// image is a file system of 16 MiB with one copy of everything, nodes of 4096
// bytes and crc32c, in memory.
type image []byte

// damageable makes an image that has all kinds of items, and trees of files
// and directories with two levels.
func damageable(t testing.TB) image {
	t.Helper()
	disktest.Need(t, "refusing damaged file systems", "mkfs.btrfs")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"inline": "hello", "long": strings.Repeat("x", 9000), "a/b/file": "deep",
	} {
		write(t, filepath.Join(dir, name), content)
	}
	for i := range 60 {
		write(t, filepath.Join(dir, "many", strings.Repeat("n", 20)+string(rune('A'+i))), "")
	}
	if err := os.Symlink("a/b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(makeFS(t, dir, "16M", "--mixed", "-m", "single", "-d", "single", "-n", "4096"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// firstError opens the image and reads everything in it.
func (m image) firstError() error {
	v, err := btrfs.Open(bytes.NewReader(m), int64(len(m)))
	if err != nil {
		return err
	}
	if _, err := v.Default(); err != nil {
		return err
	}
	if _, err := v.Subvolumes(); err != nil {
		return err
	}
	fsys, err := v.Subvolume(btrfs.TopLevel)
	if err != nil {
		return err
	}
	return disktest.FirstError(fsys)
}

// nodes returns all nodes of a tree, those of past generations too; tree 0 is
// every tree.
func (m image) nodes(tree uint64) [][]byte {
	var found [][]byte
	fsid := m[super+32 : super+48]
	for at := super + nodeSize; at < len(m); at += nodeSize {
		if n := m[at : at+nodeSize]; bytes.Equal(n[32:48], fsid) && (tree == 0 || le.Uint64(n[88:]) == tree) {
			found = append(found, n)
		}
	}
	return found
}

// changed returns a copy with changes, whose checksums of metadata are right.
func (m image) changed(change func(image)) image {
	m = slices.Clone(m)
	nodes := m.nodes(0)
	change(m)
	for _, n := range nodes {
		le.PutUint32(n, castagnoli(n[32:]))
	}
	le.PutUint32(m[super:], castagnoli(m[super+32:super+4096]))
	return m
}

// leaves calls edit with every leaf of the tree.
func (m image) leaves(tree uint64, edit func(node []byte)) {
	for _, n := range m.nodes(tree) {
		if n[100] == 0 {
			edit(n)
		}
	}
}

// items calls edit with the header and the data of every item of a kind.
func (m image) items(tree uint64, kind byte, edit func(header, data []byte)) {
	m.leaves(tree, func(n []byte) {
		for i := range int(le.Uint32(n[96:])) {
			header := n[nodeHeader+i*itemHeader:][:itemHeader]
			if header[8] == kind {
				edit(header, n[nodeHeader+le.Uint32(header[17:]):][:le.Uint32(header[21:])])
			}
		}
	})
}

// castagnoli is the sum of Btrfs, written anew so that the test does not lean
// on the code that it tests.
func castagnoli(p []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range p {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78&-(sum&1)
		}
	}
	return ^sum
}

func TestImageToDamageIsWholeAtFirst(t *testing.T) {
	m := damageable(t).changed(func(image) {})
	if err := m.firstError(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(m.nodes(fsTree), func(n []byte) bool { return n[100] == 1 }) {
		t.Error("the tree of files has one level; the tests want two")
	}
}

func TestWrongChecksumIsCorruptAndNamed(t *testing.T) {
	whole := damageable(t)
	for name, test := range map[string]struct {
		damage func(image)
		want   string
	}{
		"superblock":    {func(m image) { m[super+300] ^= 1 }, "superblock: its checksum is wrong"},
		"chunk tree":    {flipNodes(chunkTree), "chunk tree: tree 3: node "},
		"root tree":     {flipNodes(rootTree), "tree 1: node "},
		"tree of files": {flipNodes(fsTree), "tree 5: node "},
		"checksum tree": {flipNodes(checksumTree), "tree 7: node "},
		"inner node": {func(m image) {
			for _, n := range m.nodes(fsTree) {
				n[4000] ^= n[100]
			}
		}, "its checksum is wrong"},
		"data": {func(m image) { m[bytes.Index(m, bytes.Repeat([]byte("x"), 9000))+5000] ^= 1 }, "the data at the logical address"},
	} {
		t.Run(name, func(t *testing.T) {
			m := slices.Clone(whole)
			test.damage(m)
			err := m.firstError()
			if !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "checksum is wrong") {
				t.Errorf("got %v, want ErrCorrupt that says %q", err, test.want)
			}
		})
	}
}

// flipNodes changes a byte behind the last item of each node.
func flipNodes(tree uint64) func(image) {
	return func(m image) {
		for _, n := range m.nodes(tree) {
			n[nodeHeader+int(le.Uint32(n[96:]))*ptrTo+1] ^= 1
		}
	}
}

func TestSecondCopyIsReadWhereTheFirstIsWrong(t *testing.T) {
	disktest.Need(t, "reading the second copies of metadata and data", "mkfs.btrfs")
	dir := t.TempDir()
	content := "the first line of the file" + strings.Repeat("\nanother line", 1000)
	write(t, filepath.Join(dir, "file"), content)
	path := makeFS(t, dir, "120M", "-m", "dup", "-d", "dup", "-n", "4096")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		damaged []int
		want    error
	}{"first": {[]int{0}, nil}, "second": {[]int{1}, nil}, "both": {[]int{0, 1}, diskerr.ErrCorrupt}} {
		m := image(slices.Clone(data))
		for _, which := range test.damaged {
			for _, copies := range m.copiesOfNodes() {
				if len(copies) == 2 { // others are what mkfs.btrfs started with
					copies[which][4000] ^= 1
				}
			}
			indexes(m, content)[which][0] ^= 1
		}
		if err := m.firstError(); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func (m image) copiesOfNodes() map[uint64][][]byte {
	copies := map[uint64][][]byte{}
	for _, n := range m.nodes(0) {
		copies[le.Uint64(n[48:])] = append(copies[le.Uint64(n[48:])], n)
	}
	return copies
}

// indexes returns the places of content, whose first byte may be wrong.
func indexes(m image, content string) [][]byte {
	var found [][]byte
	for at := 0; ; at++ {
		next := bytes.Index(m[at:], []byte(content[1:26]))
		if next < 0 {
			return found
		}
		at += next
		found = append(found, m[at-1:])
	}
}

// flipped copies the file with a bit changed 300 bytes behind each offset.
func flipped(t testing.TB, path string, offsets []int64) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "flipped")
	disktest.Run(t, "cp", "--sparse=always", path, copied)
	f, err := os.OpenFile(copied, os.O_RDWR, 0)
	for _, off := range offsets {
		b := make([]byte, 1)
		if err == nil {
			_, err = f.ReadAt(b, off+300)
		}
		if err == nil {
			b[0] ^= 1
			_, err = f.WriteAt(b, off+300)
		}
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}
