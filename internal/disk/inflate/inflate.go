// Package inflate reads gzip faster than the libraries do, for the initramfs
// that an inspection spends most of its time on.
package inflate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What a decoder keeps.
const (
	window   = 32 << 10  // bytes that a match can reach back (RFC 1951, 2)
	produced = 128 << 10 // bytes that are unpacked at once
	// slack is what one step of the decoder may write beyond its limit.
	slack = maxMatch + 16
	// inputSlack is what one step may look at beyond its limit, in bytes.
	inputSlack = 32
	maxMatch   = 258
)

// CorruptError says where a stream is no DEFLATE.
type CorruptError struct {
	At  int64 // bytes of the input before the block or its part
	Why string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("is damaged at byte %d of its compressed data: %s", e.At, e.Why)
}

// decoder is the state of a stream between two steps.
type decoder struct {
	r *bufio.Reader

	in    []byte // what of r is looked at
	real  int    // bytes of in that are r's; zeros are behind them
	pos   int    // bytes of in that are used
	taken int64  // bytes of r before in
	inErr error  // of r, behind in
	tail  [4 * inputSlack]byte

	bits  uint64
	nbits uint // of bits that are ready; fewer than 8 between two steps

	out  []byte
	from int // bytes of out that were handed out
	to   int // bytes of out that are there

	state  state
	final  bool // the block is the last
	stored int  // bytes left of a block that is not compressed
	lit    [litSize]uint32
	dist   [distSize]uint32
	err    error
}

type state uint8

const (
	betweenBlocks state = iota
	inStored
	inCodes
)

// newDecoder returns a decoder of raw DEFLATE (RFC 1951), of which r begins
// with; it takes nothing of what follows.
func newDecoder(r *bufio.Reader) *decoder {
	return &decoder{r: r, out: make([]byte, window+produced+slack)}
}

// next returns the next bytes, which stay until it is called again; io.EOF
// comes behind the last.
func (d *decoder) next() ([]byte, error) {
	if d.to >= window+produced {
		copy(d.out, d.out[d.to-window:d.to])
		d.to = window
	}
	d.from = d.to
	for d.to < window+produced && d.err == nil {
		d.err = d.step()
	}
	if d.to > d.from {
		return d.out[d.from:d.to], nil
	}
	return nil, d.err
}

// step decodes as far as the output and the input that is at hand reach.
func (d *decoder) step() error {
	if err := d.fill(); err != nil {
		return err
	}
	before := d.to
	var err error
	switch d.state {
	case betweenBlocks:
		if d.final {
			return d.end()
		}
		err = d.header()
	case inStored:
		return d.copyStored()
	case inCodes:
		err = d.codes()
	}
	if d.giveBack(); d.pos > d.real { // then zeros were decoded
		d.to = before
		return d.inErr
	}
	return err
}

