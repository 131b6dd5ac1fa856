package partition

import (
	"fmt"
	"io"
	"slices"
)

// What oslo.utils takes for the boot record of a FAT file system, and does
// not check: imageutils/format_inspector.py, GPTInspector._check_for_fat.
const (
	fatOffCount     = 0x10
	fatOffMedia     = 0x15
	fatUsualCount   = 2
	fatMediaForDisk = 0xf8
)

// protectiveStartCHS is where a protective entry starts: UEFI specification
// 2.10, section 5.2.3.
var protectiveStartCHS = [3]byte{0x00, 0x02, 0x00}

// Violations says in sentences why the check of master boot records in Glance
// and Nova would refuse the disk r as a raw image; nothing if it would pass.
// Source: oslo.utils, imageutils/format_inspector.py,
// GPTInspector.check_mbr_partitions, which stops at the first violation.
func Violations(r io.ReaderAt, size int64) ([]string, error) {
	if size < mbrSize {
		return nil, nil
	}
	sector := make([]byte, mbrSize)
	if n, err := r.ReadAt(sector, 0); n < mbrSize {
		return nil, fmt.Errorf("first sector: %w", err)
	}
	m := parseMBR(sector)
	if fat := sector[fatOffCount] == fatUsualCount && sector[fatOffMedia] == fatMediaForDisk; fat || !m.signed {
		return nil, nil
	}
	return m.violations(), nil
}

func (m mbr) violations() []string {
	var found []string
	var used []int
	for i, e := range m.entries {
		if e.boot&^bootFlagActive != 0 {
			found = append(found, fmt.Sprintf("entry %d of the MBR has the boot flag %#02x, want 0x00 or 0x80", i+1, e.boot))
		}
		if e.kind != typeEmpty {
			used = append(used, i)
		}
		if e.kind == typeProtective && e.startCHS != protectiveStartCHS {
			found = append(found, fmt.Sprintf("the protective entry %d of the MBR starts at CHS % x, want % x", i+1, e.startCHS, protectiveStartCHS))
		}
		if e.kind == typeProtective && e.start != gptPrimaryLBA {
			found = append(found, fmt.Sprintf("the protective entry %d of the MBR starts at sector %d, want %d", i+1, e.start, gptPrimaryLBA))
		}
	}
	protective := slices.ContainsFunc(m.entries[:], func(e mbrEntry) bool { return e.kind == typeProtective })
	if protective && !slices.Equal(used, []int{0}) {
		found = append(found, "hybrid MBR: the protective entry is not the first and only one of the MBR")
	}
	if len(used) == 0 {
		found = append(found, "the MBR has no partition")
	}
	return found
}
