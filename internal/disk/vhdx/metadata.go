package vhdx

import (
	"encoding/binary"
	"io"
	"math/bits"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Offsets of the metadata table's fields: MS-VHDX 2.6.1.
const (
	metadataSignature = "metadata"
	metadataTableSize = 64 << 10
	offItemCount      = 10
	itemEntries       = 32
	itemEntrySize     = 32
	maxItems          = 2047
	offItemOffset     = 16
	offItemLength     = 20
	offItemFlags      = 24
	itemRequired      = 4
)

// The items that every image has: MS-VHDX 2.6.2. They are named by GUIDs.
const (
	itemFileParameters = "caa16737-fa36-4d43-b3b6-33f0aa44e76b"
	itemDiskSize       = "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
	itemDiskID         = "beca12ab-b2e6-4523-93ef-c309e000c746"
	itemLogicalSector  = "8141bf1d-a96f-4709-ba47-f233a8faab5f"
	itemPhysicalSector = "cda348c7-445d-4471-9cc9-e9885251c556"
	itemParentLocator  = "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"
)

const (
	paramsHasParent = 2
	minBlockSize    = 1 << 20
	maxBlockSize    = 256 << 20
	maxDiskSize     = 64 << 40
)

// metadata is what the items say.
type metadata struct {
	blockSize, diskSize, sectorSize int64
}

func readMetadata(r io.ReaderAt, at region) (*metadata, error) {
	raw := make([]byte, metadataTableSize)
	if err := readat.Full(r, raw, at.offset, "VHDX metadata table"); err != nil {
		return nil, err
	}
	count := int(binary.LittleEndian.Uint16(raw[offItemCount:]))
	if string(raw[:len(metadataSignature)]) != metadataSignature || count > maxItems {
		return nil, diskerr.Corrupt("VHDX metadata table at offset %d: no signature, or %d items, want %d at most", at.offset, count, maxItems)
	}
	items := map[string][]byte{}
	for i := range count {
		if err := readItem(r, at, raw[itemEntries+i*itemEntrySize:], items); err != nil {
			return nil, err
		}
	}
	return parseItems(items)
}

// known are the items and their lengths in bytes.
func known(id string) (int, bool) {
	length, ok := map[string]int{
		itemFileParameters: 8, itemDiskSize: 8, itemDiskID: guidSize, itemLogicalSector: 4, itemPhysicalSector: 4,
	}[id]
	return length, ok
}

func readItem(r io.ReaderAt, at region, entry []byte, items map[string][]byte) error {
	le := binary.LittleEndian
	id := guid(entry)
	if id == itemParentLocator {
		return differencing()
	}
	length, ok := known(id)
	if !ok {
		if le.Uint32(entry[offItemFlags:])&itemRequired != 0 {
			return diskerr.Unsupported("VHDX with required metadata that is not known, %s: convert it with qemu-img convert -O qcow2", id)
		}
		return nil
	}
	offset, has := int64(le.Uint32(entry[offItemOffset:])), int64(le.Uint32(entry[offItemLength:]))
	if has < int64(length) || offset < metadataTableSize || offset > at.length-has {
		return diskerr.Corrupt("VHDX metadata item %s: %d bytes at offset %d of a region of %d bytes", id, has, offset, at.length)
	}
	if _, twice := items[id]; twice {
		return diskerr.Corrupt("VHDX metadata item %s: named twice", id)
	}
	items[id] = make([]byte, length)
	return readat.Full(r, items[id], at.offset+offset, "VHDX metadata item")
}

func differencing() error {
	return diskerr.Unsafe("differencing VHDX: most of its disk is in a parent file, which was not opened; if you trust it, flatten the image with the program that made it")
}

func parseItems(items map[string][]byte) (*metadata, error) {
	for _, id := range []string{itemFileParameters, itemDiskSize, itemLogicalSector} {
		if items[id] == nil {
			return nil, diskerr.Corrupt("VHDX metadata: the item %s is missing", id)
		}
	}
	le := binary.LittleEndian
	m := &metadata{
		blockSize:  int64(le.Uint32(items[itemFileParameters])),
		diskSize:   int64(le.Uint64(items[itemDiskSize])),
		sectorSize: int64(le.Uint32(items[itemLogicalSector])),
	}
	if le.Uint32(items[itemFileParameters][4:])&paramsHasParent != 0 {
		return nil, differencing()
	}
	if m.blockSize < minBlockSize || m.blockSize > maxBlockSize || bits.OnesCount64(uint64(m.blockSize)) != 1 {
		return nil, diskerr.Corrupt("VHDX metadata: block size %d, want a power of 2 from %d to %d", m.blockSize, minBlockSize, maxBlockSize)
	}
	if m.sectorSize != 512 && m.sectorSize != 4096 {
		return nil, diskerr.Corrupt("VHDX metadata: logical sectors of %d bytes, want 512 or 4096", m.sectorSize)
	}
	if m.diskSize <= 0 || m.diskSize > maxDiskSize || m.diskSize%m.sectorSize != 0 {
		return nil, diskerr.Corrupt("VHDX metadata: impossible disk size %d", uint64(m.diskSize))
	}
	return m, nil
}
