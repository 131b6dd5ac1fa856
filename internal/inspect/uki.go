package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Bounds of a unified kernel image: a loader takes at most 96 sections
// (Microsoft, PE format, COFF file header), Linux 4 KiB of arguments.
const (
	maxSections  = 96
	maxArguments = 64 << 10
)

// unifiedEntries reads the unified kernel images of an EFI system partition
// (UAPI.1 Boot Loader Specification, type #2), the newest first.
func unifiedEntries(t *tree, n *notes, folder string) []BootEntry {
	dir := path.Join(folder, "EFI", "Linux")
	var entries []BootEntry
	for _, file := range newestFirst(t.glob(n, dir, "*.efi", "*.EFI")) {
		if len(entries) == maxBootEntries {
			n.unknown("%s: more than %d boot entries", quote(dir), maxBootEntries)
			break
		}
		args, ok := t.unifiedArguments(n, file)
		if !ok {
			continue
		}
		for _, addon := range addons(t, n, folder, file) {
			more, _ := t.unifiedArguments(n, addon)
			args += " " + more
		}
		entries = append(entries, newBootEntry(file, 0, "", path.Base(file), args))
	}
	return entries
}

// addons returns the files that add to the arguments of an image: those for all
// images, and those beside it (systemd-stub(7)).
func addons(t *tree, n *notes, folder, image string) []string {
	return append(t.glob(n, path.Join(folder, "loader", "addons"), "*.addon.efi"), t.glob(n, image+".extra.d", "*.addon.efi")...)
}

// unifiedArguments returns the section .cmdline of an image; ok is false where
// that could not be read, which is noted.
func (t *tree) unifiedArguments(n *notes, file string) (args string, ok bool) {
	f, err := t.open(file)
	if err != nil {
		n.unknown("%s: %v", quote(file), err)
		return "", false
	}
	b, err := commandLineSection(f)
	if err = errors.Join(err, f.Close()); err != nil {
		n.unknown("%s: %v", quote(file), err)
		return "", false
	}
	return strings.TrimRight(string(b), "\x00"), true
}

// commandLineSection returns the content of the first section .cmdline of a PE
// file; none where it has no such section (systemd-stub(7); Microsoft, PE
// format).
func commandLineSection(f io.Reader) ([]byte, error) {
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("can only be read from its beginning")
	}
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
	return findSection(r, table)
}

// findSection reads .cmdline by the table of sections. What is stored can be
// longer than what counts, as it is padded.
func findSection(r io.ReaderAt, table []byte) ([]byte, error) {
	for ; len(table) >= 40; table = table[40:] {
		if string(bytes.TrimRight(table[:8], "\x00")) != ".cmdline" {
			continue
		}
		size := binary.LittleEndian.Uint32(table[16:])
		if virtual := binary.LittleEndian.Uint32(table[8:]); virtual != 0 {
			size = min(size, virtual)
		}
		if size > maxArguments {
			return nil, fmt.Errorf("has kernel arguments of %d bytes, of which at most %d are read", size, maxArguments)
		}
		content := make([]byte, size)
		if n, err := r.ReadAt(content, int64(binary.LittleEndian.Uint32(table[20:]))); n < len(content) {
			return nil, fmt.Errorf("its kernel arguments can not be read: %w", err)
		}
		return content, nil
	}
	return nil, nil
}
