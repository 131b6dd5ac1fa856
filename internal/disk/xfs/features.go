package xfs

import (
	"fmt"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// sb_versionnum: Linux fs/xfs/libxfs/xfs_format.h, XFS_SB_VERSION_*.
const (
	versionMask = 0xf
	version4    = 4
	version5    = 5

	versionShared   = 0x0200
	versionLogV2    = 0x0400
	versionDirV2    = 0x2000
	versionASCIICI  = 0x4000
	versionMoreBits = 0x8000
)

// sb_features2 of version 4: XFS_SB_VERSION2_*.
const (
	features2LazyCount = 0x2
	features2Attr2     = 0x8
	features2ProjID32  = 0x80
	features2FType     = 0x200

	features2Read = features2LazyCount | features2Attr2 | features2ProjID32 | features2FType
)

// sb_features_incompat of version 5: XFS_SB_FEAT_INCOMPAT_*.
const (
	incompatFType       = 1 << 0
	incompatSparse      = 1 << 1
	incompatMetaUUID    = 1 << 2
	incompatBigtime     = 1 << 3
	incompatNeedsRepair = 1 << 4
	incompatNRExt64     = 1 << 5
	incompatExchange    = 1 << 6
	incompatParent      = 1 << 7

	incompatRead = incompatFType | incompatSparse | incompatMetaUUID | incompatBigtime |
		incompatNeedsRepair | incompatNRExt64 | incompatExchange | incompatParent
)

// features are the words of feature bits.
type features struct {
	version   uint16
	features2 uint32
	roCompat  uint32
	incompat  uint32
}

// parseFeatures: old kernels wrote features2 to a wrong place, so that both
// count (fs/xfs/xfs_mount.c, xfs_mountfs).
func parseFeatures(raw []byte) features {
	f := features{version: be.Uint16(raw[sbVersion:])}
	if f.version&versionMoreBits != 0 || f.v5() {
		f.features2 = be.Uint32(raw[sbFeatures2:]) | be.Uint32(raw[sbBadFeatures2:])
	}
	if f.v5() {
		f.roCompat = be.Uint32(raw[sbFeaturesROCompat:])
		f.incompat = be.Uint32(raw[sbFeaturesIncompat:])
	}
	return f
}

// v5 file systems have checksums and inodes of version 3.
func (f features) v5() bool { return f.version&versionMask == version5 }

func (f features) has(incompat uint32) bool { return f.incompat&incompat != 0 }

// hasFType reports whether directory entries tell the type of their files.
func (f features) hasFType() bool {
	return f.has(incompatFType) || (!f.v5() && f.features2&features2FType != 0)
}

func (f features) hasLogV2() bool { return f.v5() || f.version&versionLogV2 != 0 }

func (f features) checkVersion() error {
	if number := f.version & versionMask; number != version4 && number != version5 {
		return diskerr.Unsupported("xfs of version %d: only 4 and 5 are read", number)
	}
	return nil
}

// check refuses features that are not read here: xfs_sb_good_v4_features,
// xfs_validate_sb_read.
func (f features) check() error {
	var unread []string
	if f.version&versionASCIICI != 0 {
		unread = append(unread, "ASCII_CI")
	}
	if !f.v5() {
		if f.version&versionDirV2 == 0 {
			return diskerr.Unsupported("xfs with directories of version 1, which are not read")
		}
		if f.version&versionShared != 0 {
			unread = append(unread, "SHARED")
		}
		unread = append(unread, bitNames(f.features2&^features2Read, features2Names)...)
	}
	unread = append(unread, bitNames(f.incompat&^incompatRead, incompatNames)...)
	if len(unread) == 0 {
		return nil
	}
	return diskerr.Unsupported("xfs with the feature %s, which is not read", strings.Join(unread, ", "))
}

// list names all features that are set, as the command version of xfs_db does.
func (f features) list() []string {
	all := []string{fmt.Sprintf("V%d", f.version&versionMask)}
	all = append(all, bitNames(uint32(f.version&^versionMask), versionNames)...)
	all = append(all, bitNames(f.features2, features2Names)...)
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

// Names of the bits from bit 0 on: xfsprogs, db/sb.c, version_string.
var (
	versionNames = []string{
		"", "", "", "", "ATTR", "NLINK", "QUOTA", "ALIGN", "DALIGN", "SHARED", "LOGV2", "SECTOR",
		"EXTFLG", "DIRV2", "ASCII_CI", "MOREBITS",
	}
	features2Names = []string{"", "LAZYSBCOUNT", "", "ATTR2", "PARENT", "", "", "PROJID32BIT", "CRC", "FTYPE"}
	incompatNames  = []string{
		"FTYPE", "SPARSE_INODES", "META_UUID", "BIGTIME", "NEEDSREPAIR", "NREXT64", "EXCHANGE", "PARENT",
		"METADIR", "ZONED", "ZONE_GAPS",
	}
	roCompatNames = []string{"FINOBT", "RMAPBT", "REFLINK", "INOBTCNT"}
)
