package inspect

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/inflate"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xz"
)

const (
	maxWindow    = 64 << 20 // bytes of a decompressor's window
	packedBuffer = 64 << 10 // bytes that are read at once
)

// magics are the first bytes of what the kernel can decompress (kernel,
// lib/decompress.c).
const (
	magicGzip      = "\x1f\x8b"
	magicBzip2     = "BZh"
	magicLZMA      = "\x5d\x00"
	magicLZO       = "\x89LZO"
	magicLZ4       = "\x04\x22\x4d\x18"
	magicLZ4Legacy = "\x02\x21\x4c\x18"
	magicZstd      = "\x28\xb5\x2f\xfd"
)

// decompress returns a reader of the compressed data that r begins with. It
// takes nothing of what follows, which can be another archive; only of bzip2,
// and of LZ4 in frames, which the kernel does not read, it takes all.
func decompress(r *bufio.Reader, magic []byte) (io.ReadCloser, error) {
	has := func(prefix string) bool { return bytes.HasPrefix(magic, []byte(prefix)) }
	switch {
	case has(magicGzip):
		z, err := inflate.NewReader(r)
		return io.NopCloser(z), err
	case has(magicZstd):
		d, err := zstd.NewReader(&pieces{r: r, next: (&zstdFrame{r: r}).next},
			zstd.WithDecoderConcurrency(decoderThreads), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case has(xz.Magic):
		return io.NopCloser(xz.NewStreamReader(r, maxWindow)), nil
	case has(magicLZ4Legacy):
		return io.NopCloser(lz4.NewReader(&pieces{r: r, next: (&lz4Legacy{r: r}).next})), nil
	case has(magicLZ4):
		return io.NopCloser(lz4.NewReader(r)), nil
	case has(magicLZMA):
		z, err := lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
		return io.NopCloser(z), err
	case has(magicBzip2):
		return io.NopCloser(bzip2.NewReader(r)), nil
	case has(magicLZO):
		return nil, diskerr.Unsupported("is compressed with LZO, which is not read")
	}
	return nil, diskerr.Unsupported("is compressed in a way that is not read: it starts with %x", magic)
}

// decoderThreads is how many goroutines unpack one zstd stream: two are one
// ahead of the other.
const decoderThreads = 2

// pieces reads the pieces that a stream is made of, up to its end, for
// decompressors that would otherwise read on.
type pieces struct {
	r    *bufio.Reader
	left int64
	// next returns the length of the next piece, or io.EOF behind the last.
	next func() (int64, error)
}

func (s *pieces) Read(p []byte) (int, error) {
	for s.left == 0 {
		n, err := s.next()
		if err != nil {
			return 0, err
		}
		s.left = n
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// peek returns the next bytes without taking them.
func peek(r *bufio.Reader, n int) ([]byte, error) {
	b, err := r.Peek(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// zstdFrame tells the pieces of a frame of Zstandard: its header, its blocks,
// and a checksum (RFC 8878, 3.1.1).
type zstdFrame struct {
	r        *bufio.Reader
	inside   bool
	checksum int64 // bytes
	last     bool
	ended    bool
}

func (f *zstdFrame) next() (int64, error) {
	switch {
	case f.ended:
		return 0, io.EOF
	case !f.inside:
		f.inside = true
		return f.header()
	case f.last:
		f.ended = true
		return f.checksum, nil
	}
	b, err := peek(f.r, 3)
	if err != nil {
		return 0, err
	}
	block := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
	f.last = block&1 != 0
	if kind := block >> 1 & 3; kind == 1 { // one byte, repeated
		return 3 + 1, nil
	}
	return 3 + block>>3, nil
}

func (f *zstdFrame) header() (int64, error) {
	b, err := peek(f.r, 5)
	if err != nil {
		return 0, err
	}
	flags := b[4]
	if flags&4 != 0 {
		f.checksum = 4
	}
	window, size := int64(1), [4]int64{0, 2, 4, 8}[flags>>6]
	if single := flags&0x20 != 0; single {
		window, size = 0, max(size, 1)
	}
	return 5 + window + [4]int64{0, 1, 2, 4}[flags&3] + size, nil
}

// lz4Legacy tells the pieces of LZ4 in its old form, the only one that the
// kernel reads: chunks, each behind its length, as long as a length is possible
// (kernel, lib/decompress_unlz4.c).
type lz4Legacy struct {
	r      *bufio.Reader
	inside bool
}

// maxLZ4Chunk is LZ4_COMPRESSBOUND of the 8 MiB that a chunk has unpacked.
const maxLZ4Chunk = 8<<20 + 8<<20/255 + 16

func (c *lz4Legacy) next() (int64, error) {
	if !c.inside {
		c.inside = true
		return int64(len(magicLZ4Legacy)), nil
	}
	b, err := c.r.Peek(4)
	if len(b) == 0 && errors.Is(err, io.EOF) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, fmt.Errorf("ends in the middle of a chunk's length: %w", err)
	}
	if size := int64(binary.LittleEndian.Uint32(b)); size > 0 && size <= maxLZ4Chunk {
		return 4 + size, nil
	}
	return 0, io.EOF
}
