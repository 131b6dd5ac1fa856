package qcow2

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// checkWhole finds out whether the file was cut off: it looks at each table
// once, so that it reads about 1/8192 of an image with the usual clusters.
func (q *Image) checkWhole() error {
	if err := q.checkRefcounts(); err != nil {
		return err
	}
	tables, err := q.l2Tables()
	if err != nil {
		return err
	}
	table := make([]byte, q.header.clusterSize())
	for _, t := range tables {
		if err := readat.Full(q.file, table, t.offset, "qcow2 L2 table"); err != nil {
			return err
		}
		if err := q.checkTable(table, t.firstGuest); err != nil {
			return fmt.Errorf("qcow2 L2 table at offset %d: %w", t.offset, err)
		}
	}
	return nil
}

// checkRefcounts: reference counts are not needed to read, but blocks of them
// beyond the file's end say that it was cut off.
func (q *Image) checkRefcounts() error {
	h := q.header
	table := make([]byte, h.refcountBytes)
	if err := readat.Full(q.file, table, h.refcountOffset, "qcow2 refcount table"); err != nil {
		return err
	}
	for i := 0; i < len(table); i += 8 {
		offset := int64(binary.BigEndian.Uint64(table[i:]) &^ (sectorSize - 1))
		if offset < 0 || offset%h.clusterSize() != 0 {
			return diskerr.Corrupt("qcow2 refcount table entry %d: offset %#x is not that of a cluster", i/8, uint64(offset))
		}
		if offset > q.fileSize-h.clusterSize() && offset != 0 {
			return truncated("refcount block", offset, h.clusterSize(), q.fileSize)
		}
	}
	return nil
}

// maxL2Bytes bounds the tables that are looked through at opening: 8 TiB of data
// at the usual cluster size.
const maxL2Bytes = 1 << 30

type l2Table struct {
	offset     int64
	firstGuest int64
}

// l2Tables lists the tables that the disk's size makes use of, and refuses
// one that is listed twice: every table would then be read many times over.
func (q *Image) l2Tables() ([]l2Table, error) {
	h := q.header
	span := h.l2Entries() << h.clusterBits
	var tables []l2Table
	for i := int64(0); i < h.l1Entries && i*span < h.size; i++ {
		offset, err := h.l2Offset(q.l1, i)
		if err != nil {
			return nil, err
		}
		if offset == 0 {
			continue
		}
		if offset > q.fileSize-h.clusterSize() {
			return nil, truncated("L2 table", offset, h.clusterSize(), q.fileSize)
		}
		tables = append(tables, l2Table{offset: offset, firstGuest: i * span})
	}
	if total := int64(len(tables)) * h.clusterSize(); total > maxL2Bytes {
		return nil, diskerr.Unsupported("qcow2 with L2 tables of %d bytes, and at most %d are looked through; convert it with qemu-img convert -O qcow2 -o cluster_size=64k", total, maxL2Bytes)
	}
	slices.SortFunc(tables, func(a, b l2Table) int { return cmp.Compare(a.offset, b.offset) })
	for i := 1; i < len(tables); i++ {
		if tables[i].offset == tables[i-1].offset {
			return nil, diskerr.Corrupt("qcow2 L2 table at offset %d: named by two L1 entries", tables[i].offset)
		}
	}
	return tables, nil
}

// checkTable checks that what the table's entries name is inside the file.
func (q *Image) checkTable(table []byte, guest int64) error {
	h := q.header
	for position := int64(0); position < int64(len(table)) && guest < h.size; position += h.l2EntrySize() {
		if err := q.checkEntry(h.entryAt(table, position), guest); err != nil {
			return err
		}
		guest += h.clusterSize()
	}
	return nil
}

func (q *Image) checkEntry(e l2Entry, guest int64) error {
	h := q.header
	visible := min(h.clusterSize(), h.size-guest)
	step := h.clusterSize()
	if h.incompatible&incompatExtendedL2 != 0 {
		step /= subclusters
	}
	for inside := int64(0); inside < visible; inside += step {
		s, err := h.decode(e, inside)
		if err != nil {
			return err
		}
		if s.kind == stretchCompressed {
			return q.checkCompressed(s)
		}
		need := min(s.length, visible-inside)
		if s.kind == stretchData && s.offset > q.fileSize-need {
			return truncated("cluster", s.offset, need, q.fileSize)
		}
	}
	return nil
}

// checkCompressed unpacks the cluster if the file ends in its last sector,
// which is how QEMU leaves the file, and how a cut one can look.
func (q *Image) checkCompressed(s stretch) error {
	end := s.offset + s.length
	if end <= q.fileSize {
		return nil
	}
	if s.offset >= q.fileSize || end-q.fileSize >= sectorSize {
		return truncated("compressed cluster", s.offset, s.length, q.fileSize)
	}
	if _, err := q.unpacked(s); err != nil {
		return fmt.Errorf("the file is cut off at %d bytes: %w", q.fileSize, err)
	}
	return nil
}
