package packages

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Numbers of SQLite's file format (SQLite, Database File Format).
const (
	sqliteHeader   = 100
	sqliteInterior = 5
	sqliteLeaf     = 13
	sqliteUTF8     = 1
	// maxSQLiteDepth is far above what a table of rpm can have: each level
	// multiplies the rows by at least four.
	maxSQLiteDepth = 20
	maxRows        = 1 << 20
)

// sqlite is a database file of SQLite, of which only tables are read.
type sqlite struct {
	source
	pageSize, usable int64
	pages            int64
	rows             int
}

// readSQLite reads the table Packages(hnum INTEGER PRIMARY KEY, blob BLOB),
// whose second column holds headers (rpm, lib/backend/sqlite.c).
func readSQLite(s source) error {
	db, err := openSQLite(s)
	if err != nil {
		return err
	}
	root, err := db.table("Packages")
	if err != nil {
		return err
	}
	return db.walk(root, maxSQLiteDepth, func(row *payload) error {
		columns, err := row.columns(2)
		if err != nil {
			return err
		}
		return s.yield(row.column(columns, 1))
	})
}

func openSQLite(s source) (*sqlite, error) {
	h, err := s.read(0, sqliteHeader)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(h, []byte("SQLite format 3\x00")) {
		return nil, diskerr.Corrupt("is no database of SQLite")
	}
	db := &sqlite{source: s, pageSize: int64(binary.BigEndian.Uint16(h[16:]))}
	if db.pageSize == 1 {
		db.pageSize = 64 << 10
	}
	db.usable = db.pageSize - int64(h[20])
	if db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 {
		return nil, diskerr.Corrupt("has pages of %d bytes, of which %d are used", db.pageSize, db.usable)
	}
	if h[19] > 2 || binary.BigEndian.Uint32(h[56:]) != sqliteUTF8 {
		return nil, diskerr.Unsupported("is a database of SQLite of version %d and text encoding %d, which rpm never makes", h[19], binary.BigEndian.Uint32(h[56:]))
	}
	db.pages = s.size / db.pageSize
	return db, nil
}

// table returns the number of a table's root page, from the schema on page 1:
// the columns type, name, tbl_name, rootpage and sql.
func (db *sqlite) table(name string) (uint32, error) {
	var root uint32
	err := db.walk(1, maxSQLiteDepth, func(row *payload) error {
		columns, err := row.columns(4)
		if err != nil {
			return err
		}
		fields := make([][]byte, 4)
		for i := range fields {
			r, size := row.column(columns, i)
			if fields[i], err = io.ReadAll(io.LimitReader(r, min(size, maxName))); err != nil {
				return err
			}
		}
		if string(fields[0]) == "table" && string(fields[1]) == name && len(fields[3]) <= 4 {
			for _, b := range fields[3] {
				root = root<<8 | uint32(b)
			}
		}
		return nil
	})
	if err == nil && root == 0 {
		err = diskerr.Corrupt("has no table %s", name)
	}
	return root, err
}

func (db *sqlite) page(number uint32) ([]byte, error) {
	if number < 1 || int64(number) > db.pages {
		return nil, diskerr.Corrupt("page %d is none of its %d", number, db.pages)
	}
	return db.read(int64(number-1)*db.pageSize, db.pageSize)
}

