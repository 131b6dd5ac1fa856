package vhdx

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Signature starts every image.
const Signature = "vhdxfile"

// Where the headers and the region tables are, two of each: MS-VHDX 2.2.
const (
	headerSize      = 4 << 10
	regionTableSize = 64 << 10
	unit            = 1 << 20 // of the offsets of regions and blocks
)

var (
	headerOffsets      = [2]int64{64 << 10, 128 << 10}
	regionTableOffsets = [2]int64{192 << 10, 256 << 10}
)

// Offsets of the header's fields: MS-VHDX 2.2.2.
const (
	headerSignature = "head"
	offChecksum     = 4
	offSequence     = 8
	offLogGUID      = 48
	offVersion      = 66
	guidSize        = 16
)

// castagnoli is the polynomial of every checksum of the format: MS-VHDX 2.2.2.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// intact checks the CRC-32C that is counted with its own field as zeros.
func intact(raw []byte, signature string) bool {
	if string(raw[:len(signature)]) != signature {
		return false
	}
	table := castagnoli()
	sum := crc32.Update(0, table, raw[:offChecksum])
	sum = crc32.Update(sum, table, make([]byte, 4))
	sum = crc32.Update(sum, table, raw[offChecksum+4:])
	return sum == binary.LittleEndian.Uint32(raw[offChecksum:])
}

// checkHeader finds the current header, the intact one with the higher
// sequence number, and refuses an image whose log must be replayed.
func checkHeader(r io.ReaderAt) error {
	var current []byte
	for _, offset := range headerOffsets {
		raw := make([]byte, headerSize)
		if err := readat.Full(r, raw, offset, "VHDX header"); err != nil {
			return err
		}
		if intact(raw, headerSignature) && (current == nil || sequence(raw) > sequence(current)) {
			current = raw
		}
	}
	if current == nil {
		return diskerr.Corrupt("VHDX: the checksums of both headers are wrong; copy or build it again")
	}
	le := binary.LittleEndian
	if version := le.Uint16(current[offVersion:]); version != 1 {
		return diskerr.Unsupported("VHDX of version %d, and only 1 is read: convert it with qemu-img convert -O qcow2", version)
	}
	if log := current[offLogGUID : offLogGUID+guidSize]; string(log) != string(make([]byte, guidSize)) {
		return diskerr.Unsupported("VHDX that was not closed by its writer: its log must be replayed first, and what the disk holds is not certain until then; let qemu-img check -r all do that, and try again")
	}
	return nil
}

func sequence(header []byte) uint64 { return binary.LittleEndian.Uint64(header[offSequence:]) }

// Offsets of the region table's fields: MS-VHDX 2.2.3.
const (
	regionSignature = "regi"
	offRegionCount  = 8
	regionEntries   = 16
	regionEntrySize = 32
	maxRegions      = 2047
	offRegionOffset = 16
	offRegionLength = 24
	offRegionFlags  = 28
	regionRequired  = 1
	regionBAT       = "2dc27766-f623-4200-9d64-115e9bfd4a08"
	regionMetadata  = "8b7ca206-4790-4b9a-b8fe-575f050f886e"
)

type region struct{ offset, length int64 }

// readRegions reads the intact one of the two region tables.
func readRegions(r io.ReaderAt, size int64) (map[string]region, error) {
	raw := make([]byte, regionTableSize)
	for _, offset := range regionTableOffsets {
		if err := readat.Full(r, raw, offset, "VHDX region table"); err != nil {
			return nil, err
		}
		if intact(raw, regionSignature) {
			return parseRegions(raw, size)
		}
	}
	return nil, diskerr.Corrupt("VHDX: the checksums of both region tables are wrong; copy or build it again")
}

func parseRegions(raw []byte, size int64) (map[string]region, error) {
	le := binary.LittleEndian
	count := int(le.Uint32(raw[offRegionCount:]))
	if count > maxRegions {
		return nil, diskerr.Corrupt("VHDX region table: %d entries, want %d at most", count, maxRegions)
	}
	regions := map[string]region{}
	for i := range count {
		entry := raw[regionEntries+i*regionEntrySize:]
		id := guid(entry)
		found := region{int64(le.Uint64(entry[offRegionOffset:])), int64(le.Uint32(entry[offRegionLength:]))}
		switch _, twice := regions[id]; {
		case id != regionBAT && id != regionMetadata:
			if le.Uint32(entry[offRegionFlags:])&regionRequired != 0 {
				return nil, diskerr.Unsupported("VHDX with a required region that is not known, %s: convert it with qemu-img convert -O qcow2", id)
			}
			continue
		case twice:
			return nil, diskerr.Corrupt("VHDX region table: the region %s is named twice", id)
		case found.offset < unit || found.offset%unit != 0 || found.length%unit != 0 || found.length == 0 || found.length > size || found.offset > size-found.length:
			return nil, diskerr.Corrupt("VHDX region table: a region of %d bytes at offset %d is not inside the file of %d bytes; copy or build it again", found.length, found.offset, size)
		}
		regions[id] = found
	}
	for id, name := range map[string]string{regionBAT: "block allocation table", regionMetadata: "metadata"} {
		if _, ok := regions[id]; !ok {
			return nil, diskerr.Corrupt("VHDX region table: no %s", name)
		}
	}
	return regions, nil
}

// guid writes the mixed-endian GUID of MS-DTYP 2.3.4 as the specification
// prints it, in lower case.
func guid(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:guidSize])
}
