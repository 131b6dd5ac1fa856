package disktest

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Where a physical volume of LVM2 has what; LVM2, lib/format_text/layout.h.
const (
	pvSector     = 512
	pvMetadata   = 4096
	PVData       = 1 << 20 // bytes before its first extent
	PVExtent     = 1 << 20 // bytes of an extent
	pvAreaHeader = 512
)

// PhysicalVolume makes an empty one of size bytes, with metadata text that
// starts offset bytes behind the start of its ring, and wraps at its end. The
// UUID has 32 characters.
func PhysicalVolume(uuid string, size int, text string, offset int) []byte {
	le := binary.LittleEndian
	pv := make([]byte, size)
	label := pv[pvSector : 2*pvSector]
	copy(label, "LABELONE\x01")
	copy(label[20:], "\x20\x00\x00\x00LVM2 001"+uuid)
	header := label[32:]
	le.PutUint64(header[32:], uint64(size))
	le.PutUint64(header[40:], PVData)
	le.PutUint64(header[72:], pvMetadata)
	le.PutUint64(header[80:], PVData-pvMetadata)
	le.PutUint32(label[16:], lvmSum(label[20:]))
	if text == "" {
		le.PutUint64(header[72:], 0)
		le.PutUint32(label[16:], lvmSum(label[20:]))
		return pv
	}
	area := pv[pvMetadata:PVData]
	copy(area[4:], " LVM2 x[5A%r0N*>\x01")
	le.PutUint64(area[24:], pvMetadata)
	le.PutUint64(area[32:], uint64(len(area)))
	le.PutUint64(area[40:], uint64(pvAreaHeader+offset))
	le.PutUint64(area[48:], uint64(len(text)))
	le.PutUint32(area[56:], lvmSum([]byte(text)))
	le.PutUint32(area, lvmSum(area[4:pvAreaHeader]))
	ring := area[pvAreaHeader:]
	copy(ring, text[copy(ring[offset:], text):])
	return pv
}

// Volume is a logical volume to be made.
type Volume struct {
	Name    string
	Content []byte
}

// VolumeGroup makes a group of one physical volume, with linear volumes that
// hold whole extents, and free extents behind them.
func VolumeGroup(name string, free int, volumes ...Volume) []byte {
	const uuid = "ABCDEFabcdefghijklmnopqrstuvwxyz"
	var sections strings.Builder
	extents := 0
	for _, v := range volumes {
		count := (len(v.Content) + PVExtent - 1) / PVExtent
		fmt.Fprintf(&sections, "%s {\nid = \"%s\"\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\nsegment_count = 1\n\n"+
			"segment1 {\nstart_extent = 0\nextent_count = %d\n\ntype = \"striped\"\nstripe_count = 1\t# linear\n\nstripes = [\n\"pv0\", %d\n]\n}\n}\n",
			v.Name, dashed(fmt.Sprintf("%032d", extents)), count, extents)
		extents += count
	}
	text := fmt.Sprintf(`%s {
id = "%s"
seqno = 3
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = %d
max_lv = 0
max_pv = 0
metadata_copies = 0
physical_volumes {
pv0 {
id = "%s"
status = ["ALLOCATABLE"]
flags = []
dev_size = %d
pe_start = %d
pe_count = %d
}
}
logical_volumes {
%s}
}
contents = "Text Format Volume Group"
version = 1
`+"\x00", name, dashed(strings.Repeat("g", 32)), PVExtent/pvSector, dashed(uuid),
		(PVData+(extents+free)*PVExtent)/pvSector, PVData/pvSector, extents+free, sections.String())
	pv := PhysicalVolume(uuid, PVData+(extents+free)*PVExtent, text, 0)
	at := PVData
	for _, v := range volumes {
		copy(pv[at:], v.Content)
		at += (len(v.Content) + PVExtent - 1) / PVExtent * PVExtent
	}
	return pv
}

// dashed writes a UUID as lvm does.
func dashed(uuid string) string {
	parts := []string{uuid[:6], uuid[6:10], uuid[10:14], uuid[14:18], uuid[18:22], uuid[22:26], uuid[26:]}
	return strings.Join(parts, "-")
}

// lvmSum is LVM2's checksum, written anew so that a test does not lean on the
// code that it tests.
func lvmSum(p []byte) uint32 {
	sum := uint32(0xf597a6cf)
	for _, b := range p {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ 0xedb88320&-(sum&1)
		}
	}
	return sum
}
