// Package raid finds the members of Linux software RAID, and reads those of
// mirrors. Source of the format: Linux include/uapi/linux/raid/md_p.h.
package raid

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Member is one disk or partition of an array.
type Member struct {
	// Version is that of the metadata: 0.90, 1.0, 1.1 or 1.2.
	Version string
	// Level is 0, 1, 4, 5, 6 or 10, and negative for arrays that are no RAID.
	Level int
	// Disks is how many make the array whole.
	Disks int
	// UUID is in hexadecimal digits, Name what follows the host's name in the
	// array's, or the number of /dev/md for version 0.90.
	UUID string
	Name string
	// Offset and Size tell where the member's data is, in bytes.
	Offset, Size int64
}

const (
	magic        = 0xa92b4efc
	sectorSize   = 512
	mirrorLevel  = 1
	maxDevices   = 1920 // include/uapi/linux/raid/md_p.h: what fits into 4096 bytes
	reserved090  = 64 << 10
	superSize    = 4096
	minSize      = 2 * reserved090
	alignEnd     = 8 << 10
	alignedEnd   = 4 << 10
	offsetAfter  = 4 << 10
	minorVersion = 90

	// Version 0.90, in words of 32 bits.
	oldMajor    = 1
	oldMinor    = 2
	oldUUID     = 5
	oldLevel    = 7
	oldDisks    = 10
	oldNumber   = 11
	oldUUIDRest = 13
	oldSum      = 38
	oldWords    = 1024

	// Version 1, in bytes.
	newMajor      = 0x04
	newFeatures   = 0x08
	newUUID       = 0x10
	newName       = 0x20
	newNameSize   = 32
	newLevel      = 0x48
	newDisks      = 0x5c
	newDataOffset = 0x80
	newDataSize   = 0x88
	newSuperAt    = 0x90
	newSum        = 0xd8
	newMaxDevices = 0xdc
	newHeader     = 0x100

	// reshaping: the data is on its way to another layout.
	featureReshape = 0x4
)

// Find reads the metadata of the member in r, size bytes long. The error is
// diskerr.ErrNotFound if it is none: metadata with a wrong checksum is none to
// Linux.
func Find(r io.ReaderAt, size int64) (*Member, error) {
	if size >= minSize {
		places := []struct {
			version string
			at      int64
		}{{"1.1", 0}, {"1.2", offsetAfter}, {"1.0", (size/sectorSize*sectorSize - alignEnd) / alignedEnd * alignedEnd}}
		for _, p := range places {
			m, err := readNew(r, size, p.version, p.at)
			if m != nil || err != nil {
				return m, err
			}
		}
		m, err := readOld(r, size/reserved090*reserved090-reserved090)
		if m != nil || err != nil {
			return m, err
		}
	}
	return nil, diskerr.NotFound("no member of a software RAID")
}

// readNew reads metadata of version 1; it returns nil if there is none.
func readNew(r io.ReaderAt, size int64, version string, at int64) (*Member, error) {
	raw := make([]byte, superSize)
	if err := readat.Full(r, raw, at, "RAID metadata"); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	devices := le.Uint32(raw[newMaxDevices:])
	if le.Uint32(raw) != magic || le.Uint32(raw[newMajor:]) != 1 || le.Uint64(raw[newSuperAt:]) != uint64(at/sectorSize) ||
		devices > maxDevices || sum(raw[:newHeader+2*devices], newSum) != le.Uint32(raw[newSum:]) {
		return nil, nil
	}
	name, _, _ := strings.Cut(string(raw[newName:newName+newNameSize]), "\x00")
	if _, own, ok := strings.Cut(name, ":"); ok {
		name = own
	}
	m := &Member{
		Version: version, Level: int(int32(le.Uint32(raw[newLevel:]))), Disks: int(le.Uint32(raw[newDisks:])),
		UUID: fmt.Sprintf("%x", raw[newUUID:newUUID+16]), Name: name,
	}
	offset, length := le.Uint64(raw[newDataOffset:]), le.Uint64(raw[newDataSize:])
	if sectors := uint64(size / sectorSize); offset > sectors || length > sectors-offset {
		return nil, diskerr.Corrupt("RAID metadata: %d sectors of data from sector %d on, of %d", length, offset, sectors)
	}
	if le.Uint32(raw[newFeatures:])&featureReshape != 0 {
		return nil, diskerr.Unsupported("RAID array %s, which is being reshaped", m.UUID)
	}
	m.Offset, m.Size = int64(offset)*sectorSize, int64(length)*sectorSize
	return m, nil
}

// readOld reads metadata of version 0.90, which is in the byte order of the
// machine that made it; it returns nil if there is none of this one's.
func readOld(r io.ReaderAt, at int64) (*Member, error) {
	raw := make([]byte, superSize)
	if err := readat.Full(r, raw, at, "RAID metadata"); err != nil {
		return nil, err
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(raw[4*i:]) }
	if word(0) != magic || word(oldMajor) != 0 || word(oldMinor) != minorVersion || sum(raw[:4*oldWords], 4*oldSum) != word(oldSum) {
		return nil, nil
	}
	return &Member{
		Version: "0.90", Level: int(int32(word(oldLevel))), Disks: int(word(oldDisks)),
		UUID: fmt.Sprintf("%08x%08x%08x%08x", word(oldUUID), word(oldUUIDRest), word(oldUUIDRest+1), word(oldUUIDRest+2)),
		Name: fmt.Sprint(word(oldNumber)), Size: at,
	}, nil
}

// sum adds the words of a structure that holds its own sum at off, which
// counts as zero: drivers/md/md.c, calc_sb_csum and calc_sb_1_csum.
func sum(raw []byte, off int) uint32 {
	total, le := uint64(0), binary.LittleEndian
	for at := 0; at+4 <= len(raw); at += 4 {
		if at != off {
			total += uint64(le.Uint32(raw[at:]))
		}
	}
	if len(raw)%4 == 2 {
		total += uint64(le.Uint16(raw[len(raw)-2:]))
	}
	return uint32(total) + uint32(total>>32)
}

// Section returns the data of a member of a mirror, which is the array's own.
// The error is diskerr.ErrUnsupported for other levels.
func (m *Member) Section(r io.ReaderAt) (*io.SectionReader, error) {
	if m.Level != mirrorLevel {
		return nil, diskerr.Unsupported("part of the %s array %s of %d disks, which is not read", m.level(), m.UUID, m.Disks)
	}
	return io.NewSectionReader(r, m.Offset, m.Size), nil
}

func (m *Member) level() string {
	if m.Level < 0 {
		return "linear"
	}
	return fmt.Sprintf("RAID %d", m.Level)
}
