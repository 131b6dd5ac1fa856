package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxSections is what a loader takes at most (Microsoft, PE format, COFF file
// header).
const maxSections = 96

var errNotAt = errors.New("can only be read from its beginning")

// section returns the content of a section of an EFI program, of at most limit
// bytes; none where it has no such section.
func (t *tree) section(file, name string, limit int64) ([]byte, error) {
	f, err := t.open(file)
	if err != nil {
		return nil, err
	}
	b, err := readSection(f, name, limit)
	return b, errors.Join(err, f.Close())
}

func readSection(f io.Reader, name string, limit int64) ([]byte, error) {
	section, err := findSection(f, name)
	if err != nil || section == nil {
		return nil, err
	}
	if section.Size() > limit {
		return nil, fmt.Errorf("its section %s has %d bytes, of which at most %d are read", name, section.Size(), limit)
	}
	content := make([]byte, section.Size())
	if n, err := section.ReadAt(content, 0); n < len(content) {
		return nil, fmt.Errorf("its section %s can not be read: %w", name, err)
	}
	return content, nil
}

// findSection returns the first section of that name of a PE file, nil where it
// has none. What is stored can be longer than what counts, as it is padded
// (systemd-stub(7); Microsoft, PE format).
func findSection(f io.Reader, name string) (*io.SectionReader, error) {
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errNotAt
	}
	table, err := sectionTable(r)
	if err != nil {
		return nil, err
	}
	for ; len(table) >= 40; table = table[40:] {
		if string(bytes.TrimRight(table[:8], "\x00")) != name {
			continue
		}
		size := binary.LittleEndian.Uint32(table[16:])
		if virtual := binary.LittleEndian.Uint32(table[8:]); virtual != 0 {
			size = min(size, virtual)
		}
		return io.NewSectionReader(r, int64(binary.LittleEndian.Uint32(table[20:])), int64(size)), nil
	}
	return nil, nil
}

// sectionTable returns the headers of the sections, 40 bytes each.
func sectionTable(r io.ReaderAt) ([]byte, error) {
	start := make([]byte, 64)
	if _, err := r.ReadAt(start, 0); err != nil || string(start[:2]) != "MZ" {
		return nil, errors.New("is no EFI program")
	}
	at := int64(binary.LittleEndian.Uint32(start[60:]))
	header := make([]byte, 24)
	if _, err := r.ReadAt(header, at); err != nil || string(header[:4]) != "PE\x00\x00" {
		return nil, errors.New("is no EFI program")
	}
	sections := int(binary.LittleEndian.Uint16(header[6:]))
	if sections > maxSections {
		return nil, fmt.Errorf("has %d sections, and no EFI program has more than %d", sections, maxSections)
	}
	table := make([]byte, 40*sections)
	if _, err := r.ReadAt(table, at+24+int64(binary.LittleEndian.Uint16(header[20:]))); err != nil && len(table) > 0 {
		return nil, fmt.Errorf("its table of sections can not be read: %w", err)
	}
	return table, nil
}
