package xfs_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xfs"
)

// FuzzOpen reads whatever is there; what matters is that it ends, within
// bounded memory, and without a panic. An input is edits of one of the real
// file systems, so that it stays short. Checksums are mended, or the fuzzer
// would never get past them.
func FuzzOpen(f *testing.F) {
	disktest.Need(f, "fuzzing", "mkfs.xfs")
	tree := f.TempDir()
	fill(f, filepath.Join(tree, "short"), 2, 1)
	fill(f, filepath.Join(tree, "block"), 30, 0)
	fill(f, filepath.Join(tree, "leaf"), 120, 0)
	if err := os.Symlink("short", filepath.Join(tree, "link")); err != nil {
		f.Fatal(err)
	}
	var disks []disk
	for _, args := range []string{"-m crc=0 -n ftype=0 -b size=512", "-m crc=0 -b size=4096", "-m crc=1 -b size=4096", "-m crc=1 -b size=4096 -i nrext64=1"} {
		d := readDisk(f, disktest.XFS(f, tree, 16, strings.Fields(args)...))
		if _, err := xfs.Open(d, d.size); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(len(disks)), []byte{})
		f.Add(uint8(len(disks)), []byte("\x00\x28\x05\x00\x05\x01"))
		disks = append(disks, d)
	}
	f.Fuzz(func(_ *testing.T, which uint8, edits []byte) {
		d := disks[int(which)%len(disks)]
		d.used = disktest.Edit(d.used, edits)
		d.mend()
		fsys, err := xfs.Open(d, d.size)
		if err != nil {
			return
		}
		disktest.ReadEverything(fsys)
	})
}

const diskBlock = 4096

// disk is a disk of which only the blocks that are not all zeros are held.
type disk struct {
	size  int64
	used  []byte
	index map[int64]int // number of the block: its offset in used
}

func readDisk(t testing.TB, path string) disk {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := disk{size: int64(len(image)), index: map[int64]int{}}
	for at := 0; at+diskBlock <= len(image); at += diskBlock {
		if block := image[at : at+diskBlock]; !bytes.Equal(block, make([]byte, diskBlock)) {
			d.index[int64(at/diskBlock)] = len(d.used)
			d.used = append(d.used, block...)
		}
	}
	return d
}

func (d disk) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; done < len(p); {
		at := off + int64(done)
		if at >= d.size {
			return done, io.EOF
		}
		part := p[done:min(len(p), done+diskBlock-int(at%diskBlock))]
		clear(part)
		if used, ok := d.index[at/diskBlock]; ok {
			copy(part, d.used[used+int(at%diskBlock):])
		}
		done += len(part)
	}
	return len(p), nil
}

// mend makes the checksums right, of version 5 with blocks of 4 KiB.
func (d disk) mend() {
	for at := 0; at < len(d.used); at += diskBlock {
		block := d.used[at : at+diskBlock]
		switch {
		case at == 0:
			mendSuperblock(block)
		case string(block[:2]) == "IN":
			for ; len(block) > 0; block = block[512:] {
				mendSum(block[:512], 100)
			}
		case string(block[:3]) == "XDB", string(block[:3]) == "XDD", string(block[:3]) == "XDF":
			mendSum(block, 4)
		case block[8] == 0x3d, block[8] == 0x3e:
			mendSum(block, 12)
		}
	}
}

func mendSum(block []byte, at int) {
	clear(block[at : at+4])
	binary.LittleEndian.PutUint32(block[at:], crc32.Checksum(block, crc32.MakeTable(crc32.Castagnoli)))
}
