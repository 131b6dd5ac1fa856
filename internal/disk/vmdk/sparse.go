package vmdk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zlib"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/blocks"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/cache"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Sums of bytes kept in memory for one extent. The tables map 16 GiB at the
// usual grain size of 64 KiB.
const (
	tableCacheBytes = 1 << 20
	grainCacheBytes = 8 << 20
	// maxTableBytes bounds the tables that are looked through at opening; at
	// the usual sizes they map 16 TiB of data.
	maxTableBytes = 1 << 30
)

const (
	entrySize = 4
	entryZero = 1
)

// sparse is a sparse extent: grains, found by two levels of tables. It is safe
// for concurrent reads.
type sparse struct {
	file      io.ReaderAt
	fileSize  int64
	header    *header
	directory []byte
	tables    *cache.Cache
	grains    *cache.Cache
	inflaters sync.Pool
}

// openSparse reads the tables of the extent in r, and checks that all they
// name is inside the file.
func openSparse(r io.ReaderAt, size int64, h *header) (*sparse, error) {
	if h.directory > maxSectors {
		return nil, diskerr.Corrupt("VMDK header: impossible sector %d of the grain directory", h.directory)
	}
	entries := blocks.Blocks(h.size(), h.tableSpan())
	directory, err := blocks.ReadTable(r, size, int64(h.directory)*sectorSize, entries, entrySize, "VMDK grain directory")
	if err != nil {
		return nil, err
	}
	s := &sparse{
		file: r, fileSize: size, header: h, directory: directory,
		tables: cache.New(tableCacheBytes), grains: cache.New(grainCacheBytes),
	}
	return s, s.checkWhole()
}

// ReadAt reads from the extent's disk.
func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	return readat.Pieces(p, off, s.header.size(), "VMDK grain", s.some)
}

func (s *sparse) some(p []byte, off int64) (int, error) {
	grainSize := s.header.grainSize()
	inside := off % grainSize
	p = p[:min(int64(len(p)), grainSize-inside)]
	sector, err := s.sector(off / grainSize)
	if err != nil {
		return 0, err
	}
	switch {
	case s.empty(sector):
		clear(p)
	case s.header.compressed():
		grain, err := s.unpacked(sector, off/grainSize)
		if err != nil {
			return 0, err
		}
		copy(p, grain[inside:])
	default:
		return len(p), readat.Full(s.file, p, sector*sectorSize+inside, "data")
	}
	return len(p), nil
}

func (s *sparse) empty(sector int64) bool {
	return sector == 0 || sector == entryZero && s.header.flags&flagZeroGrain != 0
}

// sector looks up where a grain starts; 0 stands for nowhere.
func (s *sparse) sector(grain int64) (int64, error) {
	perTable := int64(s.header.tableEntries)
	table, err := s.table(grain / perTable)
	if err != nil || table == nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint32(table[grain%perTable*entrySize:])), nil
}

// table returns a grain table, nil for one that is not there.
func (s *sparse) table(index int64) ([]byte, error) {
	sector := s.tableSector(index)
	if sector == 0 {
		return nil, nil
	}
	if table, ok := s.tables.Get(sector); ok {
		return table, nil
	}
	table := make([]byte, s.tableBytes())
	if err := readat.Full(s.file, table, sector*sectorSize, "VMDK grain table"); err != nil {
		return nil, err
	}
	s.tables.Put(sector, table)
	return table, nil
}

func (s *sparse) tableSector(index int64) int64 {
	return int64(binary.LittleEndian.Uint32(s.directory[index*entrySize:]))
}

func (s *sparse) tableBytes() int64 { return int64(s.header.tableEntries) * entrySize }

// The marker before a compressed grain: the number of its first sector on the
// disk, and of its packed bytes.
const markerSize = 12

// unpacked returns a compressed grain.
func (s *sparse) unpacked(sector, grain int64) ([]byte, error) {
	if data, ok := s.grains.Get(sector); ok {
		return data, nil
	}
	packed, err := s.packed(sector, grain)
	if err != nil {
		return nil, err
	}
	start := grain * s.header.grainSize()
	data := make([]byte, s.header.grainSize())
	if err := s.inflate(data[:min(s.header.grainSize(), s.header.size()-start)], packed); err != nil {
		return nil, diskerr.Corrupt("compressed grain at sector %d: %w", sector, err)
	}
	s.grains.Put(sector, data)
	return data, nil
}

