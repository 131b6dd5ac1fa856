package ext

import "hash/crc32"

// crcStart is the value that sums of the whole start with: ext4 uses ~0, and
// does not invert the result (fs/ext4/ext4.h, ext4_chksum).
const crcStart = ^uint32(0)

// crc32c continues the Castagnoli sum of Linux's crc32c(), which inverts
// neither at the start nor at the end as hash/crc32 does.
func crc32c(sum uint32, p []byte) uint32 {
	return ^crc32.Update(^sum, crc32.MakeTable(crc32.Castagnoli), p)
}

// crc16 continues the sum of Linux's lib/crc16.c, with which file systems of
// the feature uninit_bg protect their group descriptors.
func crc16(sum uint16, p []byte) uint16 {
	const reversedPolynomial = 0xa001
	for _, b := range p {
		sum ^= uint16(b)
		for range 8 {
			low := sum & 1
			sum >>= 1
			if low != 0 {
				sum ^= reversedPolynomial
			}
		}
	}
	return sum
}
