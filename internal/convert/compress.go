package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// Compression is how clusters are packed.
type Compression string

// The compressions of qcow2: qcow2.txt, "compression_type".
const (
	None Compression = ""
	Zlib Compression = "zlib"
	Zstd Compression = "zstd"
)

const (
	incompatCompression = 1 << 3
	compressionTypeZstd = 1
	flagCompressed      = 1 << 62
	// sizeShift is where a descriptor of a compressed cluster has its sectors:
	// qcow2.txt, "Compressed Clusters Descriptor", 62 - (cluster_bits - 8).
	sizeShift  = 62 - (clusterBits - 8)
	sectorSize = 512
	// windowSize is all that QEMU's reader promises to keep: block/qcow2-threads.c,
	// inflateInit2 with 12 bits.
	windowSize = 4096
)

// CompressedQCOW2 is the disk as a compressed qcow2 image of version 3. How long
// it gets is known only when it is done, and Glance is told the length before the
// first byte: so it is made in a temporary file, which is gone when the disk is
// closed. All cores compress. progress is told how far it is; it may be nil.
func (d *Disk) CompressedQCOW2(ctx context.Context, compression Compression, progress func(done, total int64)) (_ Source, err error) {
	if d.Size() > maxDiskSize {
		return nil, fmt.Errorf("%s: a disk of %d bytes, and at most %d fit a qcow2 image with clusters of 64 KiB: set disk_format to raw", d.path, d.Size(), int64(maxDiskSize))
	}
	file, err := os.CreateTemp("", "openstack-ready-*.qcow2")
	if err != nil {
		return nil, fmt.Errorf("temporary file for the compressed image: %w", err)
	}
	d.temporary = append(d.temporary, file)
	w := &packedWriter{file: file, table: -1, next: clusterSize, l1: make([]byte, l1Entries(d.Size())*8)}
	if err := d.pack(ctx, compression, progress, w); err != nil {
		return nil, fmt.Errorf("compress %s into %s: %w", d.path, file.Name(), err)
	}
	if err := w.finish(d.Size(), compression); err != nil {
		return nil, fmt.Errorf("write %s: %w", file.Name(), err)
	}
	return stream{disk: d, size: w.next, fill: func(p []byte, off int64) error {
		_, err := io.ReadFull(io.NewSectionReader(file, off, int64(len(p))), p)
		return err
	}}, nil
}

// job is one cluster on its way through a core.
type job struct {
	cluster int64
	data    []byte
	packed  []byte
	err     error
	done    chan struct{}
}

// pack compresses the clusters side by side and writes them in order.
func (d *Disk) pack(ctx context.Context, compression Compression, progress func(done, total int64), w *packedWriter) error {
	cores := runtime.NumCPU()
	todo, ordered := make(chan *job, 2*cores), make(chan *job, 8*cores)
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		defer close(todo)
		defer close(ordered)
		return d.clusters(ctx, progress, func(cluster int64, data []byte) error {
			j := &job{cluster: cluster, data: bytes.Clone(data), done: make(chan struct{})}
			return errors.Join(put(ctx, ordered, j), put(ctx, todo, j))
		})
	})
	for range cores {
		all.Go(func() error {
			packer, err := newPacker(compression)
			if err != nil {
				return err
			}
			for j := range todo {
				j.packed, j.err = packer(j.data)
				close(j.done)
			}
			return nil
		})
	}
	all.Go(func() error {
		for j := range ordered {
			select {
			case <-j.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := errors.Join(j.err, w.add(j)); err != nil {
				return err
			}
		}
		return nil
	})
	return all.Wait()
}

