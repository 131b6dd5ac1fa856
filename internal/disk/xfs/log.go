package xfs

import (
	"bytes"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Log records: Linux fs/xfs/libxfs/xfs_log_format.h, struct xlog_rec_header
// and xlog_op_header.
const (
	logMagic = 0xfeedbabe

	lrCycle      = 4
	lrVersion    = 8
	lrLength     = 12
	lrOperations = 40
	lrUUID       = 304
	lrSize       = 320

	logVersion2 = 2
	opFlags     = 9
	opUnmount   = 0x20

	// cycleBytes of a record are described by one block of its header.
	cycleBytes = 32 << 10
	// maxRecordBlocks is the longest record, and maxInFlight what can be on
	// its way to the disk at one time: XLOG_REC_SHIFT, XLOG_TOTAL_REC_SHIFT.
	maxRecordBlocks = 512
	maxInFlight     = 8 * maxRecordBlocks
	maxLogBytes     = 1 << 31
)

// xlog is the log: a ring of blocks of 512 bytes. Each starts with the number
// of the round in which it was written, its cycle; in the first block of a
// record, that is behind the magic.
type xlog struct {
	r      io.ReaderAt
	start  int64
	blocks int64
	v2     bool
	uuid   []byte
}

// logIsClean reports whether Linux would find nothing to recover. It does what
// xlog_find_tail of fs/xfs/xfs_log_recover.c does; as there, checksums are not
// looked at, since a clean log may be of another architecture.
func (s *superblock) logIsClean(r io.ReaderAt) (bool, error) {
	l, err := s.openLog(r)
	if err != nil {
		return false, err
	}
	if first, err := l.cycle(0); err != nil || first == 0 {
		return err == nil, err
	}
	head, err := l.head()
	if err != nil {
		return false, err
	}
	last, err := l.recordBefore(head)
	if err != nil {
		return false, err
	}
	if last.end != head {
		// It was torn, and is taken for not written: xlog_find_verify_log_record.
		head = last.start
		if last, err = l.recordBefore(head); err != nil {
			return false, err
		}
	}
	return l.isUnmount(last, head)
}

func (s *superblock) openLog(r io.ReaderAt) (*xlog, error) {
	start, err := s.offset(s.logStart, uint64(s.logBlocks))
	if err != nil {
		return nil, err
	}
	length := int64(s.logBlocks) * s.blockSize
	if length == 0 || length > maxLogBytes {
		return nil, diskerr.Corrupt("a log of %d bytes is impossible", length)
	}
	return &xlog{r: r, start: start, blocks: length / basicBlock, v2: s.features.hasLogV2(), uuid: s.uuid[:]}, nil
}

func (l *xlog) read(block, count int64) ([]byte, error) {
	raw := make([]byte, count*basicBlock)
	return raw, readat.Full(l.r, raw, l.start+block*basicBlock, "log")
}

func (l *xlog) cycle(block int64) (uint32, error) {
	raw, err := l.read(block, 1)
	if err != nil {
		return 0, err
	}
	return cycleOf(raw), nil
}

// cycleOf is xlog_get_cycle.
func cycleOf(block []byte) uint32 {
	if be.Uint32(block) == logMagic {
		return be.Uint32(block[lrCycle:])
	}
	return be.Uint32(block)
}

// head returns the block where the next record goes, as xlog_find_head and
// xlog_find_zeroed do: the first block of an older cycle, or of none; the first
// of all, if they are of one cycle.
func (l *xlog) head() (int64, error) {
	last, err := l.cycle(l.blocks - 1)
	if err != nil {
		return 0, err
	}
	from, to := int64(0), l.blocks-1
	for from+1 < to {
		middle := (from + to) / 2
		cycle, err := l.cycle(middle)
		if err != nil {
			return 0, err
		}
		if cycle == last {
			to = middle
		} else {
			from = middle
		}
	}
	return l.hole(to, last)
}

// hole returns the first of the blocks before head that should have been
// written by now, and still has the cycle old; head, if there is none. The
// blocks may go on at the end of the log, where old is one less.
func (l *xlog) hole(head int64, old uint32) (int64, error) {
	window := min(l.blocks, maxInFlight)
	if wrapped := window - head; wrapped > 0 && old > 0 {
		found, err := l.find(l.blocks-wrapped, l.blocks, old-1)
		if err != nil || found >= 0 {
			return found, err
		}
	}
	found, err := l.find(max(0, head-window), head, old)
	if err == nil && found < 0 {
		found = head
	}
	return found, err
}

// find returns the first block with the cycle, or -1.
func (l *xlog) find(from, to int64, cycle uint32) (int64, error) {
	const chunk = 128
	for ; from < to; from += chunk {
		raw, err := l.read(from, min(chunk, to-from))
		if err != nil {
			return 0, err
		}
		for i := 0; i < len(raw); i += basicBlock {
			if cycleOf(raw[i:]) == cycle {
				return from + int64(i/basicBlock), nil
			}
		}
	}
	return -1, nil
}

// record is a record of the log; the places are block numbers.
type record struct {
	start, body, end int64
	operations       uint32
}

// recordBefore finds the last record that starts before head.
func (l *xlog) recordBefore(head int64) (record, error) {
	for back := int64(1); back <= min(l.blocks, maxRecordBlocks); back++ {
		at := (head - back + l.blocks) % l.blocks
		header, err := l.read(at, 1)
		if err != nil {
			return record{}, err
		}
		if be.Uint32(header) == logMagic {
			return l.parseRecord(header, at)
		}
	}
	return record{}, diskerr.Corrupt("no record before its head at block %d of %d", head, l.blocks)
}

func (l *xlog) parseRecord(header []byte, at int64) (record, error) {
	if uuid := header[lrUUID : lrUUID+16]; !bytes.Equal(uuid, l.uuid) {
		return record{}, diskerr.Corrupt("its record at block %d belongs to another file system", at)
	}
	body := at + l.headerBlocks(header)
	length := (int64(be.Uint32(header[lrLength:])) + basicBlock - 1) / basicBlock
	return record{
		start: at, body: body % l.blocks, end: (body + length) % l.blocks, operations: be.Uint32(header[lrOperations:]),
	}, nil
}

// headerBlocks is xlog_logrec_hblks.
func (l *xlog) headerBlocks(header []byte) int64 {
	size := int64(be.Uint32(header[lrSize:]))
	if l.v2 && be.Uint32(header[lrVersion:])&logVersion2 != 0 && size > cycleBytes {
		return (size + cycleBytes - 1) / cycleBytes
	}
	return 1
}

// isUnmount reports whether the record is that of an unmount, and the last:
// xlog_check_unmount_rec.
func (l *xlog) isUnmount(last record, head int64) (bool, error) {
	if last.end != head || last.operations != 1 {
		return false, nil
	}
	operation, err := l.read(last.body, 1)
	if err != nil {
		return false, err
	}
	return operation[opFlags]&opUnmount != 0, nil
}
