package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"
)

// Offsets of the GPT header and its entries: UEFI specification 2.10,
// sections 5.3.2 and 5.3.3.
const (
	gptSignature        = "EFI PART"
	gptOffHeaderSize    = 12
	gptOffHeaderCRC     = 16
	gptOffMyLBA         = 24
	gptOffAlternateLBA  = 32
	gptOffFirstUsable   = 40
	gptOffLastUsable    = 48
	gptOffDiskGUID      = 56
	gptOffEntriesLBA    = 72
	gptOffEntryCount    = 80
	gptOffEntrySize     = 84
	gptOffEntriesCRC    = 88
	gptHeaderMin        = 92
	gptHeaderMax        = 512
	gptEntryMin         = 128
	gptEntryMax         = 4096
	gptMaxEntryBytes    = 1 << 20
	gptEntryOffGUID     = 16
	gptEntryOffFirst    = 32
	gptEntryOffLast     = 40
	gptEntryOffAttrs    = 48
	gptEntryOffName     = 56
	gptNameUnits        = 36
	gptAttrLegacyBIOS   = 1 << 2
	gptPrimaryLBA       = 1
	gptTypeUnused       = "00000000-0000-0000-0000-000000000000"
	maxDiskSectorNumber = 1 << 50
)

var errNoHeader = errors.New("there is no GPT header")

// gptHeader is a header whose checksums are right. Sectors are counted.
type gptHeader struct {
	alternate   int64
	firstUsable int64
	lastUsable  int64
	diskGUID    string
	entrySize   int64
	entries     []byte
}

// readGPT fills t if the disk has a GPT that Linux would read, or could with
// the backup table; it reports whether that was so.
func readGPT(r io.ReaderAt, size int64, m mbr, t *Table) (bool, error) {
	for _, sector := range []int64{512, 4096} {
		if size/sector <= gptPrimaryLBA {
			continue
		}
		h, err := findHeader(r, size, sector, m, t)
		if err != nil {
			return false, err
		}
		if h != nil {
			t.fillGPT(h, sector)
			t.checkHybrid(m)
			return true, nil
		}
	}
	return false, nil
}

func (t *Table) checkHybrid(m mbr) {
	for _, e := range m.entries {
		if e.kind != typeEmpty && e.kind != typeProtective {
			t.problem("hybrid MBR: beside the protective entry, the MBR has partitions of its own")
			return
		}
	}
}

// protects follows is_pmbr_valid of Linux block/partitions/efi.c.
func (m mbr) protects() bool {
	for _, e := range m.entries {
		if m.signed && e.kind == typeProtective && e.start == gptPrimaryLBA {
			return true
		}
	}
	return false
}

// findHeader returns the header to use, nil if there is none of this sector
// size, and reports what is wrong with the two copies.
func findHeader(r io.ReaderAt, size, sector int64, m mbr, t *Table) (*gptHeader, error) {
	primary, err := readHeader(r, size, sector, gptPrimaryLBA)
	switch {
	case isReadError(err):
		return nil, err
	case !m.protects():
		if err == nil {
			t.problem("there is a GPT, but no protective MBR: Linux ignores such a GPT")
		}
		return nil, nil
	case err != nil:
		return findBackup(r, size, sector, err, t)
	}
	return primary, checkBackup(r, size, sector, primary.alternate, t)
}

// findBackup looks for the backup header of a disk whose primary is damaged
// as primaryErr says: find_valid_gpt of Linux block/partitions/efi.c.
func findBackup(r io.ReaderAt, size, sector int64, primaryErr error, t *Table) (*gptHeader, error) {
	backup, err := readHeader(r, size, sector, size/sector-1)
	switch {
	case isReadError(err):
		return nil, err
	case err == nil:
		t.problem("the primary GPT is damaged (%v) and its backup was read: Linux uses the backup only with gpt on its command line", primaryErr)
		return backup, nil
	case !errors.Is(primaryErr, errNoHeader):
		t.problem("the primary GPT is damaged (%v), and its backup too (%v)", primaryErr, err)
	}
	return nil, nil
}

func checkBackup(r io.ReaderAt, size, sector, at int64, t *Table) error {
	_, err := readHeader(r, size, sector, at)
	if isReadError(err) {
		return err
	}
	if err != nil {
		t.problem("the backup GPT at sector %d cannot be used: %v", at, err)
	}
	if last := size/sector - 1; at != last {
		t.problem("the backup GPT belongs at sector %d, but the disk ends with sector %d: the table describes a disk of another size", at, last)
	}
	return nil
}

// damage is what is wrong with a header, as opposed to an error of reading.
type damage string

func (d damage) Error() string { return string(d) }

func damaged(format string, args ...any) error { return damage(fmt.Sprintf(format, args...)) }

func isReadError(err error) bool {
	var d damage
	return err != nil && !errors.As(err, &d) && !errors.Is(err, errNoHeader)
}