func put(ctx context.Context, to chan<- *job, j *job) error {
	select {
	case to <- j:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// newPacker returns a function for one goroutine.
func newPacker(compression Compression) (func([]byte) ([]byte, error), error) {
	if compression == Zstd {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(clusterSize))
		if err != nil {
			return nil, err
		}
		return func(data []byte) ([]byte, error) { return encoder.EncodeAll(data, nil), nil }, nil
	}
	deflater, err := flate.NewWriterWindow(io.Discard, windowSize)
	if err != nil {
		return nil, err
	}
	return func(data []byte) ([]byte, error) {
		var packed bytes.Buffer
		deflater.Reset(&packed)
		_, err := deflater.Write(data)
		err = errors.Join(err, deflater.Close())
		return packed.Bytes(), err
	}, nil
}

// packedWriter writes an image front to back, the header last.
type packedWriter struct {
	file *os.File
	// next is where the next cluster's bytes go.
	next int64
	// counts are the references to each cluster of the file.
	counts []uint16
	l1     []byte
	// l2 is the table of index table, -1 before the first one.
	l2    [clusterSize]byte
	table int64
}

// add writes a cluster. One that does not get smaller is kept as it is.
func (w *packedWriter) add(j *job) error {
	if table := j.cluster / entriesPerTable; table != w.table {
		if err := w.flush(); err != nil {
			return err
		}
		w.table = table
	}
	var data []byte
	var descriptor uint64
	if data = j.packed; len(j.packed) < clusterSize-sectorSize {
		sectors := uint64((w.next%sectorSize + int64(len(data)) - 1) / sectorSize)
		descriptor = flagCompressed | sectors<<sizeShift | uint64(w.next)
	} else {
		w.align()
		data, descriptor = j.data, flagCopied|uint64(w.next)
	}
	binary.BigEndian.PutUint64(w.l2[j.cluster%entriesPerTable*8:], descriptor)
	return w.write(data)
}

// write writes and counts at next.
func (w *packedWriter) write(data []byte) error {
	if _, err := w.file.WriteAt(data, w.next); err != nil {
		return err
	}
	first, last := w.next/clusterSize, ((w.next+int64(len(data))-1)|(sectorSize-1))/clusterSize
	for int64(len(w.counts)) <= last {
		w.counts = append(w.counts, 0)
	}
	for at := first; at <= last; at++ {
		w.counts[at]++
	}
	w.next += int64(len(data))
	return nil
}

func (w *packedWriter) align() { w.next = divideUp(w.next, clusterSize) * clusterSize }

// flush writes the L2 table that is complete.
func (w *packedWriter) flush() error {
	if w.table < 0 {
		return nil
	}
	w.align()
	binary.BigEndian.PutUint64(w.l1[w.table*8:], flagCopied|uint64(w.next))
	err := w.write(w.l2[:])
	clear(w.l2[:])
	return err
}

// finish writes what is known only at the end.
func (w *packedWriter) finish(size int64, compression Compression) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.align()
	h := header{size: size, l1: w.next / clusterSize}
	if compression == Zstd {
		h.incompatible, h.compression = incompatCompression, compressionTypeZstd
	}
	if err := w.write(w.l1); err != nil {
		return err
	}
	w.align()
	h.countTable = w.next / clusterSize
	blocks, tables := countClusters(h.countTable)
	h.countTableClusters = tables
	if err := w.writeCounts(blocks, tables); err != nil {
		return err
	}
	var first [clusterSize]byte
	writeHeader(first[:], h)
	if _, err := w.file.WriteAt(first[:], 0); err != nil {
		return err
	}
	return w.file.Truncate(w.next)
}

// writeCounts writes the reference count table and then the blocks.
func (w *packedWriter) writeCounts(blocks, tables int64) error {
	start := w.next / clusterSize
	end := start + tables + blocks
	counts := make([]byte, blocks*clusterSize)
	for i := range end {
		n := uint16(1) // of the header, and of what is written here
		if i > 0 && i < int64(len(w.counts)) {
			n = w.counts[i]
		}
		binary.BigEndian.PutUint16(counts[i*2:], n)
	}
	table := make([]byte, tables*clusterSize)
	for i := range blocks {
		binary.BigEndian.PutUint64(table[i*8:], uint64(start+tables+i)<<clusterBits)
	}
	_, err := w.file.WriteAt(append(table, counts...), w.next)
	w.next = end * clusterSize
	return err
}
