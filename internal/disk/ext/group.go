package ext

import (
	"encoding/binary"
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Group descriptors: Linux Documentation/filesystems/ext4/group_descr.rst.
const (
	gdInodeTableLo = 0x08
	gdChecksum     = 0x1e
	gdInodeTableHi = 0x28
)

// inodeTable returns the block where the inodes of a group start.
func (d *driver) inodeTable(group uint64) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if table, ok := d.inodeTables[group]; ok {
		return table, nil
	}
	table, err := d.readInodeTable(group)
	if err != nil {
		return 0, fmt.Errorf("descriptor of group %d: %w", group, err)
	}
	d.inodeTables[group] = table
	return table, nil
}

func (d *driver) readInodeTable(group uint64) (uint64, error) {
	if group >= d.sb.groups() {
		return 0, diskerr.Corrupt("the file system has only %d groups", d.sb.groups())
	}
	raw := make([]byte, d.sb.descSize)
	if err := readat.Full(d.r, raw, d.sb.descriptorOffset(group), "group descriptor"); err != nil {
		return 0, err
	}
	if err := d.sb.checkDescriptor(group, raw); err != nil {
		return 0, err
	}
	table := uint64(binary.LittleEndian.Uint32(raw[gdInodeTableLo:]))
	if d.sb.descSize >= minDescSize64 {
		table |= uint64(binary.LittleEndian.Uint32(raw[gdInodeTableHi:])) << 32
	}
	length := (uint64(d.sb.inodesPerGroup)*uint64(d.sb.inodeSize)-1)/uint64(d.sb.blockSize) + 1
	if !d.sb.holds(table, length) {
		return 0, diskerr.Corrupt("inode table at the impossible block %d", table)
	}
	return table, nil
}

// descriptorOffset is where a group's descriptor is, in bytes: after the
// superblock, or in the group's meta group (fs/ext4/super.c, descriptor_loc).
func (s *superblock) descriptorOffset(group uint64) int64 {
	perBlock := uint64(s.blockSize / s.descSize)
	superBlock := uint64(superOffset / s.blockSize)
	index := group / perBlock
	block := superBlock + 1 + index
	if s.features.has(incompatMetaBG) && index >= uint64(s.firstMetaBG) {
		first := index * perBlock
		block = s.firstDataBlock + first*uint64(s.blocksPerGroup)
		if s.hasSuperblock(first) {
			block++
		}
		if first == 0 && superBlock == 1 && s.firstDataBlock == 0 {
			block++
		}
	}
	return int64(block)*s.blockSize + int64(group%perBlock)*s.descSize
}

// hasSuperblock reports whether the first group of a meta group starts with a
// superblock: fs/ext4/balloc.c, ext4_bg_has_super. Such a group is even, so
// that with sparse_super, which keeps copies in the groups 1 and powers of 3,
// 5 and 7, only the first of all has one.
func (s *superblock) hasSuperblock(group uint64) bool {
	switch {
	case group == 0:
		return true
	case s.features.hasCompat(compatSparseSuper2):
		return group == uint64(s.backupGroups[0]) || group == uint64(s.backupGroups[1])
	}
	return !s.features.hasRO(roSparseSuper)
}

// checkDescriptor: fs/ext4/super.c, ext4_group_desc_csum.
func (s *superblock) checkDescriptor(group uint64, raw []byte) error {
	le := binary.LittleEndian
	number := le.AppendUint32(nil, uint32(group))
	rest := raw[gdChecksum+2:]
	want := le.Uint16(raw[gdChecksum:])
	var got uint16
	switch {
	case s.features.hasRO(roMetadataCsum):
		sum := crc32c(crc32c(s.seed, number), raw[:gdChecksum])
		got = uint16(crc32c(crc32c(sum, []byte{0, 0}), rest))
	case s.features.hasRO(roGDTCsum):
		got = crc16(crc16(crc16(^uint16(0), s.uuid[:]), number), raw[:gdChecksum])
		if s.features.has(incompat64Bit) {
			got = crc16(got, rest)
		}
	default:
		return nil
	}
	if got != want {
		return diskerr.Corrupt("its checksum is wrong")
	}
	return nil
}
