// Package partition reads the partition table of a disk the way Linux does:
// GPT and MBR, with sectors of 512 and 4096 bytes.
package partition

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Kind is the kind of a partition table.
type Kind string

// The kinds.
const (
	GPT  Kind = "gpt"
	MBR  Kind = "mbr"
	None Kind = "none"
)

// Table is a partition table.
type Table struct {
	Kind Kind `json:"kind"`
	// SectorSize is the unit of the table in bytes: 512, or 4096.
	SectorSize int64 `json:"sector_size"`
	// DiskID is the GPT's disk GUID in lower case, or the MBR's signature as
	// eight hexadecimal digits.
	DiskID string `json:"disk_id,omitempty"`
	// UsableEnd is the byte after the last that the GPT lets partitions use.
	// 0 for other kinds.
	UsableEnd int64 `json:"usable_end,omitempty"`
	// Partitions are in the order of their numbers.
	Partitions []Partition `json:"partitions"`
	// Problems says in sentences what is wrong with the table although it
	// could be read.
	Problems []string `json:"problems,omitempty"`
}

// Partition is one entry of a table.
type Partition struct {
	// Number is the one that Linux gives it, from 1.
	Number int `json:"number"`
	// Start and Size are in bytes.
	Start int64 `json:"start"`
	Size  int64 `json:"size"`
	// Type is a GUID in lower case for GPT, such as 0x83 for MBR.
	Type string `json:"type"`
	// TypeName is Type in words, empty where it is not a known one.
	TypeName string `json:"type_name,omitempty"`
	// Name is the GPT's partition label.
	Name string `json:"name,omitempty"`
	// UUID is the PARTUUID as Linux prints it. Empty for an MBR without a
	// disk signature.
	UUID string `json:"uuid,omitempty"`
	// Bootable is the MBR's boot flag, or the GPT's legacy BIOS attribute.
	Bootable bool `json:"bootable"`
}

// End is the byte after the partition's last.
func (p Partition) End() int64 { return p.Start + p.Size }

// Section returns the bytes of the partition on the disk r.
func (p Partition) Section(r io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(r, p.Start, p.Size)
}

// Extended reports whether the partition only holds logical ones.
func (p Partition) Extended() bool {
	return slices.Contains([]string{mbrTypeName(typeExtended), mbrTypeName(typeExtendedLBA), mbrTypeName(typeExtendedLinux)}, p.Type)
}

// mbrTypeName writes an MBR type as lsblk's PARTTYPE does.
func mbrTypeName(kind byte) string { return fmt.Sprintf("%#02x", kind) }

const mbrSize = 512

// Read reads the table of the disk r of size bytes. A disk without a table is
// one of Kind None. The error is one of reading r.
func Read(r io.ReaderAt, size int64) (*Table, error) {
	t := &Table{Kind: None, SectorSize: 512, Partitions: []Partition{}}
	if size < mbrSize {
		return t, nil
	}
	sector := make([]byte, mbrSize)
	if n, err := r.ReadAt(sector, 0); n < mbrSize {
		return nil, fmt.Errorf("first sector: %w", err)
	}
	m := parseMBR(sector)
	found, err := readGPT(r, size, m, t)
	if err != nil {
		return nil, err
	}
	if !found {
		if err := readMBR(r, size, m, t); err != nil {
			return nil, err
		}
	}
	t.checkRanges(size)
	return t, nil
}

func (t *Table) problem(format string, args ...any) {
	t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
}

// checkRanges reports partitions outside the disk and ones that overlap.
func (t *Table) checkRanges(size int64) {
	for _, p := range t.Partitions {
		if p.End() > size {
			t.problem("partition %d ends at byte %d, but the disk at %d: the disk was cut off, or made smaller", p.Number, p.End(), size)
		}
	}
	sorted := slices.DeleteFunc(slices.Clone(t.Partitions), Partition.Extended)
	slices.SortStableFunc(sorted, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) })
	for i := 1; i < len(sorted); i++ {
		if before := sorted[i-1]; before.End() > sorted[i].Start {
			t.problem("partitions %d and %d overlap", before.Number, sorted[i].Number)
		}
	}
}

// guid writes the mixed-endian GUID of the UEFI specification, appendix A, in
// lower case as Linux does.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}
