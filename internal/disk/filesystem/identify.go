package filesystem

import "io"

// signatures are what libblkid looks for first: util-linux, libblkid/src/superblocks.
var signatures = []struct {
	name   string
	offset int64
	magic  string
}{
	{"ext", 0x438, "\x53\xef"},
	{"xfs", 0, "XFSB"},
	{"btrfs", 0x10040, "_BHRfS_M"},
	{"LVM2_member", 512 + 0x18, "LVM2 001"},
	{"LVM2_member", 0x18, "LVM2 001"},
	{"crypto_LUKS", 0, "LUKS\xba\xbe"},
	{"swap", 4096 - 10, "SWAPSPACE2"},
	{"swap", 65536 - 10, "SWAPSPACE2"},
	{"vfat", 0x52, "FAT32"},
	{"vfat", 0x36, "FAT1"},
	{"ntfs", 3, "NTFS    "},
	{"exfat", 3, "EXFAT   "},
	{"squashfs", 0, "hsqs"},
	{"erofs", 0x400, "\xe2\xe1\xf5\xe0"},
	{"f2fs", 0x400, "\x10\x20\xf5\xf2"},
	{"linux_raid_member", 0x1000, "\xfc\x4e\x2b\xa9"},
	{"iso9660", 0x8001, "CD001"},
}

// Identify names what is stored in r, size bytes long, by its signature, in
// the words of blkid ("ext" stands for ext2, ext3 and ext4); "" if unknown. It
// does not say that it can be read.
func Identify(r io.ReaderAt, size int64) string {
	for _, s := range signatures {
		magic := make([]byte, len(s.magic))
		if s.offset+int64(len(magic)) > size {
			continue
		}
		if n, _ := r.ReadAt(magic, s.offset); n == len(magic) && string(magic) == s.magic {
			return s.name
		}
	}
	return ""
}
