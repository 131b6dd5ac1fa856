package ext

import (
	"fmt"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Feature bits: Linux Documentation/filesystems/ext4/super.rst, "Super Block
// Feature Flags".
const (
	compatHasJournal   = 0x4
	compatSparseSuper2 = 0x200

	incompatCompression = 0x1
	incompatFiletype    = 0x2
	incompatRecover     = 0x4
	incompatJournalDev  = 0x8
	incompatMetaBG      = 0x10
	incompatExtents     = 0x40
	incompat64Bit       = 0x80
	incompatMMP         = 0x100
	incompatFlexBG      = 0x200
	incompatEAInode     = 0x400
	incompatDirdata     = 0x1000
	incompatCsumSeed    = 0x2000
	incompatLargeDir    = 0x4000
	incompatInlineData  = 0x8000
	incompatEncrypt     = 0x10000
	incompatCasefold    = 0x20000

	roSparseSuper  = 0x1
	roLargeFile    = 0x2
	roBtreeDir     = 0x4
	roGDTCsum      = 0x10
	roMetadataCsum = 0x400

	incompatRead = incompatFiletype | incompatRecover | incompatMetaBG | incompatExtents | incompat64Bit |
		incompatMMP | incompatFlexBG | incompatEAInode | incompatCsumSeed | incompatLargeDir | incompatInlineData
)

// What ext2 and ext3 may have: util-linux, libblkid/src/superblocks/ext.c.
const (
	incompatOfExt2 = incompatFiletype | incompatMetaBG
	incompatOfExt3 = incompatOfExt2 | incompatRecover
	roOfExt3       = roSparseSuper | roLargeFile | roBtreeDir
)

// features are the three words of feature bits.
type features struct {
	compat   uint32
	incompat uint32
	roCompat uint32
}

func (f features) hasCompat(bit uint32) bool { return f.compat&bit != 0 }
func (f features) has(bit uint32) bool       { return f.incompat&bit != 0 }
func (f features) hasRO(bit uint32) bool     { return f.roCompat&bit != 0 }

// check refuses incompatible features that are not read here.
func (f features) check() error {
	unread := f.incompat &^ incompatRead
	if unread == 0 {
		return nil
	}
	return diskerr.Unsupported("ext file system with the feature %s, which is not read", strings.Join(bitNames(unread, incompatNames), ", "))
}

// kind is ext2, ext3 or ext4, as blkid tells them apart.
func (f features) kind() string {
	switch {
	case f.roCompat&^roOfExt3 != 0 || f.incompat&^incompatOfExt3 != 0:
		return "ext4"
	case f.hasCompat(compatHasJournal):
		return "ext3"
	}
	return "ext2"
}

// list names all features that are set, as e2fsprogs does.
func (f features) list() []string {
	all := bitNames(f.compat, compatNames)
	all = append(all, bitNames(f.incompat, incompatNames)...)
	return append(all, bitNames(f.roCompat, roCompatNames)...)
}

// bitNames lists the bits that are set; those without a name get their number.
func bitNames(word uint32, known []string) []string {
	var found []string
	for bit := range 32 {
		if word>>bit&1 == 0 {
			continue
		}
		name := fmt.Sprintf("%#x", uint32(1)<<bit)
		if bit < len(known) && known[bit] != "" {
			name = known[bit]
		}
		found = append(found, name)
	}
	return found
}

// Names of the bits from bit 0 on: e2fsprogs, lib/e2p/feature.c.
var (
	compatNames = []string{
		"dir_prealloc", "imagic_inodes", "has_journal", "ext_attr", "resize_inode", "dir_index",
		"lazy_bg", "", "snapshot_bitmap", "sparse_super2", "fast_commit", "stable_inodes", "orphan_file",
	}
	incompatNames = []string{
		"compression", "filetype", "needs_recovery", "journal_dev", "meta_bg", "", "extent", "64bit",
		"mmp", "flex_bg", "ea_inode", "", "dirdata", "metadata_csum_seed", "large_dir", "inline_data",
		"encrypt", "casefold",
	}
	roCompatNames = []string{
		"sparse_super", "large_file", "", "huge_file", "uninit_bg", "dir_nlink", "extra_isize", "snapshot",
		"quota", "bigalloc", "metadata_csum", "replica", "read-only", "project", "shared_blocks", "verity",
		"orphan_present",
	}
)
