package inflate

import "math/bits"

// An entry of a table says in its lowest five bits how many bits it uses. The
// rest depends on what it is:
//
//	literals   bits 16 up are one or two bytes, 5 and 6 how many
//	bases      of a length or a distance: bits 16 up; bits 8 to 11 are how many
//	           bits the code has, without the extra bits behind it
//	below      bits 16 up are where the table of longer codes is, the lowest
//	           four how many bits that takes
const (
	special    = 1 << 12 // no literal and no base
	below      = special | 1<<13
	endOfBlock = special | 1<<14
	nothing    = special
	literal    = 1 << 5
	anyLiteral = 3 << 5
)

// Bits by which the tables are looked up, and entries with those of longer
// codes (zlib, examples/enough.c, for 288 symbols in 15 bits with 11 and for 32
// with 8).
const (
	litBits, distBits = 11, 8
	litSize, distSize = 4096, 1024
	maxCode           = 15
)

// header reads what is before a block (RFC 1951, 3.2.3).
func (d *decoder) header() error {
	d.final = d.take(1) == 1
	switch d.take(2) {
	case 0:
		return d.storedHeader()
	case 1:
		return d.fixedCodes()
	case 2:
		return d.dynamicCodes()
	}
	return d.corrupt("a block of a kind that does not exist")
}

func (d *decoder) storedHeader() error {
	d.bits, d.nbits = 0, 0
	n, inverse := d.take(16), d.take(16)
	if n != ^inverse&0xffff {
		return d.corrupt("two lengths of a block that differ")
	}
	d.stored, d.state = int(n), inStored
	return nil
}

func (d *decoder) fixedCodes() error {
	lengths := make([]uint8, 288+32)
	for i := range lengths {
		switch {
		case i < 144, i >= 280 && i < 288:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 5
		}
	}
	return d.build(lengths[:288], lengths[288:])
}

// codeOrder is that in which the lengths of the code lengths' codes come.
var codeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicCodes reads the codes of a block (RFC 1951, 3.2.7). With its 2 and a
// half kilobits at most it can be longer than what is at hand.
func (d *decoder) dynamicCodes() error {
	lits, dists, codes := d.take(5)+257, d.take(5)+1, d.take(4)+4
	if lits > 286 || dists > 30 {
		return d.corrupt("more codes than there are")
	}
	var of [19]uint8
	for _, symbol := range codeOrder[:codes] {
		of[symbol] = uint8(d.take(3))
	}
	var table [1 << 7]uint32
	if !buildTable(table[:], 7, of[:], func(symbol int) uint32 { return uint32(symbol) << 16 }) {
		return d.corrupt("impossible lengths of codes")
	}
	var lengths [286 + 30]uint8
	all := lengths[:lits+dists]
	for i := 0; i < len(all); {
		if err := d.fill(); err != nil {
			return err
		}
		d.need(7 + 7)
		e := table[d.bits&(1<<7-1)]
		if e&special != 0 {
			return d.corrupt("a length of a code that stands for nothing")
		}
		d.take(uint(e & 31))
		n, value := d.repeated(uint8(e>>16), all[:i])
		if n == 0 || i+n > len(all) {
			return d.corrupt("a repetition of no or too many lengths")
		}
		for range n {
			all[i] = value
			i++
		}
	}
	if all[256] == 0 {
		return d.corrupt("a block without an end")
	}
	return d.build(all[:lits], all[lits:])
}

// repeated returns how many lengths a symbol stands for, and which.
func (d *decoder) repeated(symbol uint8, before []uint8) (n int, value uint8) {
	switch symbol {
	case 16:
		if len(before) == 0 {
			return 0, 0
		}
		return 3 + int(d.take(2)), before[len(before)-1]
	case 17:
		return 3 + int(d.take(3)), 0
	case 18:
		return 11 + int(d.take(7)), 0
	}
	return 1, symbol
}

func (d *decoder) build(lits, dists []uint8) error {
	if !buildTable(d.lit[:], litBits, lits, litEntry) || !buildTable(d.dist[:], distBits, dists, distEntry) {
		return d.corrupt("impossible lengths of codes")
	}
	pairs(&d.lit)
	d.state = inCodes
	return nil
}

