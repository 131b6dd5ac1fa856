package btrfs

import (
	"fmt"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Incompatible features: include/uapi/linux/btrfs.h, BTRFS_FEATURE_INCOMPAT.
const (
	incompatMixedBackref   = 1 << 0
	incompatDefaultSubvol  = 1 << 1
	incompatMixedGroups    = 1 << 2
	incompatCompressLZO    = 1 << 3
	incompatCompressZstd   = 1 << 4
	incompatBigMetadata    = 1 << 5
	incompatExtendedIref   = 1 << 6
	incompatRAID56         = 1 << 7
	incompatSkinnyMetadata = 1 << 8
	incompatNoHoles        = 1 << 9
	incompatMetadataUUID   = 1 << 10
	incompatRAID1C34       = 1 << 11
	incompatSimpleQuota    = 1 << 16

	// Not read are zoned (its superblocks lie elsewhere), extent_tree_v2,
	// raid_stripe_tree and remap_tree (logical addresses mean something else).
	incompatRead = incompatMixedBackref | incompatDefaultSubvol | incompatMixedGroups | incompatCompressLZO |
		incompatCompressZstd | incompatBigMetadata | incompatExtendedIref | incompatRAID56 | incompatSkinnyMetadata |
		incompatNoHoles | incompatMetadataUUID | incompatRAID1C34 | incompatSimpleQuota
)

// features are the words of feature bits that say how it is stored. What is
// new to a reader is in incompat alone.
type features struct {
	incompat uint64
	compatRO uint64
}

// check refuses incompatible features that are not read here.
func (f features) check() error {
	unread := f.incompat &^ incompatRead
	if unread == 0 {
		return nil
	}
	return diskerr.Unsupported("btrfs file system with the feature %s, which is not read", strings.Join(bitNames(unread, incompatNames), ", "))
}

// list names all features that are set.
func (f features) list() []string {
	return append(bitNames(f.incompat, incompatNames), bitNames(f.compatRO, compatRONames)...)
}

// bitNames lists the bits that are set; those without a name get their number.
func bitNames(word uint64, known []string) []string {
	var found []string
	for bit := range 64 {
		if word>>bit&1 == 0 {
			continue
		}
		name := fmt.Sprintf("%#x", uint64(1)<<bit)
		if bit < len(known) && known[bit] != "" {
			name = known[bit]
		}
		found = append(found, name)
	}
	return found
}

// Names of the bits from bit 0 on: fs/btrfs/sysfs.c, BTRFS_FEAT_ATTR.
var (
	incompatNames = []string{
		"mixed_backref", "default_subvol", "mixed_groups", "compress_lzo", "compress_zstd", "big_metadata",
		"extended_iref", "raid56", "skinny_metadata", "no_holes", "metadata_uuid", "raid1c34", "zoned",
		"extent_tree_v2", "raid_stripe_tree", "", "simple_quota", "remap_tree",
	}
	compatRONames = []string{"free_space_tree", "free_space_tree_valid", "verity", "block_group_tree"}
)
