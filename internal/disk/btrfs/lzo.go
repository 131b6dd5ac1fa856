package btrfs

import (
	"encoding/binary"
	"errors"
)

// lzoLength is the size of the lengths that frame an extent: fs/btrfs/lzo.c.
// The first is that of the whole, the others those of its segments, each of
// which makes one sector. None crosses the end of a sector.
const lzoLength = 4

var (
	errLZOFrame  = errors.New("impossible length of a segment")
	errLZOInput  = errors.New("the stream is cut off")
	errLZOOutput = errors.New("more bytes than there is room for")
	errLZOMatch  = errors.New("reference to before the start")
)

func unpackLZO(out, packed []byte, sectorSize int) error {
	if len(packed) < lzoLength {
		return errLZOFrame
	}
	total := int(binary.LittleEndian.Uint32(packed))
	if total < lzoLength || total > len(packed) {
		return errLZOFrame
	}
	packed = packed[:total]
	for at := lzoLength; at < total && len(out) > 0; {
		if left := sectorSize - at%sectorSize; left < lzoLength {
			at += left
		}
		if at+lzoLength > total {
			return errLZOFrame
		}
		length := int(binary.LittleEndian.Uint32(packed[at:]))
		at += lzoLength
		if length == 0 || length > total-at {
			return errLZOFrame
		}
		n, err := unpackSegment(out[:min(len(out), sectorSize)], packed[at:at+length])
		if err != nil {
			return err
		}
		out, at = out[n:], at+length
	}
	return nil
}

// unpackSegment unpacks one stream of LZO1X, and tells how many bytes it made:
// Documentation/staging/lzo.rst.
func unpackSegment(out, packed []byte) (int, error) {
	l := lzo{in: packed, out: out}
	if len(packed) > 0 && packed[0] > lzoFirstLiteral {
		l.in = packed[1:]
		l.literals(int(packed[0]) - lzoFirstLiteral)
	}
	for l.err == nil && !l.ended {
		l.step()
	}
	return l.n, l.err
}

// lzo is the state of a decoder. Once it has failed, it does nothing more.
type lzo struct {
	in, out []byte
	n       int // bytes made so far
	// before is how many literals were copied last: 4 stands for more.
	before int
	ended  bool
	err    error
}

const (
	lzoFirstLiteral = 17
	manyLiterals    = 4
	// The distances at which the kinds of matches start.
	farMatch   = 16384
	shortMatch = 2049
)

// step carries out one instruction.
func (l *lzo) step() {
	t := l.next()
	switch {
	case t >= 64:
		l.match(l.next()<<3+t>>2&7+1, t>>5+1, t&3)
	case t >= 32:
		length := l.length(t&31, 31) + 2
		d := l.next16()
		l.match(d>>2+1, length, d&3)
	case t >= 16:
		length := l.length(t&7, 7) + 2
		d := l.next16()
		distance := farMatch + t&8<<11 + d>>2
		if l.ended = distance == farMatch; !l.ended {
			l.match(distance, length, d&3)
		}
	case l.before == 0:
		l.literals(l.length(t, 15) + 3)
	case l.before == manyLiterals:
		l.match(l.next()<<2+t>>2+shortMatch, 3, t&3)
	default:
		l.match(l.next()<<2+t>>2+1, 2, t&3)
	}
}

func (l *lzo) next() int {
	if len(l.in) == 0 {
		l.fail(errLZOInput)
		return 0
	}
	b := l.in[0]
	l.in = l.in[1:]
	return int(b)
}

func (l *lzo) next16() int {
	low := l.next()
	return low | l.next()<<8
}

// length is n, or the sum of the bytes that follow where n is 0; all but the
// last of them are 0, and stand for 255.
func (l *lzo) length(n, base int) int {
	if n != 0 {
		return n
	}
	n = base
	for l.err == nil {
		b := l.next()
		if b != 0 {
			return n + b
		}
		n += 255
	}
	return 0
}

// literals copies n bytes of the input.
func (l *lzo) literals(n int) {
	l.before = min(n, manyLiterals)
	switch {
	case l.err != nil:
	case n > len(l.in):
		l.fail(errLZOInput)
	case n > len(l.out)-l.n:
		l.fail(errLZOOutput)
	default:
		l.n += copy(l.out[l.n:], l.in[:n])
		l.in = l.in[n:]
	}
}

// match copies length bytes of the output from distance bytes ago, which may
// overlap, and then some literals.
func (l *lzo) match(distance, length, literals int) {
	switch {
	case l.err != nil:
		return
	case distance > l.n:
		l.fail(errLZOMatch)
		return
	case length > len(l.out)-l.n:
		l.fail(errLZOOutput)
		return
	}
	for range length {
		l.out[l.n] = l.out[l.n-distance]
		l.n++
	}
	l.literals(literals)
}

func (l *lzo) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}
