package packages

import (
	"encoding/binary"
	"slices"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// What is read of Berkeley DB's hash databases (Berkeley DB, dbinc/db_page.h;
// rpm, lib/backend/bdb_ro.c).
const (
	bdbHashMagic = 0x061561
	bdbHeader    = 26 // bytes of a page's header

	bdbPageUnsorted = 2
	bdbPageOverflow = 7
	bdbPageMeta     = 8
	bdbPageHash     = 13

	bdbItemHere     = 1
	bdbItemOverflow = 3

	bdbChecksums = 1 // metaflags
)

// bdb is a database in Berkeley DB's hash format.
type bdb struct {
	source
	order    binary.ByteOrder
	pageSize int64
	last     uint32 // the number of its last page
}

// readBDB reads the values on all pages of a hash: headers of packages, by a
// number that only matters for the indices. It ends since it goes through the
// pages in their order, and not along their links.
func readBDB(s source) error {
	b, err := openBDB(s)
	if err != nil {
		return err
	}
	for number := uint32(1); number <= b.last; number++ {
		page, err := b.page(number)
		if err != nil {
			return err
		}
		if page[25] != bdbPageHash && page[25] != bdbPageUnsorted {
			continue
		}
		if err := b.pairs(number, page); err != nil {
			return err
		}
	}
	return nil
}

func openBDB(s source) (*bdb, error) {
	meta, err := s.read(0, 512)
	if err != nil {
		return nil, err
	}
	b := &bdb{source: s, order: binary.LittleEndian}
	if b.order.Uint32(meta[12:]) != bdbHashMagic {
		b.order = binary.BigEndian
	}
	if b.order.Uint32(meta[12:]) != bdbHashMagic || meta[25] != bdbPageMeta {
		return nil, diskerr.Corrupt("is no hash database of Berkeley DB")
	}
	if meta[24] != 0 || meta[26]&bdbChecksums != 0 {
		return nil, diskerr.Unsupported("is encrypted, or has checksums, which rpm never sets")
	}
	b.pageSize, b.last = int64(b.order.Uint32(meta[20:])), b.order.Uint32(meta[32:])
	if b.pageSize < 512 || b.pageSize > 64<<10 || b.pageSize&(b.pageSize-1) != 0 {
		return nil, diskerr.Corrupt("has pages of %d bytes", b.pageSize)
	}
	if (int64(b.last)+1)*b.pageSize > s.size {
		return nil, diskerr.Corrupt("has %d pages of %d bytes, which do not fit into its %d bytes", b.last, b.pageSize, s.size)
	}
	return b, nil
}

func (b *bdb) page(number uint32) ([]byte, error) {
	if number > b.last {
		return nil, diskerr.Corrupt("page %d lies behind the last one, %d", number, b.last)
	}
	return b.read(int64(number)*b.pageSize, b.pageSize)
}

// pairs hands on the values of a page, on which keys and values take turns.
func (b *bdb) pairs(number uint32, page []byte) error {
	entries := int(b.order.Uint16(page[20:]))
	if bdbHeader+2*entries > len(page) {
		return diskerr.Corrupt("page %d has %d entries", number, entries)
	}
	end := len(page) // items fill a page from its end
	var key []byte
	for i := range entries {
		start := int(b.order.Uint16(page[bdbHeader+2*i:]))
		if start < bdbHeader+2*entries || start >= end {
			return diskerr.Corrupt("entry %d of page %d is at byte %d", i, number, start)
		}
		item := page[start:end]
		end = start
		if i%2 == 0 {
			key = item
			continue
		}
		if err := b.value(number, key, item); err != nil {
			return err
		}
	}
	return nil
}

// value hands on a header. The number zero holds the count of headers instead.
func (b *bdb) value(number uint32, key, item []byte) error {
	if key[0] == bdbItemHere && !slices.ContainsFunc(key[1:], func(c byte) bool { return c != 0 }) {
		return nil
	}
	switch item[0] {
	case bdbItemHere:
		rest := item[1:]
		return b.yield(&chunks{next: func() ([]byte, error) {
			piece := rest
			rest = nil
			return piece, nil
		}}, int64(len(rest)))
	case bdbItemOverflow:
		if len(item) < 12 {
			return diskerr.Corrupt("page %d has an item of %d bytes", number, len(item))
		}
		size := int64(b.order.Uint32(item[8:]))
		return b.yield(b.overflow(b.order.Uint32(item[4:]), size), size)
	}
	return diskerr.Corrupt("page %d has an item of kind %d", number, item[0])
}

// overflow reads a value that fills pages of its own. Each gives at least one
// byte of it, so that it ends even where the pages make a circle.
func (b *bdb) overflow(next uint32, left int64) *chunks {
	return &chunks{next: func() ([]byte, error) {
		if left == 0 || next == 0 {
			return nil, nil
		}
		number := next
		page, err := b.page(number)
		if err != nil {
			return nil, err
		}
		if page[25] != bdbPageOverflow {
			return nil, diskerr.Corrupt("page %d should hold the rest of a value, and is of kind %d", number, page[25])
		}
		next = b.order.Uint32(page[16:])
		length := b.pageSize - bdbHeader
		if next == 0 {
			length = int64(b.order.Uint16(page[22:]))
		}
		if length = min(length, left); length == 0 || bdbHeader+length > b.pageSize {
			return nil, diskerr.Corrupt("page %d holds an impossible part of a value", number)
		}
		left -= length
		return page[bdbHeader : bdbHeader+length], nil
	}}
}