// walk calls yield with every row of the table whose tree begins at a page.
// What it may read in all bounds how long that can take.
func (db *sqlite) walk(number uint32, depth int, yield func(*payload) error) error {
	page, err := db.page(number)
	if err != nil {
		return err
	}
	at := 0
	if number == 1 {
		at = sqliteHeader
	}
	kind, cells := page[at], int(binary.BigEndian.Uint16(page[at+3:]))
	pointers := at + 8
	if kind == sqliteInterior {
		pointers += 4
	}
	if depth == 0 || (kind != sqliteInterior && kind != sqliteLeaf) || pointers+2*cells > len(page) {
		return diskerr.Corrupt("page %d is no page of a table", number)
	}
	for i := range cells {
		cell := int64(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if cell+4 > db.usable {
			return diskerr.Corrupt("cell %d of page %d is at byte %d", i, number, cell)
		}
		if kind == sqliteInterior {
			err = db.walk(binary.BigEndian.Uint32(page[cell:]), depth-1, yield)
		} else {
			err = db.row(page[cell:db.usable], yield)
		}
		if err != nil {
			return err
		}
	}
	if kind == sqliteInterior {
		return db.walk(binary.BigEndian.Uint32(page[at+8:]), depth-1, yield)
	}
	return nil
}

// row hands on the row in a leaf's cell: its size, its number, and what of it
// lies on the page (section 1.6, B-tree Cell Format).
func (db *sqlite) row(cell []byte, yield func(*payload) error) error {
	if db.rows++; db.rows > maxRows {
		return diskerr.Corrupt("has more than %d rows", maxRows)
	}
	size, n := varint(cell)
	_, m := varint(cell[n:])
	if n == 0 || m == 0 || size < 0 {
		return diskerr.Corrupt("a cell has no size")
	}
	cell = cell[n+m:]
	local := size
	if most := db.usable - 35; size > most {
		least := (db.usable-12)*32/255 - 23
		if local = least + (size-least)%(db.usable-4); local > most {
			local = least
		}
	}
	overflow := uint32(0)
	if local < size {
		if local+4 > int64(len(cell)) {
			return diskerr.Corrupt("a cell reaches over its page's end")
		}
		overflow = binary.BigEndian.Uint32(cell[local:])
	}
	if local > int64(len(cell)) {
		return diskerr.Corrupt("a cell reaches over its page's end")
	}
	return yield(&payload{db: db, local: cell[:local], next: overflow, size: size})
}

// payload is one row: what lies on its page, and the pages with the rest.
type payload struct {
	db    *sqlite
	local []byte
	next  uint32
	size  int64
}

// span is where a column lies in a row.
type span struct{ off, size int64 }

// columns returns where the first count columns are (section 2.1, Record
// Format). A row's own header always lies on its page, as rpm's rows are short
// but for their last column.
func (p *payload) columns(count int) ([]span, error) {
	length, n := varint(p.local)
	if n == 0 || length < int64(n) || length > int64(len(p.local)) {
		return nil, diskerr.Corrupt("a row's header has %d bytes", length)
	}
	kinds, off := p.local[n:length], length
	var found []span
	for range count {
		kind, n := varint(kinds)
		if n == 0 || kind < 0 {
			return nil, diskerr.Corrupt("a row has less than %d columns", count)
		}
		kinds = kinds[n:]
		size := columnSize(kind)
		if size > p.size-off {
			return nil, diskerr.Corrupt("a column reaches over its row's end")
		}
		found = append(found, span{off, size})
		off += size
	}
	return found, nil
}

// columnSize returns the bytes of a value by its serial type.
func columnSize(kind int64) int64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind <= 7:
		return 8
	}
	return 0
}

// column returns a reader of a column and its size.
func (p *payload) column(columns []span, i int) (io.Reader, int64) {
	off, left, next, local := columns[i].off, columns[i].size, p.next, p.local
	return &chunks{next: func() ([]byte, error) {
		for left > 0 {
			piece := local
			if piece == nil {
				page, err := p.db.page(next)
				if err != nil {
					return nil, err
				}
				next, piece = binary.BigEndian.Uint32(page), page[4:p.db.usable]
			}
			local = nil
			if skipped := min(off, int64(len(piece))); skipped > 0 {
				off, piece = off-skipped, piece[skipped:]
			}
			piece = piece[:min(left, int64(len(piece)))]
			if left -= int64(len(piece)); len(piece) > 0 {
				return piece, nil
			}
		}
		return nil, nil
	}}, columns[i].size
}

// varint reads SQLite's number of one to nine bytes, the high bits first; no
// bytes mean that it is cut off.
func varint(b []byte) (value int64, bytes int) {
	for i := 0; i < len(b) && i < 9; i++ {
		if i == 8 {
			return value<<8 | int64(b[i]), 9
		}
		value = value<<7 | int64(b[i]&0x7f)
		if b[i] < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}
