// Package qcow2 reads the active layer of a qcow2 image that needs no other
// file. Source of the format: QEMU docs/interop/qcow2.txt.
package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/cache"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Compression is how compressed clusters are packed.
type Compression string

// The compressions.
const (
	Zlib Compression = "zlib"
	Zstd Compression = "zstd"
)

// Info is what the header says of the image.
type Info struct {
	// Version is 2 or 3.
	Version int `json:"version"`
	// ClusterSize is in bytes.
	ClusterSize int64 `json:"cluster_size"`
	// Compression is that of compressed clusters, if there are any.
	Compression Compression `json:"compression"`
	// ExtendedL2 says that clusters are allocated in 32 subclusters.
	ExtendedL2 bool `json:"extended_l2"`
	// LazyRefcounts says that reference counts may be brought up to date late.
	LazyRefcounts bool `json:"lazy_refcounts"`
	// Dirty says that the writer did not close the image.
	Dirty bool `json:"dirty"`
	// Corrupt says that QEMU found the image's structures damaged.
	Corrupt bool `json:"corrupt"`
	// Snapshots is the number of internal snapshots. They are not read.
	Snapshots int `json:"snapshots"`
}

// Sums of bytes kept in memory for one image. The L2 cache maps 8 GiB at the
// usual cluster size of 64 KiB.
const (
	l2CacheBytes         = 1 << 20
	compressedCacheBytes = 8 << 20
	maxL2Slice           = 64 << 10
)

// Image is the virtual disk, safe for concurrent reads.
type Image struct {
	file       io.ReaderAt
	fileSize   int64
	header     *header
	l1         []byte
	l2         *cache.Cache
	compressed *cache.Cache
	inflater   inflater
}

// Open reads the header and the tables of the image in r, size bytes long,
// and checks that all they point to is inside the file. The error is
// diskerr.ErrUnsafe for a backing file, an external data file or encryption,
// diskerr.ErrUnsupported, or diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	l1 := make([]byte, h.l1Entries*8)
	if err := readat.Full(r, l1, h.l1Offset, "qcow2 L1 table"); err != nil {
		return nil, err
	}
	image := &Image{
		file: r, fileSize: size, header: h, l1: l1,
		l2: cache.New(l2CacheBytes), compressed: cache.New(compressedCacheBytes),
		inflater: inflater{compression: h.compression},
	}
	if err := image.checkWhole(); err != nil {
		return nil, err
	}
	return image, nil
}

// Size is that of the virtual disk in bytes.
func (q *Image) Size() int64 { return q.header.size }

// Info returns what the header says.
func (q *Image) Info() Info {
	h := q.header
	return Info{
		Version: int(h.version), ClusterSize: h.clusterSize(), Compression: h.compression,
		ExtendedL2:    h.incompatible&incompatExtendedL2 != 0,
		LazyRefcounts: h.compatible&compatLazyRefcounts != 0,
		Dirty:         h.incompatible&incompatDirty != 0,
		Corrupt:       h.incompatible&incompatCorrupt != 0,
		Snapshots:     int(h.snapshots),
	}
}

// ReadAt reads from the virtual disk.
func (q *Image) ReadAt(p []byte, off int64) (int, error) {
	return readat.Pieces(p, off, q.Size(), "qcow2 cluster", q.readSome)
}

// readSome fills the start of p, as far as one cluster or subcluster goes.
func (q *Image) readSome(p []byte, off int64) (int, error) {
	inside := off & (q.header.clusterSize() - 1)
	p = p[:min(int64(len(p)), q.header.clusterSize()-inside)]
	entry, err := q.entry(off >> q.header.clusterBits)
	if err != nil {
		return 0, err
	}
	m, err := q.header.decode(entry, inside)
	if err != nil {
		return 0, err
	}
	if m.kind == stretchData || m.kind == stretchZero {
		p = p[:min(int64(len(p)), m.length)]
	}
	switch m.kind {
	case stretchZero:
		clear(p)
	case stretchCompressed:
		cluster, err := q.unpacked(m)
		if err != nil {
			return 0, err
		}
		copy(p, cluster[inside:])
	case stretchData:
		if err := readat.Full(q.file, p, m.offset, "data"); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// l2Entry is one entry of an L2 table; the bitmap is that of extended ones.
type l2Entry struct {
	descriptor uint64
	bitmap     uint64
}

// entry looks up the L2 entry of a guest cluster. The zero entry stands for
// an L2 table that is not there.
func (q *Image) entry(cluster int64) (l2Entry, error) {
	perTable := q.header.l2Entries()
	table, err := q.header.l2Offset(q.l1, cluster/perTable)
	if err != nil || table == 0 {
		return l2Entry{}, err
	}
	position := cluster % perTable * q.header.l2EntrySize()
	sliceSize := min(q.header.clusterSize(), maxL2Slice)
	slice, err := q.l2Slice(table+position/sliceSize*sliceSize, sliceSize)
	if err != nil {
		return l2Entry{}, err
	}
	return q.header.entryAt(slice, position%sliceSize), nil
}

func (q *Image) l2Slice(offset, size int64) ([]byte, error) {
	if slice, ok := q.l2.Get(offset); ok {
		return slice, nil
	}
	slice := make([]byte, size)
	if err := readat.Full(q.file, slice, offset, "L2 table"); err != nil {
		return nil, err
	}
	q.l2.Put(offset, slice)
	return slice, nil
}

func (q *Image) unpacked(m stretch) ([]byte, error) {
	if cluster, ok := q.compressed.Get(m.offset); ok {
		return cluster, nil
	}
	packed := make([]byte, min(m.length, q.fileSize-m.offset))
	if err := readat.Full(q.file, packed, m.offset, "compressed cluster"); err != nil {
		return nil, err
	}
	cluster := make([]byte, q.header.clusterSize())
	if err := q.inflater.unpack(cluster, packed); err != nil {
		return nil, fmt.Errorf("compressed cluster at offset %d: %w", m.offset, err)
	}
	q.compressed.Put(m.offset, cluster)
	return cluster, nil
}

// l2Offset returns where the L2 table of an L1 entry is, 0 for nowhere.
func (h *header) l2Offset(l1 []byte, index int64) (int64, error) {
	offset := int64(binary.BigEndian.Uint64(l1[index*8:]) & hostOffsetMask)
	if offset%h.clusterSize() != 0 {
		return 0, diskerr.Corrupt("qcow2 L1 entry %d: offset %#x is not that of a cluster", index, offset)
	}
	return offset, nil
}

// entryAt decodes the entry at a byte position of a part of an L2 table.
func (h *header) entryAt(slice []byte, position int64) l2Entry {
	e := l2Entry{descriptor: binary.BigEndian.Uint64(slice[position:])}
	if h.l2EntrySize() == 16 {
		e.bitmap = binary.BigEndian.Uint64(slice[position+8:])
	}
	return e
}
