package vfat

import (
	"encoding/binary"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The boot sector: FAT32 File System Specification 1.03, "Boot Sector and
// BPB"; Linux include/uapi/linux/msdos_fs.h, struct fat_boot_sector.
const (
	bootSize       = 512
	bsSectorSize   = 11
	bsClusterSize  = 13
	bsReserved     = 14
	bsTables       = 16
	bsRootEntries  = 17
	bsSectors16    = 19
	bsMedia        = 21
	bsTableSize16  = 22
	bsSectors32    = 32
	bsTableSize32  = 36
	bsRootCluster  = 44
	bsExtended     = 36
	bsExtended32   = 64
	bxState        = 1
	bxSignature    = 2
	bxVolumeID     = 3
	bxLabel        = 7
	bxFieldsEnd    = 18
	labelSize      = 11
	firstCluster   = 2
	minSectorSize  = 512
	maxSectorSize  = 4096
	maxClusterSize = 1 << 20

	// signatureID and signatureWhole say that the fields behind them are used:
	// the volume ID alone, or the label too.
	signatureID    = 0x28
	signatureWhole = 0x29

	// maxFAT12 is the most clusters with entries of 12 bits:
	// include/uapi/linux/msdos_fs.h, MAX_FAT12, MAX_FAT16 and MAX_FAT32.
	maxFAT12 = 0xff4
	maxFAT16 = 0xfff4
	maxFAT32 = 0x0ffffff6
)

// bootSector is what the first sector says. Offsets and sizes are in bytes.
type bootSector struct {
	// bits is the width of the table's entries: 12, 16 or 32.
	bits    int
	cluster int64
	bytes   int64
	// tableAt is where the first table is, the only one that Linux reads.
	tableAt  int64
	rootAt   int64 // 0 for FAT32, whose root is a chain of clusters
	rootSize int64
	// rootCluster is the root's first, for FAT32 only.
	rootCluster uint32
	dataAt      int64
	clusters    uint32
	volumeID    uint32
	label       string
	state       byte
}

func readBootSector(r io.ReaderAt, size int64) (*bootSector, error) {
	if size < bootSize {
		return nil, diskerr.NotFound("no FAT file system: %d bytes are too few", size)
	}
	raw := make([]byte, bootSize)
	if err := readat.Full(r, raw, 0, "boot sector"); err != nil {
		return nil, err
	}
	if !plausible(raw) {
		return nil, diskerr.NotFound("no FAT file system: the first sector is no boot sector")
	}
	b, err := parseBootSector(raw)
	if err != nil {
		return nil, err
	}
	if b.bytes > size {
		return nil, diskerr.Corrupt("boot sector: the file system has %d bytes, but its partition only %d", b.bytes, size)
	}
	return b, nil
}

// plausible follows fat_read_bpb of Linux fs/fat/inode.c.
func plausible(raw []byte) bool {
	le := binary.LittleEndian
	sector, cluster, media := le.Uint16(raw[bsSectorSize:]), raw[bsClusterSize], raw[bsMedia]
	return sector >= minSectorSize && sector <= maxSectorSize && sector&(sector-1) == 0 &&
		cluster != 0 && cluster&(cluster-1) == 0 && le.Uint16(raw[bsReserved:]) != 0 &&
		raw[bsTables] != 0 && (media >= 0xf8 || media == 0xf0)
}

// parseBootSector follows fat_fill_super of Linux fs/fat/inode.c.
func parseBootSector(raw []byte) (*bootSector, error) {
	le := binary.LittleEndian
	sector := int64(le.Uint16(raw[bsSectorSize:]))
	b := &bootSector{
		cluster:  sector * int64(raw[bsClusterSize]),
		tableAt:  int64(le.Uint16(raw[bsReserved:])) * sector,
		rootSize: int64(le.Uint16(raw[bsRootEntries:])) * recordSize,
	}
	tableSize, extended := int64(le.Uint16(raw[bsTableSize16:])), bsExtended
	if tableSize == 0 {
		b.bits, tableSize, extended = 32, int64(le.Uint32(raw[bsTableSize32:])), bsExtended32
		b.rootCluster = le.Uint32(raw[bsRootCluster:])
	}
	tableSize *= sector
	sectors := int64(le.Uint16(raw[bsSectors16:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(raw[bsSectors32:]))
	}
	b.bytes = sectors * sector
	tablesEnd := b.tableAt + int64(raw[bsTables])*tableSize
	if b.bits != 32 {
		b.rootAt = tablesEnd
	}
	b.dataAt = tablesEnd + (b.rootSize+sector-1)/sector*sector
	b.parseExtended(raw[extended:])
	return b, b.count(tableSize)
}

func (b *bootSector) parseExtended(raw []byte) {
	b.state = raw[bxState]
	signature := raw[bxSignature]
	if signature == signatureID || signature == signatureWhole {
		b.volumeID = binary.LittleEndian.Uint32(raw[bxVolumeID:])
	}
	if label := strings.TrimRight(decodeOEM(raw[bxLabel:bxFieldsEnd]), " "); signature == signatureWhole && label != "NO NAME" {
		b.label = label
	}
}

// count works out how many clusters there are, which decides between FAT12
// and FAT16.
func (b *bootSector) count(tableSize int64) error {
	if b.cluster > maxClusterSize || b.dataAt >= b.bytes {
		return diskerr.Corrupt("boot sector: clusters of %d bytes from byte %d to %d", b.cluster, b.dataAt, b.bytes)
	}
	clusters, limit := (b.bytes-b.dataAt)/b.cluster, int64(maxFAT32)
	if b.bits == 0 {
		b.bits, limit = 12, maxFAT12
		if clusters > maxFAT12 {
			b.bits, limit = 16, maxFAT16
		}
	}
	clusters = min(clusters, tableSize*8/int64(b.bits)-firstCluster)
	if clusters <= 0 || clusters > limit {
		return diskerr.Corrupt("boot sector: FAT%d with %d clusters", b.bits, clusters)
	}
	b.clusters = uint32(clusters)
	if b.bits == 32 && !b.holds(uint64(b.rootCluster)) {
		return diskerr.Corrupt("boot sector: root directory at the impossible cluster %d", b.rootCluster)
	}
	return nil
}

// holds reports whether there is a cluster of this number.
func (b *bootSector) holds(cluster uint64) bool {
	return cluster >= firstCluster && cluster < firstCluster+uint64(b.clusters)
}

func (b *bootSector) clusterOffset(cluster uint32) int64 {
	return b.dataAt + int64(cluster-firstCluster)*b.cluster
}
