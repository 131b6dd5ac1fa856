package partition

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Offsets of the master boot record and its entries: UEFI specification 2.10,
// section 5.2.1.
const (
	mbrOffDiskSignature = 440
	mbrOffEntries       = 446
	mbrOffSignature     = 510
	mbrEntrySize        = 16
	mbrEntries          = 4
	mbrSignature        = 0xaa55

	entryOffBoot     = 0
	entryOffStartCHS = 1
	entryOffType     = 4
	entryOffStart    = 8
	entryOffSectors  = 12

	bootFlagActive = 0x80
)

// Types that mean more than a name: UEFI specification 5.2.2; Linux
// block/partitions/msdos.c.
const (
	typeEmpty         = 0x00
	typeExtended      = 0x05
	typeExtendedLBA   = 0x0f
	typeExtendedLinux = 0x85
	typeProtective    = 0xee
)

// maxLogical is the number of logical partitions that Linux reads: 256 minors
// of a disk (block/partitions/check.c, DISK_MAX_PARTS).
const maxLogical = 256

type mbr struct {
	signed        bool
	fileSystem    bool
	diskSignature uint32
	entries       [mbrEntries]mbrEntry
}

type mbrEntry struct {
	boot     byte
	startCHS [3]byte
	kind     byte
	start    uint32
	sectors  uint32
}

func (e mbrEntry) used() bool { return e.kind != typeEmpty && e.sectors != 0 }

func (e mbrEntry) extended() bool {
	return e.used() && (e.kind == typeExtended || e.kind == typeExtendedLBA || e.kind == typeExtendedLinux)
}

func parseMBR(sector []byte) mbr {
	m := mbr{
		signed:        binary.LittleEndian.Uint16(sector[mbrOffSignature:]) == mbrSignature,
		fileSystem:    isVolumeBootRecord(sector),
		diskSignature: binary.LittleEndian.Uint32(sector[mbrOffDiskSignature:]),
	}
	for i := range m.entries {
		m.entries[i] = parseEntry(sector[mbrOffEntries+i*mbrEntrySize:])
	}
	return m
}

func parseEntry(b []byte) mbrEntry {
	return mbrEntry{
		boot:     b[entryOffBoot],
		startCHS: [3]byte(b[entryOffStartCHS:]),
		kind:     b[entryOffType],
		start:    binary.LittleEndian.Uint32(b[entryOffStart:]),
		sectors:  binary.LittleEndian.Uint32(b[entryOffSectors:]),
	}
}

// isVolumeBootRecord recognises a FAT, NTFS or exFAT file system on the whole
// disk; its first sector carries the MBR's signature too.
func isVolumeBootRecord(sector []byte) bool {
	if sector[0] != 0xeb && sector[0] != 0xe9 {
		return false
	}
	name := string(sector[3:11])
	return name == "NTFS    " || name == "EXFAT   " ||
		string(sector[54:57]) == "FAT" || string(sector[82:87]) == "FAT32"
}

// readMBR follows msdos_partition of Linux block/partitions/msdos.c.
func readMBR(r io.ReaderAt, size int64, m mbr, t *Table) error {
	if !m.signed || m.fileSystem {
		return nil
	}
	if reason := m.ignored(); reason != "" {
		t.problem("%s: Linux reads no partition of such a table", reason)
		return nil
	}
	t.Kind = MBR
	t.DiskID = fmt.Sprintf("%08x", m.diskSignature)
	for i, e := range m.entries {
		if !e.used() {
			continue
		}
		t.addMBR(i+1, e, 0, m.diskSignature)
	}
	for _, e := range m.entries {
		if !e.extended() {
			continue
		}
		if err := readLogical(r, size, int64(e.start), m.diskSignature, t); err != nil {
			return err
		}
	}
	if len(t.Partitions) == 0 {
		t.problem("the MBR has no partition")
	}
	return nil
}

// ignored says why Linux does not take the sector for a partition table.
func (m mbr) ignored() string {
	for i, e := range m.entries {
		if e.boot&^bootFlagActive != 0 {
			return fmt.Sprintf("entry %d of the MBR has the boot flag %#02x, want 0x00 or 0x80", i+1, e.boot)
		}
		if e.kind == typeProtective {
			return "there is a protective MBR, but no GPT that could be read"
		}
	}
	return ""
}

func (t *Table) addMBR(number int, e mbrEntry, base int64, signature uint32) {
	p := Partition{
		Number: number, Type: mbrTypeName(e.kind), TypeName: mbrTypes[e.kind],
		Start: (base + int64(e.start)) * mbrSize, Size: int64(e.sectors) * mbrSize,
		Bootable: e.boot == bootFlagActive,
	}
	if signature != 0 {
		p.UUID = fmt.Sprintf("%08x-%02x", signature, number)
	}
	if p.Start == 0 {
		t.problem("partition %d starts at the partition table itself", number)
	}
	t.Partitions = append(t.Partitions, p)
}

// readLogical follows the chain of extended boot records, forward only, so
// that a loop ends: parse_extended of Linux block/partitions/msdos.c.
func readLogical(r io.ReaderAt, size, extended int64, signature uint32, t *Table) error {
	at, number := extended, t.nextLogical()
	sector := make([]byte, mbrSize)
	for range maxLogical {
		if (at+1)*mbrSize > size {
			t.problem("the extended boot record at sector %d is outside the disk", at)
			return nil
		}
		if n, err := r.ReadAt(sector, at*mbrSize); n < mbrSize {
			return fmt.Errorf("extended boot record at sector %d: %w", at, err)
		}
		ebr := parseMBR(sector)
		if !ebr.signed {
			t.problem("the extended boot record at sector %d has no signature", at)
			return nil
		}
		logical, next := ebr.entries[0], ebr.entries[1]
		if logical.used() && !logical.extended() {
			t.addMBR(number, logical, at, signature)
			number++
		}
		if !next.extended() {
			return nil
		}
		if extended+int64(next.start) <= at {
			t.problem("the extended boot record at sector %d points back to sector %d", at, extended+int64(next.start))
			return nil
		}
		at = extended + int64(next.start)
	}
	t.problem("the chain of extended boot records is longer than %d", maxLogical)
	return nil
}

// nextLogical: logical partitions count from 5.
func (t *Table) nextLogical() int {
	next := mbrEntries + 1
	for _, p := range t.Partitions {
		next = max(next, p.Number+1)
	}
	return next
}
