package btrfs_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/btrfs"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// sparse is an image whose blocks of 4 KiB that are all zeros are left out, so
// that a fuzzer copies little.
type sparse struct {
	size   int64
	blocks map[int64][]byte
}

func newSparse(data []byte) sparse {
	s := sparse{size: int64(len(data)), blocks: map[int64][]byte{}}
	for at := 0; at < len(data); at += nodeSize {
		if b := data[at : at+nodeSize]; !bytes.Equal(b, make([]byte, nodeSize)) {
			s.blocks[int64(at)/nodeSize] = b
		}
	}
	return s
}

// ReadAt implements io.ReaderAt.
func (s sparse) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		at := off + int64(n)
		if at >= s.size {
			return n, io.EOF
		}
		within := at % nodeSize
		part := p[n:min(len(p), n+int(nodeSize-within))]
		clear(part)
		if b, ok := s.blocks[at/nodeSize]; ok {
			copy(part, b[within:])
		}
		n += len(part)
	}
	return len(p), nil
}

// edited returns a copy with bytes replaced: each four bytes of edits are a
// block, counted over those that are not all zeros, a place in it, and the new
// byte. Checksums are mended, or the fuzzer would never get past them.
func (s sparse) edited(order []int64, edits []byte) sparse {
	changed := sparse{size: s.size, blocks: map[int64][]byte{}}
	for at, b := range s.blocks {
		changed.blocks[at] = b
	}
	for ; len(edits) >= 4; edits = edits[4:] {
		at := order[int(edits[0])%len(order)]
		b := bytes.Clone(changed.blocks[at])
		b[binary.BigEndian.Uint16(edits[1:])%nodeSize] = edits[3]
		le.PutUint32(b, castagnoli(b[32:]))
		changed.blocks[at] = b
	}
	return changed
}

// FuzzOpen reads whatever is there; what matters is that it ends, within
// bounded memory, and without a panic.
func FuzzOpen(f *testing.F) {
	disktest.Need(f, "fuzzing", "mkfs.btrfs")
	dir := f.TempDir()
	write(f, filepath.Join(dir, "a/b/inline"), "hello")
	write(f, filepath.Join(dir, "long"), strings.Repeat("x", 5000))
	if err := os.Symlink("a/b", filepath.Join(dir, "link")); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(makeFS(f, dir, "16M", "--mixed", "-m", "single", "-d", "single", "-n", "4096"))
	if err != nil {
		f.Fatal(err)
	}
	whole := newSparse(data)
	order := blocksToEdit(image(data))
	f.Add([]byte{})
	for i := range order {
		f.Add([]byte{byte(i), 0, 101, 1, byte(i), 0, 96, 7, byte(i), 0x0f, 0xf0, 3})
	}
	f.Fuzz(func(_ *testing.T, edits []byte) {
		s := whole.edited(order, edits)
		v, err := btrfs.Open(s, s.size)
		if err != nil {
			return
		}
		list, _ := v.Subvolumes()
		id, _ := v.Default()
		for _, one := range append(list, btrfs.Subvolume{ID: id}) {
			if fsys, err := v.Subvolume(one.ID); err == nil {
				disktest.ReadEverything(fsys)
			}
		}
	})
}

// blocksToEdit are the superblock and the nodes that are read, in their order.
func blocksToEdit(m image) []int64 {
	blocks := []int64{super / nodeSize}
	for at := super + nodeSize; at < len(m); at += nodeSize {
		n := m[at : at+nodeSize]
		switch tree := le.Uint64(n[88:]); {
		case !bytes.Equal(n[32:48], m[super+32:super+48]):
		case tree == rootTree || tree == chunkTree || tree == fsTree || tree == checksumTree:
			blocks = append(blocks, int64(at)/nodeSize)
		}
	}
	return blocks
}