// readHeader reads and checks the header at sector lba and its entries.
func readHeader(r io.ReaderAt, size, sector, lba int64) (*gptHeader, error) {
	if lba < gptPrimaryLBA || lba > size/sector-1 {
		return nil, damaged("it is outside the disk")
	}
	raw := make([]byte, gptHeaderMax)
	if n, err := r.ReadAt(raw, lba*sector); n < len(raw) {
		return nil, fmt.Errorf("GPT header at sector %d: %w", lba, err)
	}
	if string(raw[:len(gptSignature)]) != gptSignature {
		return nil, errNoHeader
	}
	if err := checkHeader(raw, lba); err != nil {
		return nil, err
	}
	h := parseHeader(raw)
	if err := h.readEntries(r, size, sector, raw); err != nil {
		return nil, err
	}
	return h, nil
}

func checkHeader(raw []byte, lba int64) error {
	le := binary.LittleEndian
	length := le.Uint32(raw[gptOffHeaderSize:])
	if length < gptHeaderMin || length > gptHeaderMax {
		return damaged("its header says it is %d bytes long", length)
	}
	summed := append([]byte(nil), raw[:length]...)
	le.PutUint32(summed[gptOffHeaderCRC:], 0)
	if crc32.ChecksumIEEE(summed) != le.Uint32(raw[gptOffHeaderCRC:]) {
		return damaged("its header's checksum is wrong")
	}
	if my := le.Uint64(raw[gptOffMyLBA:]); my != uint64(lba) {
		return damaged("its header says it is at sector %d", my)
	}
	for _, off := range []int{gptOffAlternateLBA, gptOffFirstUsable, gptOffLastUsable, gptOffEntriesLBA} {
		if le.Uint64(raw[off:]) > maxDiskSectorNumber {
			return damaged("its header has the impossible sector number %d", le.Uint64(raw[off:]))
		}
	}
	return nil
}

func parseHeader(raw []byte) *gptHeader {
	le := binary.LittleEndian
	return &gptHeader{
		alternate:   int64(le.Uint64(raw[gptOffAlternateLBA:])),
		firstUsable: int64(le.Uint64(raw[gptOffFirstUsable:])),
		lastUsable:  int64(le.Uint64(raw[gptOffLastUsable:])),
		diskGUID:    guid(raw[gptOffDiskGUID:]),
		entrySize:   int64(le.Uint32(raw[gptOffEntrySize:])),
	}
}

func (h *gptHeader) readEntries(r io.ReaderAt, size, sector int64, raw []byte) error {
	le := binary.LittleEndian
	count, offset := int64(le.Uint32(raw[gptOffEntryCount:])), int64(le.Uint64(raw[gptOffEntriesLBA:]))*sector
	if h.entrySize < gptEntryMin || h.entrySize > gptEntryMax || count == 0 || count > gptMaxEntryBytes/h.entrySize {
		return damaged("its header says there are %d entries of %d bytes", count, h.entrySize)
	}
	length := count * h.entrySize
	if offset > size-length {
		return damaged("its entries are outside the disk")
	}
	h.entries = make([]byte, length)
	if n, err := r.ReadAt(h.entries, offset); n < len(h.entries) {
		return fmt.Errorf("GPT entries at byte %d: %w", offset, err)
	}
	if crc32.ChecksumIEEE(h.entries) != le.Uint32(raw[gptOffEntriesCRC:]) {
		return damaged("its entries' checksum is wrong")
	}
	return nil
}

func (t *Table) fillGPT(h *gptHeader, sector int64) {
	t.Kind, t.SectorSize, t.DiskID = GPT, sector, h.diskGUID
	t.UsableEnd = (h.lastUsable + 1) * sector
	for i := int64(0); (i+1)*h.entrySize <= int64(len(h.entries)); i++ {
		raw := h.entries[i*h.entrySize:]
		if guid(raw) == gptTypeUnused {
			continue
		}
		t.addGPT(int(i)+1, raw, h, sector)
	}
}

func (t *Table) addGPT(number int, raw []byte, h *gptHeader, sector int64) {
	le := binary.LittleEndian
	first, last := le.Uint64(raw[gptEntryOffFirst:]), le.Uint64(raw[gptEntryOffLast:])
	if first > last || last > maxDiskSectorNumber {
		t.problem("partition %d has the impossible range of sectors %d to %d and was left out", number, first, last)
		return
	}
	if int64(first) < h.firstUsable || int64(last) > h.lastUsable {
		t.problem("partition %d is outside the sectors %d to %d that its table lets partitions use", number, h.firstUsable, h.lastUsable)
	}
	kind := guid(raw)
	t.Partitions = append(t.Partitions, Partition{
		Number: number, Type: kind, TypeName: gptTypes[kind],
		Start: int64(first) * sector, Size: int64(last-first+1) * sector,
		Name: gptName(raw[gptEntryOffName:]), UUID: guid(raw[gptEntryOffGUID:]),
		Bootable: le.Uint64(raw[gptEntryOffAttrs:])&gptAttrLegacyBIOS != 0,
	})
}

func gptName(raw []byte) string {
	units := make([]uint16, gptNameUnits)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	name, _, _ := strings.Cut(string(utf16.Decode(units)), "\x00")
	return name
}
