package ext

import (
	"bytes"
	"encoding/binary"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Data in the inode itself: Linux Documentation/filesystems/ext4/inlinedata.rst.
// The first 60 bytes are in i_block, the others are the value of the extended
// attribute "system.data" after the inode's fields (attributes.rst).
const (
	xattrMagic        = 0xea020000
	xattrHeaderSize   = 4
	xattrEntrySize    = 16
	xattrNameLength   = 0
	xattrNameIndex    = 1
	xattrValueOffset  = 2
	xattrValueSize    = 8
	xattrIndexSystem  = 7
	xattrNameOfData   = "data"
	inlineParentBytes = 4
)

func (n *inode) inlineData() ([]byte, error) {
	more, err := n.inlineAttribute()
	if err != nil {
		return nil, err
	}
	data := append(bytes.Clone(n.blockField()), more...)
	if n.attr.Size > int64(len(data)) {
		return nil, diskerr.Corrupt("%d bytes of inline data, but a size of %d", len(data), n.attr.Size)
	}
	return data[:n.attr.Size], nil
}

// inlineAttribute returns the value of system.data, empty if there is none.
func (n *inode) inlineAttribute() ([]byte, error) {
	le := binary.LittleEndian
	start := oldInodeSize + n.extraSize()
	if n.d.sb.inodeSize == oldInodeSize || start+xattrHeaderSize > int64(len(n.raw)) || le.Uint32(n.raw[start:]) != xattrMagic {
		return nil, nil
	}
	area := n.raw[start+xattrHeaderSize:]
	for entry := area; len(entry) >= xattrEntrySize && le.Uint32(entry) != 0; {
		length := int(entry[xattrNameLength])
		if xattrEntrySize+length > len(entry) {
			return nil, diskerr.Corrupt("extended attribute with a name of %d bytes", length)
		}
		name := string(entry[xattrEntrySize : xattrEntrySize+length])
		if entry[xattrNameIndex] == xattrIndexSystem && name == xattrNameOfData {
			return attributeValue(area, entry)
		}
		entry = entry[min(len(entry), (xattrEntrySize+length+3)&^3):]
	}
	return nil, nil
}

func attributeValue(area, entry []byte) ([]byte, error) {
	offset := int64(binary.LittleEndian.Uint16(entry[xattrValueOffset:]))
	size := int64(binary.LittleEndian.Uint32(entry[xattrValueSize:]))
	if offset+size > int64(len(area)) {
		return nil, diskerr.Corrupt("inline data of %d bytes is outside the inode", size)
	}
	return area[offset : offset+size], nil
}
