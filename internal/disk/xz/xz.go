// Package xz unpacks xz streams in bounded memory. Source of the format: The
// .xz File Format 1.2.1. The library's own reader allocates whatever
// dictionary a block asks for, up to 4 GiB; this one looks first.
package xz

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// Magic starts every stream.
const Magic = "\xfd7zXZ\x00"

var errDamaged = errors.New("xz: it is damaged, or has other filters than LZMA2, which are not read")

// Reader unpacks one stream or several in a row.
type Reader struct {
	r             *bufio.Reader
	maxDictionary int64
	stream        *stream
	one, ended    bool
}

// NewStreamReader returns a reader of the one stream that r begins with, which
// takes nothing of what stands behind it.
func NewStreamReader(r *bufio.Reader, maxDictionary int64) *Reader {
	return &Reader{r: r, maxDictionary: maxDictionary, one: true}
}

// NewReader returns a reader of the streams in r, whose dictionaries have
// maxDictionary bytes at most.
func NewReader(r io.Reader, maxDictionary int64) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), maxDictionary: maxDictionary}
}

// Read unpacks. Damage and an end inside a stream are errors, io.EOF is the end
// of the last stream.
func (x *Reader) Read(p []byte) (int, error) {
	for !x.ended {
		if x.stream == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
		}
		n, err := x.stream.Read(p)
		if errors.Is(err, io.EOF) {
			if x.stream, err = nil, io.EOF; !x.one {
				err = x.skipPadding()
			}
			x.ended = errors.Is(err, io.EOF)
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

func (x *Reader) next() error {
	s := &stream{r: x.r, maxDictionary: x.maxDictionary}
	if err := s.header(); err != nil {
		return cutOff(err)
	}
	x.stream = s
	return nil
}

// skipPadding leaves out the zeros between streams, four at a time (section
// 2.2). It returns io.EOF behind the last stream.
func (x *Reader) skipPadding() error {
	for {
		head, err := x.r.Peek(4)
		if len(head) == 0 {
			return err
		}
		if !bytes.Equal(head, make([]byte, 4)) {
			return nil
		}
		if _, err := x.r.Discard(4); err != nil {
			return err
		}
	}
}

// cutOff tells an end of the data inside a stream from the last stream's end.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// stream is one stream: blocks, each with a check behind it, and an index.
type stream struct {
	r             *bufio.Reader
	maxDictionary int64
	flags         [2]byte
	newHash       func() hash.Hash
	checkSize     int

	block      io.Reader
	packed     *counting
	headerSize int64 // bytes of the block's header
	hash       hash.Hash
	unpacked   int64
	// blocks is their number, sums are those of their sizes as the index has
	// them.
	blocks              uint64
	sumPacked, sumBytes uint64
}

// header reads the stream header: section 2.1.1.
func (s *stream) header() error {
	raw := make([]byte, 12)
	if _, err := io.ReadFull(s.r, raw); err != nil {
		return err
	}
	if string(raw[:len(Magic)]) != Magic || raw[6] != 0 || crc32.ChecksumIEEE(raw[6:8]) != binary.LittleEndian.Uint32(raw[8:]) {
		return errDamaged
	}
	s.flags = [2]byte(raw[6:8])
	// Section 2.1.1.2: the sizes of the check IDs.
	sizes := [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}
	s.checkSize = sizes[raw[7]&15]
	switch raw[7] {
	case 1:
		s.newHash = func() hash.Hash { return crc32.NewIEEE() }
	case 4:
		s.newHash = func() hash.Hash { return crc64.New(crc64.MakeTable(crc64.ECMA)) }
	case 10:
		s.newHash = sha256.New
	}
	return nil
}

// Read unpacks blocks up to the stream's end.
func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.block == nil {
			ended, err := s.nextBlock()
			if err != nil {
				return 0, cutOff(err)
			}
			if ended {
				return 0, io.EOF
			}
		}
		n, err := s.block.Read(p)
		s.unpacked += int64(n)
		if s.hash != nil {
			s.hash.Write(p[:n])
		}
		if errors.Is(err, io.EOF) {
			err = cutOff(s.endBlock())
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// nextBlock reads a block's header (section 3.1), or the index, which a zero
// starts and the stream ends with.
func (s *stream) nextBlock() (ended bool, err error) {
	size, err := s.r.ReadByte()
	if err != nil {
		return false, err
	}
	if size == 0 {
		return true, s.index()
	}
	raw := make([]byte, 4*(int(size)+1))
	raw[0] = size
	if _, err := io.ReadFull(s.r, raw[1:]); err != nil {
		return false, err
	}
	content := raw[:len(raw)-4]
	if crc32.ChecksumIEEE(content) != binary.LittleEndian.Uint32(raw[len(content):]) {
		return false, errDamaged
	}
	dictionary, err := dictionarySize(content, s.maxDictionary)
	if err != nil {
		return false, err
	}
	s.headerSize, s.unpacked, s.packed = int64(len(raw)), 0, &counting{r: s.r}
	if s.newHash != nil {
		s.hash = s.newHash()
	}
	s.block, err = lzma.Reader2Config{DictCap: dictionary}.NewReader2(s.packed)
	return false, err
}

// dictionarySize is what a block header asks for: sections 3.1 and 5.3.1.
func dictionarySize(header []byte, limit int64) (int, error) {
	flags, rest := header[1], header[2:]
	if flags&3 != 0 {
		return 0, errDamaged
	}
	for _, present := range []byte{0x40, 0x80} {
		if flags&present == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, errDamaged
		}
		rest = rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 40 {
		return 0, errDamaged
	}
	exponent := rest[2]
	size := (2 | int64(exponent&1)) << (exponent/2 + 11)
	if size > limit {
		return 0, fmt.Errorf("xz: a block asks for a dictionary of %d bytes, and %d at most are given", size, limit)
	}
	return int(max(size, lzma.MinDictCap)), nil
}

// endBlock reads the zeros that fill up a block, and compares its check:
// sections 3.3 and 3.4.
func (s *stream) endBlock() error {
	s.block = nil
	padding, check := make([]byte, -s.packed.n&3), make([]byte, s.checkSize)
	for _, b := range [][]byte{padding, check} {
		if _, err := io.ReadFull(s.r, b); err != nil {
			return err
		}
	}
	if !bytes.Equal(padding, make([]byte, len(padding))) || s.hash != nil && !bytes.Equal(check, s.sum()) {
		return errDamaged
	}
	s.blocks++
	s.sumPacked += uint64(s.headerSize + s.packed.n + int64(s.checkSize))
	s.sumBytes += uint64(s.unpacked)
	return nil
}

// sum is the check as the format has it: CRCs stand with the low byte first.
func (s *stream) sum() []byte {
	switch h := s.hash.(type) {
	case hash.Hash64:
		return binary.LittleEndian.AppendUint64(nil, h.Sum64())
	case hash.Hash32:
		return binary.LittleEndian.AppendUint32(nil, h.Sum32())
	}
	return s.hash.Sum(nil)
}

// index compares the index with the blocks that were read, and reads the
// stream's footer: sections 4 and 2.1.2.
func (s *stream) index() error {
	in := &indexReader{r: s.r, sum: crc32.NewIEEE()}
	in.sum.Write([]byte{0})
	in.n = 1
	if in.number() != s.blocks {
		return errors.Join(in.err, errDamaged)
	}
	var packed, unpacked uint64
	for range s.blocks {
		packed += in.number()
		unpacked += in.number()
		if in.err != nil {
			return in.err
		}
	}
	if packed != s.sumPacked || unpacked != s.sumBytes {
		return errDamaged
	}
	for in.n%4 != 0 && in.err == nil {
		in.byte()
	}
	want := in.sum.Sum32()
	tail := make([]byte, 4+12)
	if _, err := io.ReadFull(s.r, tail); err != nil || in.err != nil {
		return errors.Join(err, in.err)
	}
	footer := tail[4:]
	size := 4 * (int64(binary.LittleEndian.Uint32(footer[4:])) + 1)
	if binary.LittleEndian.Uint32(tail) != want || size != in.n+4 || [2]byte(footer[8:10]) != s.flags || string(footer[10:]) != "YZ" ||
		crc32.ChecksumIEEE(footer[4:10]) != binary.LittleEndian.Uint32(footer) {
		return errDamaged
	}
	return nil
}

// indexReader reads the numbers of an index and sums its bytes up.
type indexReader struct {
	r   *bufio.Reader
	sum hash.Hash32
	n   int64
	err error
}

func (i *indexReader) byte() byte {
	if i.err != nil {
		return 0
	}
	b, err := i.r.ReadByte()
	if err != nil {
		i.err = err
		return 0
	}
	i.sum.Write([]byte{b})
	i.n++
	return b
}

// number reads a number of up to nine bytes: section 1.2.
func (i *indexReader) number() uint64 {
	var n uint64
	for shift := 0; shift < 63; shift += 7 {
		b := i.byte()
		n |= uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			return n
		}
	}
	i.err = errors.Join(i.err, errDamaged)
	return 0
}

// counting counts the bytes that a block takes.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
