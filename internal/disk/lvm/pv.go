// Package lvm reads the linear and striped logical volumes of LVM2. Source of
// the format: LVM2, lib/format_text/layout.h and lib/label/label.h; lvm's own
// dump is "pvck --dump metadata".
package lvm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The label, in one of the first four sectors, and the header of a physical
// volume behind it.
const (
	sectorSize   = 512
	labelSectors = 4
	labelMagic   = "LABELONE"
	labelType    = "LVM2 001"

	lbSector     = 0x08
	lbChecksum   = 0x10
	lbSummed     = 0x14
	lbHeader     = 0x14
	lbType       = 0x18
	lbHeaderMin  = 0x20
	uuidSize     = 32
	pvDeviceSize = 0x20
	pvAreas      = 0x28
	areaSize     = 16
)

// The header of a metadata area and the places of its text.
const (
	mdaMagic      = " LVM2 x[5A%r0N*>"
	mdaHeaderSize = 512
	mdaOffMagic   = 0x04
	mdaOffVersion = 0x14
	mdaOffStart   = 0x18
	mdaOffSize    = 0x20
	mdaOffText    = 0x28
	mdaVersion    = 1

	txOffset   = 0x00
	txSize     = 0x08
	txChecksum = 0x10
	txFlags    = 0x14
	txIgnored  = 1

	// maxText bounds the metadata of a group: one of 2000 volumes has about
	// 1 MiB.
	maxText = 4 << 20
)

// PV is a physical volume: a disk or partition that holds pieces of logical
// volumes.
type PV struct {
	// UUID is without the dashes that lvm shows.
	UUID string
	// Size is that of the device when the volume was made or grown last, in
	// bytes.
	Size int64

	r    io.ReaderAt
	size int64
	// text has the newest metadata, nil where the volume holds no copy of it.
	text []byte
}

// area is a stretch of the volume, in bytes.
type area struct{ offset, size int64 }

// Probe reads the label and the metadata of the physical volume in r, size
// bytes long. The error is diskerr.ErrNotFound if it is none, else
// diskerr.ErrCorrupt or diskerr.ErrUnsupported.
func Probe(r io.ReaderAt, size int64) (*PV, error) {
	sector, err := findLabel(r, size)
	if err != nil {
		return nil, err
	}
	header := int(binary.LittleEndian.Uint32(sector[lbHeader:]))
	if header < lbHeaderMin || header > sectorSize-pvAreas-2*areaSize {
		return nil, diskerr.Corrupt("LVM label: its header is at the impossible offset %d", header)
	}
	raw := sector[header:]
	pv := &PV{UUID: string(raw[:uuidSize]), Size: int64(binary.LittleEndian.Uint64(raw[pvDeviceSize:])), r: r, size: size}
	_, rest := areas(raw[pvAreas:])
	metadata, _ := areas(rest)
	return pv, pv.readMetadata(metadata)
}

// findLabel: lib/label/label.c, _find_lvm_header.
func findLabel(r io.ReaderAt, size int64) ([]byte, error) {
	for number := range int64(labelSectors) {
		if (number+1)*sectorSize > size {
			break
		}
		sector := make([]byte, sectorSize)
		if err := readat.Full(r, sector, number*sectorSize, "LVM label"); err != nil {
			return nil, err
		}
		if string(sector[:len(labelMagic)]) != labelMagic || string(sector[lbType:lbType+len(labelType)]) != labelType {
			continue
		}
		le := binary.LittleEndian
		if le.Uint64(sector[lbSector:]) != uint64(number) || le.Uint32(sector[lbChecksum:]) != checksum(sector[lbSummed:]) {
			return nil, diskerr.Corrupt("LVM label: its checksum or its place is wrong")
		}
		return sector, nil
	}
	return nil, diskerr.NotFound("no LVM physical volume: there is no label")
}