// fill makes sure of input that a step can look at, behind it zeros where the
// stream ends.
func (d *decoder) fill() error {
	if d.pos+inputSlack <= d.real {
		return nil
	}
	if d.giveBack(); d.pos > d.real {
		return d.inErr
	}
	if err := d.discard(); err != nil {
		return err
	}
	in, err := d.r.Peek(d.r.Size())
	d.in, d.real = in, len(in)
	if len(in) >= 2*inputSlack {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	d.inErr = err
	clear(d.tail[copy(d.tail[:], in):])
	d.in = d.tail[:len(in)+2*inputSlack]
	return nil
}

// giveBack returns to the input the whole bytes that were made ready.
func (d *decoder) giveBack() {
	d.pos -= int(d.nbits >> 3)
	d.nbits &= 7
	d.bits &= 1<<d.nbits - 1
}

// discard takes from r what is used.
func (d *decoder) discard() error {
	n, err := d.r.Discard(d.pos)
	d.taken += int64(n)
	d.in, d.real, d.pos = nil, 0, 0
	return err
}

// end gives back what the last block does not need.
func (d *decoder) end() error {
	if err := d.discard(); err != nil {
		return err
	}
	return io.EOF
}

func (d *decoder) corrupt(why string) error {
	return &CorruptError{At: d.taken + int64(d.pos), Why: why}
}

// need makes at least n bits ready, at most 56.
func (d *decoder) need(n uint) {
	for d.nbits < n {
		var b byte
		if d.pos < len(d.in) {
			b = d.in[d.pos]
		}
		d.bits |= uint64(b) << d.nbits
		d.pos++
		d.nbits += 8
	}
}

func (d *decoder) take(n uint) uint {
	d.need(n)
	v := uint(d.bits & (1<<n - 1))
	d.bits >>= n
	d.nbits -= n
	return v
}

// copyStored hands on bytes of a block that is not compressed.
func (d *decoder) copyStored() error {
	n := min(d.stored, d.real-d.pos, window+produced-d.to)
	copy(d.out[d.to:], d.in[d.pos:d.pos+n])
	d.to, d.pos, d.stored = d.to+n, d.pos+n, d.stored-n
	switch {
	case d.stored == 0:
		d.state = betweenBlocks
	case n == 0:
		return d.inErr
	}
	return nil
}

// codes decodes what is compressed, by far the most of it: one loop, whose state
// is in variables of its own that stay in registers.
//
//nolint:funlen,gocyclo // A call for each symbol would cost more than its work.
func (d *decoder) codes() error {
	in, out := d.in, d.out
	pos, bits, nbits, o := d.pos, d.bits, d.nbits, d.to
	lastIn, lastOut := len(in)-inputSlack, window+produced
	lit, dist := &d.lit, &d.dist
	why := ""
symbols:
	for pos <= lastIn && o < lastOut {
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (nbits & 63)
		pos += int(63-nbits) >> 3
		nbits |= 56 // as many at least: two literals of 11, a length of 15 + 5

		e := lit[bits&(1<<litBits-1)]
		if e&anyLiteral != 0 {
			binary.LittleEndian.PutUint16(out[o:], uint16(e>>16))
			bits >>= e & 31
			nbits -= uint(e & 31)
			o += int(e >> 5 & 3)
			e = lit[bits&(1<<litBits-1)]
			if e&anyLiteral != 0 {
				binary.LittleEndian.PutUint16(out[o:], uint16(e>>16))
				bits >>= e & 31
				nbits -= uint(e & 31)
				o += int(e >> 5 & 3)
				continue
			}
		}
		if e&special != 0 {
			if e&below == below {
				e = lit[(e>>16+uint32(bits>>litBits&(1<<(e&15)-1)))&(litSize-1)]
			}
			switch {
			case e&anyLiteral != 0:
				out[o] = byte(e >> 16)
				bits >>= e & 31
				nbits -= uint(e & 31)
				o++
				continue
			case e&endOfBlock == endOfBlock:
				bits >>= e & 31
				nbits -= uint(e & 31)
				d.state = betweenBlocks
				break symbols
			case e&special != 0:
				why = "a code that stands for nothing"
				break symbols
			}
		}
		length := int(e>>16) + int(bits&(1<<(e&31)-1)>>(e>>8&15))
		bits >>= e & 31
		nbits -= uint(e & 31)

		bits |= binary.LittleEndian.Uint64(in[pos:]) << (nbits & 63)
		pos += int(63-nbits) >> 3
		nbits |= 56

		e = dist[bits&(1<<distBits-1)]
		if e&below == below {
			e = dist[(e>>16+uint32(bits>>distBits&(1<<(e&15)-1)))&(distSize-1)]
		}
		if e&special != 0 {
			why = "a distance that stands for nothing"
			break
		}
		distance := int(e>>16) + int(bits&(1<<(e&31)-1)>>(e>>8&15))
		bits >>= e & 31
		nbits -= uint(e & 31)

		at, end := o-distance, o+length
		if at < 0 {
			why = "a match from before the beginning"
			break
		}
		switch {
		case distance == 1:
			for run := uint64(out[at]) * 0x0101_0101_0101_0101; o < end; o += 8 {
				binary.LittleEndian.PutUint64(out[o:], run)
			}
			o = end
			continue
		case distance < 8:
			for ; o < end; o, at = o+1, at+1 {
				out[o] = out[at]
			}
			continue
		}
		for ; o < end; o, at = o+8, at+8 {
			binary.LittleEndian.PutUint64(out[o:], binary.LittleEndian.Uint64(out[at:]))
		}
		o = end
	}
	d.pos, d.bits, d.nbits, d.to = pos, bits, nbits, o
	if why != "" {
		return d.corrupt(why)
	}
	return nil
}
