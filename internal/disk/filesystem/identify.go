package filesystem

import "io"

// signatures are what libblkid looks for: util-linux, libblkid/src/superblocks.
// What holds other things comes first, since these may start with what it was
// made from.
var signatures = []struct {
	name   string
	offset int64
	magic  string
}{
	{"LVM2_member", 512 + 0x18, "LVM2 001"},
	{"LVM2_member", 0x18, "LVM2 001"},
	{"crypto_LUKS", 0, "LUKS\xba\xbe"},
	{"BitLocker", 3, "-FVE-FS-"},
	{"bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{"linux_raid_member", 0x1000, "\xfc\x4e\x2b\xa9"},
	{"ext", 0x438, "\x53\xef"},
	{"xfs", 0, "XFSB"},
	{"btrfs", 0x10040, "_BHRfS_M"},
	{"swap", 4096 - 10, "SWAPSPACE2"},
	{"swap", 8192 - 10, "SWAPSPACE2"},
	{"swap", 16384 - 10, "SWAPSPACE2"},
	{"swap", 65536 - 10, "SWAPSPACE2"},
	{"swsuspend", 4096 - 10, "S1SUSPEND"},
	{"swsuspend", 65536 - 10, "S1SUSPEND"},
	{"vfat", 0x52, "FAT32"},
	{"vfat", 0x36, "FAT1"},
	{"ntfs", 3, "NTFS    "},
	{"exfat", 3, "EXFAT   "},
	{"squashfs", 0, "hsqs"},
	{"erofs", 0x400, "\xe2\xe1\xf5\xe0"},
	{"f2fs", 0x400, "\x10\x20\xf5\xf2"},
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
	if isZFS(r) {
		return "zfs_member"
	}
	return ""
}

// isZFS looks into the first label for uberblocks, of which there is one in
// each of the last transactions: util-linux, superblocks/zfs.c.
func isZFS(r io.ReaderAt) bool {
	const (
		magic      = "\x0c\xb1\xba\x00\x00\x00\x00\x00"
		start, end = 128 << 10, 256 << 10
		step, want = 1 << 10, 4
	)
	label := make([]byte, end-start)
	n, _ := r.ReadAt(label, start)
	found := 0
	for at := 0; at+step <= n; at += step {
		if string(label[at:at+len(magic)]) == magic {
			found++
		}
	}
	return found >= want
}