func (s *sparse) packed(sector, grain int64) ([]byte, error) {
	marker := make([]byte, markerSize)
	if err := readat.Full(s.file, marker, sector*sectorSize, "marker of a compressed grain"); err != nil {
		return nil, err
	}
	at, length := binary.LittleEndian.Uint64(marker), int64(binary.LittleEndian.Uint32(marker[offMarkerSize:]))
	if at != uint64(grain)*s.header.grainSectors {
		return nil, diskerr.Corrupt("compressed grain at sector %d: it is that of disk sector %d, want %d", sector, at, uint64(grain)*s.header.grainSectors)
	}
	// Deflate makes nothing longer than by a few bytes in a thousand.
	if limit := 2*s.header.grainSize() + sectorSize; length > limit {
		return nil, diskerr.Corrupt("compressed grain at sector %d: %d bytes, want %d at most", sector, length, limit)
	}
	packed := make([]byte, length)
	return packed, readat.Full(s.file, packed, sector*sectorSize+markerSize, "compressed grain")
}

// inflate fills out from packed. Its decoders are kept for the next grain.
func (s *sparse) inflate(out, packed []byte) error {
	in := bytes.NewReader(packed)
	d, ok := s.inflaters.Get().(io.ReadCloser)
	var err error
	if ok {
		err = d.(zlib.Resetter).Reset(in, nil)
	} else {
		d, err = zlib.NewReader(in)
	}
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(d, out); err != nil {
		return err
	}
	s.inflaters.Put(d)
	return nil
}

// checkWhole finds out whether the file was cut off.
func (s *sparse) checkWhole() error {
	tables, err := s.listTables()
	if err != nil {
		return err
	}
	last := grainAt{}
	table := make([]byte, s.tableBytes())
	for _, t := range tables {
		if err := readat.Full(s.file, table, t.sector*sectorSize, "VMDK grain table"); err != nil {
			return err
		}
		if err := s.checkTable(table, t.index*int64(s.header.tableEntries), &last); err != nil {
			return fmt.Errorf("VMDK grain table at sector %d: %w", t.sector, err)
		}
	}
	if !s.header.compressed() || last.sector == 0 {
		return nil
	}
	// How long a packed grain is stands before it. To look at each would read
	// a page of the file for each; the last one tells of a cut too.
	if _, err := s.unpacked(last.sector, last.grain); err != nil {
		return fmt.Errorf("the file has %d bytes, and may be cut off: %w", s.fileSize, err)
	}
	return nil
}

type tableAt struct{ sector, index int64 }

type grainAt struct{ sector, grain int64 }

// listTables lists the grain tables by their place in the file, and refuses
// one that is listed twice: every table would then be read many times over.
func (s *sparse) listTables() ([]tableAt, error) {
	var tables []tableAt
	for i := range int64(len(s.directory)) / entrySize {
		if sector := s.tableSector(i); sector != 0 {
			tables = append(tables, tableAt{sector, i})
		}
	}
	if total := int64(len(tables)) * s.tableBytes(); total > maxTableBytes {
		return nil, diskerr.Unsupported("VMDK with grain tables of %d bytes, and at most %d are read; convert it with qemu-img convert -O qcow2", total, maxTableBytes)
	}
	slices.SortFunc(tables, func(a, b tableAt) int { return cmp.Compare(a.sector, b.sector) })
	for i := 1; i < len(tables); i++ {
		if tables[i].sector == tables[i-1].sector {
			return nil, diskerr.Corrupt("VMDK grain table at sector %d: named by two entries of the grain directory", tables[i].sector)
		}
	}
	return tables, nil
}

// checkTable checks that the grains of a table are inside the file, and keeps
// in last the one that is nearest to its end.
func (s *sparse) checkTable(table []byte, grain int64, last *grainAt) error {
	h := s.header
	for at := int64(0); at < int64(len(table)) && grain*h.grainSize() < h.size(); at += entrySize {
		sector := int64(binary.LittleEndian.Uint32(table[at:]))
		need := min(h.grainSize(), h.size()-grain*h.grainSize())
		if h.compressed() {
			need = markerSize
		}
		if !s.empty(sector) && sector*sectorSize > s.fileSize-need {
			return diskerr.Corrupt("grain %d: %d bytes at offset %d, but the file is cut off at %d bytes; copy or build it again", grain, need, sector*sectorSize, s.fileSize)
		}
		if !s.empty(sector) && sector > last.sector {
			*last = grainAt{sector, grain}
		}
		grain++
	}
	return nil
}