// pairs puts two literals into an entry where the bits are enough for both.
func pairs(table *[litSize]uint32) {
	for i := 1<<litBits - 1; i >= 0; i-- {
		e := table[i]
		if e&anyLiteral != literal {
			continue
		}
		next := table[i>>(e&31)]
		if next&anyLiteral != literal || e&31+next&31 > litBits {
			continue
		}
		table[i] = next<<8&(0xff<<24) | e&(0xff<<16) | 2*literal | (e&31 + next&31)
	}
}

func litEntry(symbol int) uint32 {
	switch {
	case symbol < 256:
		return uint32(symbol)<<16 | literal
	case symbol == 256:
		return endOfBlock
	case symbol < 265:
		return uint32(symbol-254) << 16
	case symbol < 285:
		extra := uint32(symbol-261) >> 2
		return (uint32(symbol-261)&3+4)<<extra<<16 + 3<<16 | extra
	case symbol == 285:
		return maxMatch << 16
	}
	return nothing
}

func distEntry(symbol int) uint32 {
	switch {
	case symbol < 4:
		return uint32(symbol+1) << 16
	case symbol < 30:
		extra := uint32(symbol-2) >> 1
		return (uint32(symbol)&1+2)<<extra<<16 + 1<<16 | extra
	}
	return nothing
}

// maxSymbols is how many symbols a code has at most.
const maxSymbols = 288

// buildTable makes the table of a code from the lengths of its symbols' codes;
// it is false where more codes are given than there are, or fewer, other than
// one code of one bit or none, which zlib takes too.
func buildTable(table []uint32, root uint, lengths []uint8, entry func(symbol int) uint32) bool {
	b := tableBuilder{table: table, root: root, free: 1 << root, prefix: -1}
	longest := uint(0)
	for _, n := range lengths {
		b.count[n]++
		longest = max(longest, uint(n))
	}
	b.count[0] = 0
	left := 1
	var at [maxCode + 2]int // where the symbols of a length are in sorted
	for n := 1; n <= maxCode; n++ {
		if left = left<<1 - b.count[n]; left < 0 {
			return false
		}
		at[n+1] = at[n] + b.count[n]
	}
	if left > 0 {
		if longest > 1 {
			return false
		}
		spread(table[:1<<root], 0, 0, nothing)
	}
	var sorted [maxSymbols]uint16
	for symbol, n := range lengths {
		if n > 0 {
			sorted[at[n]] = uint16(symbol)
			at[n]++
		}
	}
	code, next := uint(0), 0
	for length := uint(1); length <= longest; length++ {
		for ; next < at[length]; next++ {
			b.add(code, length, sized(entry(int(sorted[next])), uint32(length)))
			code++
		}
		code <<= 1
	}
	return true
}

// sized adds to an entry how many bits its code has.
func sized(e, length uint32) uint32 {
	if e&anyLiteral == 0 && e&special == 0 {
		e |= length << 8
	}
	return e + length
}

// tableBuilder gets a code's symbols in the order of their codes.
type tableBuilder struct {
	table []uint32
	root  uint
	count [maxCode + 1]int // codes of each length that are to come
	free  uint             // where the next table of longer codes begins

	prefix    int  // of the last code that was longer than root
	at, width uint // its table, and the bits of that
}

func (b *tableBuilder) add(code, length uint, e uint32) {
	reversed := uint(bits.Reverse16(uint16(code)) >> (16 - length))
	if length <= b.root {
		spread(b.table[:1<<b.root], reversed, length, e)
		b.count[length]--
		return
	}
	if prefix := int(code >> (length - b.root)); prefix != b.prefix {
		b.prefix = prefix
		b.begin(reversed&(1<<b.root-1), length)
	}
	spread(b.table[b.at:b.at+1<<b.width], reversed>>b.root, length-b.root, e)
	b.count[length]--
}

// begin makes room for a table of longer codes, the first of which has length
// bits: for as many bits as it takes to tell them apart.
func (b *tableBuilder) begin(prefix, length uint) {
	b.width = length - b.root
	for space := b.count[length]; space < 1<<b.width; {
		b.width++
		space = space<<1 + b.count[b.root+b.width]
	}
	b.at = b.free
	b.free += 1 << b.width
	b.table[prefix] = below | uint32(b.at)<<16 | uint32(b.width)
}

// spread puts an entry where the lowest bits are its code's.
func spread(table []uint32, code, length uint, e uint32) {
	for i := code; i < uint(len(table)); i += 1 << length {
		table[i] = e
	}
}
