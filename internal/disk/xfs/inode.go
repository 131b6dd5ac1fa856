package xfs

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The inode: struct xfs_dinode in Linux fs/xfs/libxfs/xfs_format.h.
const (
	inodeMagic = "IN"

	inMode        = 2
	inVersion     = 4
	inFormat      = 5
	inLinksV1     = 6
	inUID         = 8
	inGID         = 12
	inLinks       = 16
	inBigExtents  = 24
	inModTime     = 40
	inSize        = 56
	inExtents     = 76
	inForkOffset  = 82
	inFlags       = 90
	inCoreSizeV2  = 100
	inChecksum    = 100
	inFlags2      = 120
	inNumber      = 152
	inUUID        = 160
	inCoreSizeV3  = 176
	inForkUnit    = 8
	flagRealtime  = 0x1
	flag2Bigtime  = 0x8
	flag2NRExt64  = 0x10
	bigtimeEpoch  = -1 << 31
	inodeVersion1 = 1
	inodeVersion3 = 3
)

// What the data fork of an inode holds: enum xfs_dinode_fmt.
type format uint8

const (
	formatLocal   format = 1
	formatExtents format = 2
	formatBtree   format = 3
)

// inode implements filesystem.Inode.
type inode struct {
	d      *driver
	attr   filesystem.Attr
	format format
	// fork is the data fork: an extent list, the root of a B+tree, or data.
	fork []byte
	// extents is the number of extents in the data fork.
	extents  uint64
	realtime bool
}

// Inode reads the inode and verifies its checksum.
func (d *driver) Inode(ino uint64) (filesystem.Inode, error) {
	n, err := d.readInode(ino)
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", ino, err)
	}
	return n, nil
}

func (d *driver) readInode(ino uint64) (*inode, error) {
	block, err := d.sb.offset(ino>>d.sb.inodeBits, 1)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, d.sb.inodeSize)
	index := int64(ino & (1<<d.sb.inodeBits - 1))
	if err := readat.Full(d.r, raw, block+index*d.sb.inodeSize, "inode"); err != nil {
		return nil, err
	}
	if err := d.sb.checkInode(raw, ino); err != nil {
		return nil, err
	}
	return d.parseInode(raw, ino)
}

// checkInode: xfs_dinode_verify of fs/xfs/libxfs/xfs_inode_buf.c.
func (s *superblock) checkInode(raw []byte, ino uint64) error {
	version := raw[inVersion]
	switch {
	case string(raw[:len(inodeMagic)]) != inodeMagic:
		return diskerr.Corrupt("its magic is missing")
	case version < inodeVersion1 || version > inodeVersion3 || (version == inodeVersion3) != s.features.v5():
		return diskerr.Corrupt("impossible version %d", version)
	case !s.features.v5():
		return nil
	}
	if err := checkSum(raw, inChecksum); err != nil {
		return err
	}
	if number := be.Uint64(raw[inNumber:]); number != ino {
		return diskerr.Corrupt("it says that it is inode %d", number)
	}
	if !s.isMine(raw[inUUID : inUUID+16]) {
		return diskerr.Corrupt("it belongs to another file system")
	}
	return nil
}

func (d *driver) parseInode(raw []byte, ino uint64) (*inode, error) {
	n := &inode{d: d, format: format(raw[inFormat]), extents: uint64(be.Uint32(raw[inExtents:]))}
	n.attr = filesystem.Attr{
		Stat: filesystem.Stat{
			Ino: ino, UID: be.Uint32(raw[inUID:]), GID: be.Uint32(raw[inGID:]), Nlink: be.Uint32(raw[inLinks:]),
		},
		Mode:    filesystem.UnixMode(uint32(be.Uint16(raw[inMode:]))),
		ModTime: d.sb.time(raw, inModTime),
	}
	if raw[inVersion] == inodeVersion1 {
		n.attr.Nlink = uint32(be.Uint16(raw[inLinksV1:]))
	}
	size := be.Uint64(raw[inSize:])
	switch {
	case be.Uint16(raw[inMode:]) == 0 || n.attr.Nlink == 0:
		return nil, diskerr.Corrupt("it is not in use")
	case size > math.MaxInt64:
		return nil, diskerr.Corrupt("impossible size %d", size)
	}
	n.attr.Size = int64(size)
	n.realtime = be.Uint16(raw[inFlags:])&flagRealtime != 0
	if d.sb.features.has(incompatNRExt64) && be.Uint64(raw[inFlags2:])&flag2NRExt64 != 0 {
		n.extents = be.Uint64(raw[inBigExtents:])
	}
	return n, n.findFork(raw)
}

// findFork: the data fork ends where that of the attributes starts, if there
// is one.
func (n *inode) findFork(raw []byte) error {
	start := inCoreSizeV2
	if n.d.sb.features.v5() {
		start = inCoreSizeV3
	}
	end := len(raw)
	if offset := int(raw[inForkOffset]) * inForkUnit; offset != 0 {
		end = start + offset
	}
	if end > len(raw) {
		return diskerr.Corrupt("impossible fork offset %d", raw[inForkOffset])
	}
	n.fork = raw[start:end]
	return nil
}

// time reads a timestamp: seconds and nanoseconds, or with bigtime
// nanoseconds since 1901 (xfs_inode_from_disk_ts).
func (s *superblock) time(raw []byte, at int) time.Time {
	stamp := be.Uint64(raw[at:])
	if s.features.has(incompatBigtime) && be.Uint64(raw[inFlags2:])&flag2Bigtime != 0 {
		return time.Unix(int64(stamp/1e9)+bigtimeEpoch, int64(stamp%1e9))
	}
	return time.Unix(int64(int32(stamp>>32)), int64(uint32(stamp)))
}

// Attr implements filesystem.Inode.
func (n *inode) Attr() filesystem.Attr { return n.attr }

// Open implements filesystem.Inode.
func (n *inode) Open() (io.ReaderAt, error) {
	r, err := n.open()
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", n.attr.Ino, err)
	}
	return r, nil
}

func (n *inode) open() (io.ReaderAt, error) {
	if n.realtime {
		return nil, diskerr.Unsupported("its data is on the real-time device, which is not read")
	}
	list, err := n.readExtents()
	if err != nil {
		return nil, err
	}
	return n.d.file(list, n.attr.Size), nil
}

// Target implements filesystem.Inode.
func (n *inode) Target() (string, error) {
	target, err := n.readTarget()
	if err != nil {
		return "", fmt.Errorf("inode %d: symbolic link: %w", n.attr.Ino, err)
	}
	return target, nil
}

// Entries implements filesystem.Inode.
func (n *inode) Entries(yield func(filesystem.Entry) bool) error {
	if n.attr.Mode.Type() != fs.ModeDir {
		return diskerr.Corrupt("inode %d: not a directory", n.attr.Ino)
	}
	if err := n.readDirectory(yield); err != nil {
		return fmt.Errorf("directory inode %d: %w", n.attr.Ino, err)
	}
	return nil
}
