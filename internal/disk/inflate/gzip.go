package inflate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Flags of a gzip member's header (RFC 1952, 2.3.1).
const (
	hasHeaderCRC = 1 << 1
	hasExtra     = 1 << 2
	hasName      = 1 << 3
	hasComment   = 1 << 4
	reserved     = 7 << 5
)

// Errors of NewReader, and of a Reader at the end of its member.
var (
	ErrHeader   = errors.New("is damaged: no header of gzip")
	ErrChecksum = errors.New("is damaged: its content does not have the checksum and the length that it says")
)

// Reader unpacks one member of gzip, and checks its content at the end: only
// when Read says io.EOF is it known to be whole.
type Reader struct {
	r     *bufio.Reader
	d     *decoder
	ready []byte
	sum   uint32
	size  uint32
	err   error
}

// NewReader reads the header that r, with a buffer of at least 4 KiB, begins
// with. The Reader takes nothing of what follows the member.
func NewReader(r *bufio.Reader) (*Reader, error) {
	if err := readHeader(r); err != nil {
		return nil, err
	}
	return &Reader{r: r, d: newDecoder(r)}, nil
}

func readHeader(r *bufio.Reader) error {
	var b [10]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return whole(err)
	}
	flags := b[3]
	if b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 || flags&reserved != 0 {
		return ErrHeader
	}
	if flags&hasExtra != 0 {
		if _, err := io.ReadFull(r, b[:2]); err != nil {
			return whole(err)
		}
		if _, err := r.Discard(int(binary.LittleEndian.Uint16(b[:]))); err != nil {
			return whole(err)
		}
	}
	for _, text := range []byte{hasName, hasComment} {
		if flags&text == 0 {
			continue
		}
		if err := skipText(r); err != nil {
			return whole(err)
		}
	}
	if flags&hasHeaderCRC != 0 {
		if _, err := r.Discard(2); err != nil {
			return whole(err)
		}
	}
	return nil
}

func skipText(r *bufio.Reader) error {
	for {
		if b, err := r.ReadByte(); err != nil || b == 0 {
			return err
		}
	}
}

// whole is the error of a stream that ends too early.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (z *Reader) Read(p []byte) (int, error) {
	if len(z.ready) == 0 && z.err == nil {
		z.ready, z.err = z.d.next()
		z.sum = crc32.Update(z.sum, crc32.IEEETable, z.ready)
		z.size += uint32(len(z.ready))
		if errors.Is(z.err, io.EOF) {
			z.err = z.check()
		}
	}
	if len(z.ready) == 0 {
		return 0, z.err
	}
	n := copy(p, z.ready)
	z.ready = z.ready[n:]
	return n, nil
}

// check reads what is behind the data, and returns io.EOF where it is right.
func (z *Reader) check() error {
	var b [8]byte
	if _, err := io.ReadFull(z.r, b[:]); err != nil {
		return whole(err)
	}
	if binary.LittleEndian.Uint32(b[:]) != z.sum || binary.LittleEndian.Uint32(b[4:]) != z.size {
		return ErrChecksum
	}
	return io.EOF
}
