package disk

import (
	"encoding/binary"
	"io"
)

// What oslo.utils calls the formats that it finds in a file beside ours.
const (
	seenGPT  = "gpt"
	seenISO  = "iso"
	seenLUKS = "luks"
	seenQED  = "qed"
)

// seenSignatures is how oslo.utils tells formats by their first bytes, and how
// many bytes a file must have for it: imageutils/format_inspector.py.
var seenSignatures = []struct {
	name   string
	offset int64
	magics []string
	needs  int64
}{
	{string(FormatQCOW2), 0, []string{"QFI\xfb"}, 512},
	{string(FormatVHD), 0, []string{"conectix"}, 8},
	{string(FormatVHDX), 0, []string{"vhdxfile"}, 8},
	{string(FormatVMDK), 0, []string{"KDMV"}, 64},
	{string(FormatVDI), 0x40, []string{"\x7f\x10\xda\xbe"}, 512},
	{seenQED, 0, []string{"QED\x00"}, 512},
	{seenISO, 0x8001, []string{"CD001", "NSR02", "NSR03"}, 34 << 10},
	{seenLUKS, 0, []string{"LUKS\xba\xbe"}, 6},
}

// seenAs lists the formats that oslo.utils finds in the file r of size bytes,
// and that Glance and Nova go by. A raw disk without a partition table is of
// none.
func seenAs(r io.ReaderAt, size int64) ([]string, error) {
	var names []string
	for _, s := range seenSignatures {
		for _, magic := range s.magics {
			found, err := has(r, size, s.offset, magic)
			if err != nil {
				return nil, err
			}
			if found && size >= s.needs {
				names = append(names, s.name)
			}
		}
	}
	for _, s := range []struct {
		name      string
		looksLike func(io.ReaderAt, int64) (bool, error)
	}{{string(FormatVMDK), isVMDKDescriptor}, {seenGPT, hasBootRecord}} {
		found, err := s.looksLike(r, size)
		if err != nil {
			return nil, err
		}
		if found {
			names = append(names, s.name)
		}
	}
	return names, nil
}

// hasBootRecord: GPTInspector.format_match. A boot sector with two FATs and the
// media descriptor of a fixed disk is that of a FAT file system.
func hasBootRecord(r io.ReaderAt, size int64) (bool, error) {
	sector, err := start(r, size, sectorSize)
	if err != nil || len(sector) < sectorSize {
		return false, err
	}
	fat := sector[0x10] == 2 && sector[0x15] == 0xf8
	return binary.LittleEndian.Uint16(sector[510:]) == 0xaa55 && !fat, nil
}
