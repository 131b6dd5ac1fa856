package inspect

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads the blocks of one xz stream (The .xz File Format 1.2.1). The
// library's own reader allocates whatever dictionary a block asks for, up to
// 4 GiB; this one looks first.
type xzReader struct {
	r     *bufio.Reader
	block io.Reader
	count *counting
	check int64 // bytes of the check behind a block
	ended bool
}

func newXZReader(r *bufio.Reader) io.Reader { return &xzReader{r: r} }

var errXZ = errors.New("is damaged, or xz with other filters than LZMA2, which are not read")

func (x *xzReader) Read(p []byte) (int, error) {
	for !x.ended {
		if x.block == nil {
			if err := x.nextBlock(); err != nil {
				return 0, cutOff(err)
			}
			continue
		}
		n, err := x.block.Read(p)
		if errors.Is(err, io.EOF) {
			err = cutOff(x.endBlock())
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// cutOff tells an end of the data inside the stream from the stream's end.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextBlock reads the stream header, before the first block, and a block's
// header. An index means that the stream ends.
func (x *xzReader) nextBlock() error {
	if x.count == nil {
		if err := x.streamHeader(); err != nil {
			return err
		}
	}
	size, err := x.r.ReadByte()
	if err != nil {
		return err
	}
	if size == 0 {
		x.ended = true
		return nil
	}
	header := make([]byte, 4*(int(size)+1))
	header[0] = size
	if _, err := io.ReadFull(x.r, header[1:]); err != nil {
		return err
	}
	dictionary, err := xzDictionary(header)
	if err != nil {
		return err
	}
	x.count = &counting{r: x.r}
	x.block, err = lzma.Reader2Config{DictCap: dictionary}.NewReader2(x.count)
	return err
}

func (x *xzReader) streamHeader() error {
	header := make([]byte, 12)
	if _, err := io.ReadFull(x.r, header); err != nil {
		return err
	}
	// Section 2.1.1.2: the sizes of the check IDs.
	sizes := [16]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}
	x.check = sizes[header[7]&15]
	return nil
}

// endBlock leaves out the padding and the check behind a block.
func (x *xzReader) endBlock() error {
	x.block = nil
	_, err := x.r.Discard(int(-x.count.n&3 + x.check))
	return err
}

// xzDictionary returns the size of the dictionary that a block header asks for
// (sections 3.1 and 5.3.1).
func xzDictionary(header []byte) (int, error) {
	flags, rest := header[1], header[2:]
	if flags&3 != 0 {
		return 0, errXZ
	}
	for _, present := range []byte{0x40, 0x80} {
		if flags&present == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, errXZ
		}
		rest = rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 || rest[2] > 40 {
		return 0, errXZ
	}
	bits := rest[2]
	size := (2 | int64(bits&1)) << (bits/2 + 11)
	if size > maxWindow {
		return 0, fmt.Errorf("asks for a dictionary of %d bytes, and at most %d are given", size, maxWindow)
	}
	return int(max(size, lzma.MinDictCap)), nil
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
