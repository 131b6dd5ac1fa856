package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sort"
)

// The layout of the images that are made: clusters of 64 KiB and reference
// counts of 16 bits, which are QEMU's own defaults. Source: QEMU
// docs/interop/qcow2.txt.
const (
	clusterBits     = 16
	clusterSize     = 1 << clusterBits
	entriesPerTable = clusterSize / 8
	countsPerBlock  = clusterSize / 2
	headerLength    = 112
	flagCopied      = 1 << 63
	// maxDiskSize is what an L1 table of QEMU's limit maps: block/qcow2.h,
	// QCOW_MAX_L1_SIZE of 32 MiB.
	maxDiskSize = (32 << 20) / 8 * entriesPerTable * clusterSize
)

// layout is where everything is in an uncompressed image, in clusters: header,
// reference count table and blocks, L1 table, L2 tables, data. It takes one bit
// of memory for each cluster of the disk.
type layout struct {
	disk *Disk
	// used has a bit for each cluster of the disk that is not all zeros.
	used []uint64
	// tables are the indexes of the L2 tables that are there, and before[i] is
	// how many data clusters those before tables[i] have.
	tables []int64
	before []int64

	countTable, countBlocks, l1, l2, data, end int64
}

// QCOW2 is the disk as an uncompressed qcow2 image of version 3. The disk is
// read once to find what is zero, and thus the image's size, and again by each
// reading of the source. progress is told how far the first reading is; it may
// be nil.
func (d *Disk) QCOW2(ctx context.Context, progress func(done, total int64)) (Source, error) {
	if d.Size() > maxDiskSize {
		return nil, fmt.Errorf("%s: a disk of %d bytes, and at most %d fit a qcow2 image with clusters of 64 KiB: set disk_format to raw", d.path, d.Size(), int64(maxDiskSize))
	}
	l := &layout{disk: d, used: make([]uint64, divideUp(divideUp(d.Size(), clusterSize), 64))}
	err := d.clusters(ctx, progress, func(cluster int64, _ []byte) error {
		l.used[cluster/64] |= 1 << (cluster % 64)
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.place()
	return stream{disk: d, size: l.end * clusterSize, fill: l.fill}, nil
}

// clusters calls each with every cluster of the disk that is not all zeros, in
// order. The last one is filled up with zeros.
func (d *Disk) clusters(ctx context.Context, progress func(done, total int64), each func(cluster int64, data []byte) error) error {
	buffer := make([]byte, blockSize)
	for off := int64(0); off < d.Size(); {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if progress != nil {
			progress(off, d.Size())
		}
		length, zero, err := d.image.Extent(off)
		if err != nil {
			return fmt.Errorf("%s: map of the disk at offset %d: %w", d.path, off, err)
		}
		if whole := length &^ (clusterSize - 1); zero && whole > 0 {
			off += whole
			continue
		}
		n := min(blockSize, d.Size()-off)
		if err := d.read(buffer[:n], off); err != nil {
			return err
		}
		clear(buffer[n:])
		if err := eachUsed(buffer[:divideUp(n, clusterSize)*clusterSize], off/clusterSize, each); err != nil {
			return err
		}
		off += n
	}
	return nil
}

func eachUsed(data []byte, first int64, each func(cluster int64, data []byte) error) error {
	for i := int64(0); i*clusterSize < int64(len(data)); i++ {
		cluster := data[i*clusterSize : (i+1)*clusterSize]
		if bytes.Equal(cluster, noData[:]) {
			continue
		}
		if err := each(first+i, cluster); err != nil {
			return err
		}
	}
	return nil
}

var noData [clusterSize]byte

// place settles where everything is.
func (l *layout) place() {
	var data int64
	for table := range divideUp(int64(len(l.used))*64, entriesPerTable) {
		if n := l.inTable(table); n > 0 {
			l.tables, l.before = append(l.tables, table), append(l.before, data)
			data += n
		}
	}
	l1Clusters := divideUp(l1Entries(l.disk.Size())*8, clusterSize)
	rest := l1Clusters + int64(len(l.tables)) + data
	blocks, tables := countClusters(1 + rest)
	l.countTable = 1
	l.countBlocks = l.countTable + tables
	l.l1 = l.countBlocks + blocks
	l.l2 = l.l1 + l1Clusters
	l.data = l.l2 + int64(len(l.tables))
	l.end = l.data + data
}

// countClusters is how many clusters the reference counts of others, and of
// themselves, take as blocks and as the table of these.
func countClusters(others int64) (blocks, tables int64) {
	for {
		need := divideUp(others+blocks+tables, countsPerBlock)
		needTables := divideUp(need, entriesPerTable)
		if need == blocks && needTables == tables {
			return blocks, tables
		}
		blocks, tables = need, needTables
	}
}

// inTable counts the data clusters of an L2 table.
func (l *layout) inTable(table int64) (n int64) {
	for _, word := range l.words(table) {
		n += int64(bits.OnesCount64(word))
	}
	return n
}

func (l *layout) words(table int64) []uint64 {
	const perTable = entriesPerTable / 64
	return l.used[table*perTable : min((table+1)*perTable, int64(len(l.used)))]
}

// fill makes the image's bytes.
func (l *layout) fill(p []byte, off int64) error {
	for len(p) > 0 {
		inside := off % clusterSize
		n := min(int64(len(p)), clusterSize-inside)
		if err := l.cluster(p[:n], off/clusterSize, inside); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

// cluster makes a part of one cluster of the image.
func (l *layout) cluster(p []byte, at, inside int64) error {
	if at >= l.data {
		return l.guest(p, at-l.data, inside)
	}
	var whole [clusterSize]byte
	switch {
	case at >= l.l2:
		l.l2Table(whole[:], at-l.l2)
	case at >= l.l1:
		l.l1Table(whole[:], at-l.l1)
	case at >= l.countBlocks:
		l.countBlock(whole[:], at-l.countBlocks)
	case at >= l.countTable:
		l.countTableAt(whole[:], at-l.countTable)
	default:
		writeHeader(whole[:], header{size: l.disk.Size(), l1: l.l1, countTable: l.countTable, countTableClusters: l.countBlocks - l.countTable})
	}
	copy(p, whole[inside:])
	return nil
}

// guest reads a part of the n-th data cluster.
func (l *layout) guest(p []byte, n, inside int64) error {
	i := sort.Search(len(l.before), func(i int) bool { return l.before[i] > n }) - 1
	left := n - l.before[i]
	for w, word := range l.words(l.tables[i]) {
		if here := int64(bits.OnesCount64(word)); left >= here {
			left -= here
			continue
		}
		for ; left > 0; left-- {
			word &= word - 1
		}
		cluster := l.tables[i]*entriesPerTable + int64(w)*64 + int64(bits.TrailingZeros64(word))
		off := cluster*clusterSize + inside
		inDisk := max(0, min(int64(len(p)), l.disk.Size()-off))
		clear(p[inDisk:])
		return l.disk.read(p[:inDisk], off)
	}
	return fmt.Errorf("%s: data cluster %d: %w", l.disk.path, n, io.ErrUnexpectedEOF)
}

func (l *layout) l2Table(p []byte, index int64) {
	next := l.data + l.before[index]
	for w, word := range l.words(l.tables[index]) {
		for ; word != 0; word &= word - 1 {
			binary.BigEndian.PutUint64(p[(w*64+bits.TrailingZeros64(word))*8:], flagCopied|uint64(next)<<clusterBits)
			next++
		}
	}
}

func (l *layout) l1Table(p []byte, index int64) {
	for i, table := range l.tables {
		if table/entriesPerTable == index {
			binary.BigEndian.PutUint64(p[table%entriesPerTable*8:], flagCopied|uint64(l.l2+int64(i))<<clusterBits)
		}
	}
}

func (l *layout) countBlock(p []byte, index int64) {
	for i := range min(countsPerBlock, l.end-index*countsPerBlock) {
		binary.BigEndian.PutUint16(p[i*2:], 1)
	}
}

func (l *layout) countTableAt(p []byte, index int64) {
	blocks := l.l1 - l.countBlocks
	for i := range min(entriesPerTable, blocks-index*entriesPerTable) {
		binary.BigEndian.PutUint64(p[i*8:], uint64(l.countBlocks+index*entriesPerTable+i)<<clusterBits)
	}
}

// header is what differs between headers; places are in clusters.
type header struct {
	size               int64
	l1                 int64
	countTable         int64
	countTableClusters int64
	incompatible       uint64
	compression        byte
}

// writeHeader: qcow2.txt, "Header". No header extension follows it.
func writeHeader(p []byte, h header) {
	be := binary.BigEndian
	copy(p, "QFI\xfb")
	be.PutUint32(p[4:], 3)
	be.PutUint32(p[20:], clusterBits)
	be.PutUint64(p[24:], uint64(h.size))
	be.PutUint32(p[36:], uint32(l1Entries(h.size)))
	be.PutUint64(p[40:], uint64(h.l1)<<clusterBits)
	be.PutUint64(p[48:], uint64(h.countTable)<<clusterBits)
	be.PutUint32(p[56:], uint32(h.countTableClusters))
	be.PutUint64(p[72:], h.incompatible)
	const countsOf16Bits = 4
	be.PutUint32(p[96:], countsOf16Bits)
	be.PutUint32(p[100:], headerLength)
	p[104] = h.compression
}

func l1Entries(size int64) int64 { return divideUp(size, entriesPerTable*clusterSize) }

func divideUp(n, by int64) int64 { return (n + by - 1) / by }
