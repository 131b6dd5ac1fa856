package ext

import (
	"encoding/binary"
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// What follows the header of a block of the log: Linux
// Documentation/filesystems/ext4/journal.rst.
const (
	tagBlock     = 0
	tagSumV2     = 4
	tagFlags     = 6
	tagBlockHigh = 8
	tagSumV3     = 12
	tagSize      = 8
	tagSizeV3    = 16
	tagUUIDSize  = 16

	tagEscaped  = 0x1
	tagSameUUID = 0x2
	tagLast     = 0x8

	tailSize = 4

	revokeCount = 0x0c
	revokeStart = 0x10

	commitSumKind    = 0x0c
	commitSumSize    = 0x0d
	commitSum        = 0x10
	commitTime       = 0x30
	commitKindCRC32  = 1
	commitSizeCRC32  = 4
	fastHeadTag      = 9
	fastHeadSequence = 8
)

// maxRevoked bounds the memory for revoked blocks. A transaction has a few
// hundred of them.
const maxRevoked = 1 << 20

// write is a block of the file system that a transaction has in the log.
type write struct {
	logged
	block       uint64
	transaction uint32
	sum         uint32
}

// logged is where in the log a block is.
type logged struct {
	at uint32
	// escaped: its first four bytes are the journal's magic, and zeros in the
	// log.
	escaped bool
}

// replay is one way through the log. It follows do_one_pass of Linux
// fs/jbd2/recovery.c, which takes three.
type replay struct {
	*journal
	at, seen uint32
	// transaction is the one that is read.
	transaction uint32
	writes      []write
	committed   int
	revoking    []uint64
	revoked     map[uint64]uint32
	// doubtful: a checksum of the transaction is wrong, or the block is left
	// from an older log. interrupted: so is its commit's.
	doubtful, interrupted bool
	lastCommit            uint64
	sum                   uint32
}

// replay returns where in the log the newest content of blocks is, as Linux
// would write it back at mount. The error says why Linux would refuse to
// mount, or what is not read here.
func (j *journal) replay(blocks uint64) (map[uint64]logged, error) {
	newest := map[uint64]logged{}
	if j.start == 0 {
		return newest, nil
	}
	r := &replay{journal: j, at: j.start, transaction: j.sequence, revoked: map[uint64]uint32{}, sum: crcStart}
	if err := r.scan(); err != nil {
		return nil, err
	}
	if err := j.checkFastCommits(r.transaction); err != nil {
		return nil, err
	}
	for _, w := range r.writes[:r.committed] {
		if last, ok := r.revoked[w.block]; ok && !after(w.transaction, last) {
			continue
		}
		if err := r.check(w, blocks); err != nil {
			return nil, err
		}
		newest[w.block] = w.logged
	}
	return newest, nil
}

// after compares numbers of transactions, which wrap around.
func after(a, b uint32) bool { return int32(a-b) > 0 }

// scan reads the log up to the first block that is not of it.
func (r *replay) scan() error {
	for {
		raw, err := r.next()
		if err != nil {
			return err
		}
		if be32(raw, 0) != jbdMagic || be32(raw, jbdSequence) != r.transaction {
			return nil
		}
		done := false
		switch be32(raw, jbdBlockType) {
		case jbdDescriptor:
			err = r.descriptor(raw)
		case jbdRevoke:
			err = r.revoke(raw)
		case jbdCommit:
			done, err = r.commit(raw)
		default:
			return nil
		}
		if err != nil {
			return fmt.Errorf("transaction %d: %w", r.transaction, err)
		}
		if done {
			return nil
		}
	}
}

// take returns the number of the next block of the log.
func (r *replay) take() (uint32, error) {
	if r.seen++; r.seen > r.length {
		return 0, diskerr.Corrupt("the log has no end")
	}
	number := r.at
	r.at = r.wrap(number + 1)
	return number, nil
}

func (r *replay) next() ([]byte, error) {
	number, err := r.take()
	if err != nil {
		return nil, err
	}
	return r.block(number)
}

// descriptor notes the blocks that follow a descriptor block.
func (r *replay) descriptor(raw []byte) error {
	end := r.checkTail(raw)
	sums := r.compat&jbdCompatChecksum != 0 && !r.doubtful && !r.interrupted
	if sums {
		r.sum = crc32BE(r.sum, raw)
	}
	size := r.tagBytes()
	for off := jbdHeaderSize; off+size <= end; {
		w, flags := r.tag(raw[off:])
		var err error
		if w.at, err = r.take(); err != nil {
			return err
		}
		if sums {
			data, err := r.block(w.at)
			if err != nil {
				return err
			}
			r.sum = crc32BE(r.sum, data)
		}
		r.writes = append(r.writes, w)
		if off += size; flags&tagSameUUID == 0 {
			off += tagUUIDSize
		}
		if flags&tagLast != 0 {
			break
		}
	}
	return nil
}

// checkTail verifies the checksum at the end of a descriptor or revoke block,
// and returns where what it protects ends.
func (r *replay) checkTail(raw []byte) int {
	if !r.summed() {
		return len(raw)
	}
	end := len(raw) - tailSize
	if sumWithout(r.seed, raw, end) != be32(raw, end) {
		r.doubtful = true
	}
	return end
}

// tagBytes: fs/jbd2/journal.c, journal_tag_bytes.
func (j *journal) tagBytes() int {
	if j.has(jbdIncompatCsumV3) {
		return tagSizeV3
	}
	size := tagSize
	if j.has(jbdIncompatCsumV2) {
		size += 2
	}
	if j.has(jbdIncompat64Bit) {
		size += 4
	}
	return size
}

func (r *replay) tag(raw []byte) (write, uint16) {
	flags := binary.BigEndian.Uint16(raw[tagFlags:])
	w := write{block: uint64(be32(raw, tagBlock)), transaction: r.transaction, logged: logged{escaped: flags&tagEscaped != 0}}
	if r.has(jbdIncompat64Bit) {
		w.block |= uint64(be32(raw, tagBlockHigh)) << 32
	}
	if r.has(jbdIncompatCsumV3) {
		w.sum = be32(raw, tagSumV3)
	} else {
		w.sum = uint32(binary.BigEndian.Uint16(raw[tagSumV2:]))
	}
	return w, flags
}

// revoke notes blocks whose older content in the log must not be written
// back: they have been used for something else since.
func (r *replay) revoke(raw []byte) error {
	end := r.checkTail(raw)
	if r.doubtful {
		return nil
	}
	count := int64(be32(raw, revokeCount))
	if count > int64(end) {
		return diskerr.Corrupt("revoke block of %d bytes", count)
	}
	size := 4
	if r.has(jbdIncompat64Bit) {
		size = 8
	}
	for off := revokeStart; int64(off+size) <= count; off += size {
		block := uint64(be32(raw, off))
		if size == 8 {
			block = binary.BigEndian.Uint64(raw[off:])
		}
		r.revoking = append(r.revoking, block)
	}
	if len(r.revoking)+len(r.revoked) > maxRevoked {
		return diskerr.Unsupported("more than %d revoked blocks", maxRevoked)
	}
	return nil
}

// commit ends a transaction, if its checksums are right. It reports whether it
// was the log's last.
func (r *replay) commit(raw []byte) (done bool, err error) {
	stale := binary.BigEndian.Uint64(raw[commitTime:]) < r.lastCommit
	switch {
	case r.interrupted:
		return false, diskerr.Corrupt("the one before has a wrong checksum")
	case r.doubtful && stale:
		return true, nil
	case r.doubtful:
		return false, diskerr.Corrupt("a block of it has a wrong checksum")
	case !r.checkCommit(raw):
		return r.failCommit(stale)
	}
	r.lastCommit = binary.BigEndian.Uint64(raw[commitTime:])
	r.committed = len(r.writes)
	for _, block := range r.revoking {
		r.revoked[block] = r.transaction
	}
	r.revoking, r.sum = nil, crcStart
	r.transaction++
	return false, nil
}

func (r *replay) checkCommit(raw []byte) bool {
	found := be32(raw, commitSum)
	switch {
	case r.compat&jbdCompatChecksum != 0:
		kind, size := raw[commitSumKind], raw[commitSumSize]
		return found == r.sum && kind == commitKindCRC32 && size == commitSizeCRC32 || found == 0 && kind == 0 && size == 0
	case r.summed():
		return sumWithout(r.seed, raw, commitSum) == found
	}
	return true
}

// failCommit tells a commit that an older log has left from one that was
// damaged, and from one that the journal's feature async_commit lets reach the
// disk before the rest of its transaction.
func (r *replay) failCommit(stale bool) (done bool, err error) {
	switch {
	case stale:
		return true, nil
	case !r.has(jbdIncompatAsyncCommit):
		return false, diskerr.Corrupt("its commit has a wrong checksum")
	case r.summed():
		return true, nil
	}
	r.interrupted = true
	r.transaction++
	return false, nil
}

// check verifies a block that would be written back.
func (r *replay) check(w write, blocks uint64) error {
	if w.block >= blocks {
		return diskerr.Corrupt("transaction %d: has the impossible block %d", w.transaction, w.block)
	}
	if !r.summed() {
		return nil
	}
	data, err := r.block(w.at)
	if err != nil {
		return err
	}
	sum := crc32c(crc32c(r.seed, binary.BigEndian.AppendUint32(nil, w.transaction)), data)
	if r.has(jbdIncompatCsumV2) {
		sum &= 0xffff
	}
	if sum != w.sum {
		return diskerr.Corrupt("transaction %d: block %d has a wrong checksum", w.transaction, w.block)
	}
	return nil
}

// checkFastCommits refuses what followed the log's last transaction as fast
// commits: fs/ext4/fast_commit.c, ext4_fc_replay_scan. They start in the
// second block of their area.
func (j *journal) checkFastCommits(transaction uint32) error {
	if !j.has(jbdIncompatFastCommit) || j.length+1 >= j.whole {
		return nil
	}
	raw, err := j.block(j.length + 1)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if le.Uint16(raw) == fastHeadTag && le.Uint32(raw[fastHeadSequence:]) == transaction {
		return diskerr.Unsupported("it ends in fast commits, which are not read")
	}
	return nil
}
