package qcow2_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/qcow2"
)

func open(r io.ReaderAt, size int64) (disktest.Disk, error) { return qcow2.Open(r, size) }

// content packs well, but not to nothing.
func content(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "line %d\n", i*i)
	}
	return b.Bytes()[:size]
}

func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

func u64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func at(offset int, value string) map[int]string { return map[int]string{offset: value} }

func TestCompressedClustersOfEverySizeAreRead(t *testing.T) {
	want := content(3<<20 + 512)
	for _, compression := range []string{"zlib", "zstd"} {
		for bits := 9; bits <= 21; bits++ {
			t.Run(fmt.Sprintf("%s of %d bytes", compression, 1<<bits), func(t *testing.T) {
				image := disktest.Formatted(t, want, fmt.Sprintf("qcow2 -c -o compression_type=%s,cluster_size=%d", compression, 1<<bits))
				d, err := qcow2.Open(bytes.NewReader(image), int64(len(image)))
				if err != nil {
					t.Fatal(err)
				}
				if l2 := firstL2(image); bits > 10 && image[l2]&0x40 == 0 {
					t.Error("its first cluster is not compressed")
				}
				got := make([]byte, d.Size())
				if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
					t.Errorf("content differs (%v)", err)
				}
			})
		}
	}
}

// Offsets of the header: QEMU docs/interop/qcow2.txt.
const (
	backingOffset, clusterBits, size, crypt, l1Size, l1Offset, refcountOffset, refcountClusters = 8, 20, 24, 32, 36, 40, 48, 56
	incompatible, headerLength, compressionType                                                 = 72, 100, 104
)

// firstL2 is the offset of the first L2 table.
func firstL2(image []byte) int {
	l1 := binary.BigEndian.Uint64(image[l1Offset:])
	return int(binary.BigEndian.Uint64(image[l1:]) & 0x00fffffffffffe00)
}

func TestHostileHeadersAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "qcow2")
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "version 4", Edits: at(4, u32(4)), Kind: diskerr.ErrCorrupt, Says: "version 4"},
		{Name: "backing file behind the end", Edits: at(backingOffset, u64(1<<63)), Kind: diskerr.ErrUnsafe, Says: "backing file"},
		{Name: "clusters of 256 bytes", Edits: at(clusterBits, u32(8)), Kind: diskerr.ErrCorrupt, Says: "cluster_bits is 8"},
		{Name: "clusters of 4 MiB", Edits: at(clusterBits, u32(22)), Kind: diskerr.ErrCorrupt, Says: "cluster_bits is 22"},
		{Name: "clusters beyond any number", Edits: at(clusterBits, u32(0xffffffff)), Kind: diskerr.ErrCorrupt, Says: "cluster_bits"},
		{Name: "size below zero", Edits: at(size, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "virtual size"},
		{Name: "size above the table", Edits: at(size, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "needs 2048"},
		{Name: "unknown encryption", Edits: at(crypt, u32(9)), Kind: diskerr.ErrUnsafe, Says: "encrypted"},
		{Name: "no L1 table", Edits: at(l1Size, u32(0)), Kind: diskerr.ErrCorrupt, Says: "L1 table has 0 entries"},
		{Name: "huge L1 table", Edits: at(l1Size, u32(0xffffffff)), Kind: diskerr.ErrCorrupt, Says: "more than the format's limit"},
		{Name: "L1 table behind the end", Edits: at(l1Offset, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "cut off"},
		{Name: "L1 table before the start", Edits: at(l1Offset, u64(1<<63)), Kind: diskerr.ErrCorrupt, Says: "not that of a cluster"},
		{Name: "L1 table askew", Edits: at(l1Offset, u64(1)), Kind: diskerr.ErrCorrupt, Says: "not that of a cluster"},
		{Name: "refcounts behind the end", Edits: at(refcountOffset, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "cut off"},
		{Name: "huge refcount table", Edits: at(refcountClusters, u32(0xffffffff)), Kind: diskerr.ErrCorrupt, Says: "more than the format's limit"},
		{Name: "data file", Edits: at(incompatible, u64(4)), Kind: diskerr.ErrUnsafe, Says: "external data file"},
		{Name: "unknown feature", Edits: at(incompatible, u64(1<<63)), Kind: diskerr.ErrUnsupported, Says: "features 0x8000000000000000"},
		{Name: "subclusters below a sector", Edits: map[int]string{incompatible: u64(16), clusterBits: u32(13)}, Kind: diskerr.ErrCorrupt, Says: "at least 14"},
		{Name: "short header", Edits: at(headerLength, u32(96)), Kind: diskerr.ErrCorrupt, Says: "header_length is 96"},
		{Name: "odd header", Edits: at(headerLength, u32(105)), Kind: diskerr.ErrCorrupt, Says: "header_length is 105"},
		{Name: "compression without its bit", Edits: at(compressionType, "\x01"), Kind: diskerr.ErrCorrupt, Says: "compression_type 1"},
		{Name: "unknown compression", Edits: map[int]string{incompatible: u64(8), compressionType: "\x02"}, Kind: diskerr.ErrUnsupported, Says: "compression type 2"},
	})
}

func TestHostileTablesAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(5<<20), "qcow2 -o cluster_size=4k")
	be := binary.BigEndian
	l1 := int(be.Uint64(image[l1Offset:]))
	l2 := firstL2(image)
	refcounts := int(be.Uint64(image[refcountOffset:]))
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "L2 table behind the end", Edits: at(l1, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "L2 table"},
		{Name: "L2 table askew", Edits: at(l1, u64(512)), Kind: diskerr.ErrCorrupt, Says: "not that of a cluster"},
		{Name: "L2 table named twice", Edits: at(l1+8, string(image[l1:l1+8])), Kind: diskerr.ErrCorrupt, Says: "named by two L1 entries"},
		{Name: "cluster behind the end", Edits: at(l2, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "cut off"},
		{Name: "cluster askew", Edits: at(l2, u64(512)), Kind: diskerr.ErrCorrupt, Says: "not that of a cluster"},
		{Name: "compressed cluster behind the end", Edits: at(l2, u64(1<<62|1<<40)), Kind: diskerr.ErrCorrupt, Says: "cut off"},
		{Name: "compressed cluster that is none", Edits: at(l2, u64(1<<62|uint64(refcounts))), Kind: diskerr.ErrCorrupt, Says: "zlib"},
		{Name: "refcount block behind the end", Edits: at(refcounts, u64(1<<40)), Kind: diskerr.ErrCorrupt, Says: "cut off"},
		{Name: "refcount block askew", Edits: at(refcounts, u64(512)), Kind: diskerr.ErrCorrupt, Says: "not that of a cluster"},
		{Name: "zero cluster", Edits: at(l2, u64(1))},
	})
}

func TestZeroClusterOfVersion2IsRefused(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "qcow2 -o compat=0.10")
	l2 := firstL2(image)
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "zero cluster", Edits: at(l2, u64(1)), Kind: diskerr.ErrCorrupt, Says: "a zero cluster in a version 2 image"},
	})
}

func TestHostileSubclustersAreRefused(t *testing.T) {
	image := disktest.Formatted(t, content(1<<20), "qcow2 -o extended_l2=on")
	l2 := firstL2(image)
	disktest.RefuseHostile(t, image, nil, open, []disktest.Hostile{
		{Name: "none"},
		{Name: "allocated and zero", Edits: at(l2+8, u64(1<<32|1)), Kind: diskerr.ErrCorrupt, Says: "both allocated and zero"},
		{Name: "allocated nowhere", Edits: at(l2, u64(0)), Kind: diskerr.ErrCorrupt, Says: "allocated nowhere"},
		{Name: "zero", Edits: at(l2+8, u64(0xffffffff<<32))},
	})
}

func FuzzOpen(f *testing.F) {
	var images [][]byte
	for _, options := range []string{
		"qcow2 -o compat=0.10", "qcow2 -o cluster_size=512", "qcow2 -c -o cluster_size=4k",
		"qcow2 -c -o compression_type=zstd,cluster_size=4k", "qcow2 -o extended_l2=on,cluster_size=16k",
	} {
		images = append(images, disktest.Formatted(f, content(300<<10), options))
	}
	disktest.Fuzz(f, images, nil, open)
}