// checksum: lib/misc/crc.c, calc_crc with INITIAL_CRC.
func checksum(p []byte) uint32 {
	const initial = 0xf597a6cf
	return ^crc32.Update(^uint32(initial), crc32.IEEETable, p)
}

// areas reads a list of areas up to the one that ends it, and returns what is
// behind it.
func areas(raw []byte) (list []area, rest []byte) {
	for ; len(raw) >= areaSize; raw = raw[areaSize:] {
		offset, size := binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])
		if offset == 0 {
			return list, raw[areaSize:]
		}
		list = append(list, area{int64(offset), int64(size)})
	}
	return list, nil
}

// readMetadata keeps the newest of the copies that the areas hold. It is an
// error if there are some, and none can be read.
func (pv *PV) readMetadata(metadata []area) error {
	var failures []error
	newest := int64(-1)
	for _, a := range metadata {
		text, err := pv.readText(a)
		if err == nil && text != nil {
			var number int64
			if number, err = sequence(text); err == nil && number > newest {
				pv.text, newest = text, number
			}
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("LVM metadata area at byte %d: %w", a.offset, err))
		}
	}
	if pv.text != nil {
		return nil
	}
	return errors.Join(failures...)
}

// sequence is the number of times that the metadata was changed.
func sequence(text []byte) (int64, error) {
	_, group, err := parseGroup(text)
	if err != nil {
		return 0, err
	}
	return group.number("seqno"), nil
}

// readText reads the text that the area's header points to, nil if there is
// none. The area is a ring, of which the header is not part.
func (pv *PV) readText(a area) ([]byte, error) {
	if a.offset < 0 || a.size <= mdaHeaderSize || a.offset > pv.size || a.size > pv.size-a.offset {
		return nil, diskerr.Corrupt("its %d bytes are outside the physical volume", a.size)
	}
	header := make([]byte, mdaHeaderSize)
	if err := readat.Full(pv.r, header, a.offset, "header"); err != nil {
		return nil, err
	}
	if err := checkAreaHeader(header, a); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	place := header[mdaOffText:]
	offset, length := le.Uint64(place[txOffset:]), le.Uint64(place[txSize:])
	if offset == 0 || length == 0 || le.Uint32(place[txFlags:])&txIgnored != 0 {
		return nil, nil
	}
	switch ring := uint64(a.size - mdaHeaderSize); {
	case offset < mdaHeaderSize || offset >= uint64(a.size) || length > ring:
		return nil, diskerr.Corrupt("text of %d bytes at the impossible offset %d", length, offset)
	case length > maxText:
		return nil, diskerr.Unsupported("text of %d bytes, at most %d are read", length, maxText)
	}
	text := make([]byte, length)
	first := min(int64(length), a.size-int64(offset))
	err := errors.Join(
		readat.Full(pv.r, text[:first], a.offset+int64(offset), "text"),
		readat.Full(pv.r, text[first:], a.offset+mdaHeaderSize, "text"))
	if err != nil {
		return nil, err
	}
	if checksum(text) != le.Uint32(place[txChecksum:]) {
		return nil, diskerr.Corrupt("the checksum of its text is wrong")
	}
	return bytes.TrimRight(text, "\x00"), nil
}

func checkAreaHeader(header []byte, a area) error {
	le := binary.LittleEndian
	switch {
	case string(header[mdaOffMagic:mdaOffMagic+len(mdaMagic)]) != mdaMagic:
		return diskerr.Corrupt("the magic of its header is missing")
	case le.Uint32(header) != checksum(header[mdaOffMagic:]):
		return diskerr.Corrupt("the checksum of its header is wrong")
	case le.Uint32(header[mdaOffVersion:]) != mdaVersion:
		return diskerr.Unsupported("its header has version %d", le.Uint32(header[mdaOffVersion:]))
	case int64(le.Uint64(header[mdaOffStart:])) != a.offset || int64(le.Uint64(header[mdaOffSize:])) != a.size:
		return diskerr.Corrupt("its header is that of another area")
	}
	return nil
}
