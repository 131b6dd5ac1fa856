package packages

import (
	"bytes"
	"encoding/binary"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Sizes of ndb (rpm, lib/backend/ndb/rpmpkg.c).
const (
	ndbPage     = 4096
	ndbSlot     = 16
	ndbBlock    = 16
	maxNDBPages = 2048
)

// readNDB reads rpm's own format: pages of slots, the first two of which are
// the file's header, each telling where the blob of a header is.
func readNDB(s source) error {
	intro, err := s.read(0, 2*ndbSlot)
	if err != nil {
		return err
	}
	pages := int64(binary.LittleEndian.Uint32(intro[12:]))
	if !bytes.HasPrefix(intro, []byte("RpmP")) || pages < 1 || pages > maxNDBPages {
		return diskerr.Corrupt("is no database in rpm's format ndb, or has %d pages of slots", pages)
	}
	if version := binary.LittleEndian.Uint32(intro[4:]); version != 0 {
		return diskerr.Unsupported("has version %d of rpm's format ndb, and only 0 is read", version)
	}
	slots, err := s.read(0, pages*ndbPage)
	if err != nil {
		return err
	}
	for slot := slots[2*ndbSlot:]; len(slot) > 0; slot = slot[ndbSlot:] {
		index, block := binary.LittleEndian.Uint32(slot[4:]), binary.LittleEndian.Uint32(slot[8:])
		if !bytes.HasPrefix(slot, []byte("Slot")) {
			return diskerr.Corrupt("its slots are damaged")
		}
		if index == 0 {
			continue
		}
		if err := ndbBlob(s, index, int64(block)*ndbBlock); err != nil {
			return err
		}
	}
	return nil
}

// ndbBlob hands on the blob of a slot.
func ndbBlob(s source, index uint32, off int64) error {
	intro, err := s.read(off, 16)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(intro, []byte("BlbS")) || binary.LittleEndian.Uint32(intro[4:]) != index {
		return diskerr.Corrupt("slot %d leads to no header of a package", index)
	}
	size := int64(binary.LittleEndian.Uint32(intro[12:]))
	if size > s.size-off-16 {
		return diskerr.Corrupt("the header of slot %d is larger than the file", index)
	}
	off += 16
	return s.yield(&chunks{next: func() ([]byte, error) {
		// Only the front of a header is wanted, so it is read in pages.
		piece, err := s.read(off, min(size, ndbPage))
		off, size = off+int64(len(piece)), size-int64(len(piece))
		return piece, err
	}}, size)
}
