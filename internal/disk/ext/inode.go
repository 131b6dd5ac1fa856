package ext

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// The inode: Linux Documentation/filesystems/ext4/inodes.rst.
const (
	inMode          = 0x00
	inUIDLo         = 0x02
	inSizeLo        = 0x04
	inModTime       = 0x10
	inGIDLo         = 0x18
	inLinks         = 0x1a
	inFlags         = 0x20
	inBlock         = 0x28
	inBlockSize     = 60
	inGeneration    = 0x64
	inSizeHi        = 0x6c
	inUIDHi         = 0x78
	inGIDHi         = 0x7a
	inChecksumLo    = 0x7c
	inExtraSize     = 0x80
	inChecksumHi    = 0x82
	inModTimeExtra  = 0x88
	flagCompressed  = 0x4
	flagEncrypted   = 0x800
	flagIndexed     = 0x1000
	flagExtents     = 0x80000
	flagInlineData  = 0x10000000
	flagCasefolded  = 0x40000000
	maxTargetLength = 4096
)

// inode implements filesystem.Inode.
type inode struct {
	d     *driver
	ino   uint64
	raw   []byte
	attr  filesystem.Attr
	flags uint32
	// seed is what checksums of the inode's own metadata start with.
	seed uint32
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
	if ino == 0 || ino > uint64(d.sb.inodes) {
		return nil, diskerr.Corrupt("the file system has only %d inodes", d.sb.inodes)
	}
	perGroup := uint64(d.sb.inodesPerGroup)
	table, err := d.inodeTable((ino - 1) / perGroup)
	if err != nil {
		return nil, err
	}
	n := &inode{d: d, ino: ino, raw: make([]byte, d.sb.inodeSize)}
	offset := int64(table)*d.sb.blockSize + int64((ino-1)%perGroup)*d.sb.inodeSize
	if err := readat.Full(d.r, n.raw, offset, "inode"); err != nil {
		return nil, err
	}
	if err := n.checkSum(); err != nil {
		return nil, err
	}
	return n, n.parse()
}

// extraSize is how much of the inode after its first 128 bytes has fields.
func (n *inode) extraSize() int64 {
	if n.d.sb.inodeSize == oldInodeSize {
		return 0
	}
	return int64(binary.LittleEndian.Uint16(n.raw[inExtraSize:]))
}

// hasExtra reports whether the field that ends at byte end is in use.
func (n *inode) hasExtra(end int64) bool { return oldInodeSize+n.extraSize() >= end }

// checkSum: fs/ext4/inode.c, ext4_inode_csum.
func (n *inode) checkSum() error {
	if extra := n.extraSize(); extra%4 != 0 || oldInodeSize+extra > n.d.sb.inodeSize {
		return diskerr.Corrupt("impossible extra size %d", extra)
	}
	if !n.d.sb.features.hasRO(roMetadataCsum) {
		return nil
	}
	le := binary.LittleEndian
	n.seed = crc32c(n.d.sb.seed, le.AppendUint32(nil, uint32(n.ino)))
	n.seed = crc32c(n.seed, n.raw[inGeneration:inGeneration+4])
	want, mask := uint32(le.Uint16(n.raw[inChecksumLo:])), uint32(0xffff)
	summed := bytes.Clone(n.raw)
	clear(summed[inChecksumLo : inChecksumLo+2])
	if n.hasExtra(inChecksumHi + 2) {
		want |= uint32(le.Uint16(n.raw[inChecksumHi:])) << 16
		mask = ^uint32(0)
		clear(summed[inChecksumHi : inChecksumHi+2])
	}
	if crc32c(n.seed, summed)&mask != want {
		return diskerr.Corrupt("its checksum is wrong")
	}
	return nil
}

func (n *inode) parse() error {
	le := binary.LittleEndian
	mode, links := le.Uint16(n.raw[inMode:]), le.Uint16(n.raw[inLinks:])
	if mode == 0 || links == 0 {
		return diskerr.Corrupt("it is not in use")
	}
	n.flags = le.Uint32(n.raw[inFlags:])
	n.attr = filesystem.Attr{
		Stat: filesystem.Stat{
			Ino:   n.ino,
			UID:   uint32(le.Uint16(n.raw[inUIDLo:])) | uint32(le.Uint16(n.raw[inUIDHi:]))<<16,
			GID:   uint32(le.Uint16(n.raw[inGIDLo:])) | uint32(le.Uint16(n.raw[inGIDHi:]))<<16,
			Nlink: uint32(links),
		},
		Mode:    filesystem.UnixMode(uint32(mode)),
		Size:    int64(le.Uint32(n.raw[inSizeLo:])),
		ModTime: n.modTime(),
	}
	// Elsewhere the field is i_dir_acl: fs/ext4/ext4.h, ext4_isize.
	if n.attr.Mode.IsRegular() || n.d.sb.features.has(incompatLargeDir) {
		n.attr.Size |= int64(le.Uint32(n.raw[inSizeHi:])) << 32
	}
	if n.attr.Size < 0 {
		return diskerr.Corrupt("impossible size %d", uint64(n.attr.Size))
	}
	return nil
}

// modTime: inodes.rst, "Inode Timestamps". The two low bits of the extra
// field carry the seconds past 2038.
func (n *inode) modTime() time.Time {
	le := binary.LittleEndian
	seconds, nanoseconds := int64(int32(le.Uint32(n.raw[inModTime:]))), int64(0)
	if n.hasExtra(inModTimeExtra + 4) {
		extra := le.Uint32(n.raw[inModTimeExtra:])
		seconds += int64(extra&3) << 32
		nanoseconds = int64(extra >> 2)
	}
	return time.Unix(seconds, nanoseconds)
}

func (n *inode) Attr() filesystem.Attr { return n.attr }

func (n *inode) has(flag uint32) bool { return n.flags&flag != 0 }

// blockField is i_block: block numbers, extents, a link's target, or data.
func (n *inode) blockField() []byte { return n.raw[inBlock : inBlock+inBlockSize] }

// Open reads the content of the inode, whatever its type.
func (n *inode) Open() (io.ReaderAt, error) {
	r, err := n.open()
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", n.ino, err)
	}
	return r, nil
}

func (n *inode) open() (io.ReaderAt, error) {
	switch {
	case n.has(flagEncrypted):
		return nil, diskerr.Unsupported("it is encrypted")
	case n.has(flagCompressed):
		return nil, diskerr.Unsupported("it is compressed")
	case n.has(flagInlineData):
		data, err := n.inlineData()
		return bytes.NewReader(data), err
	case n.has(flagExtents):
		return n.readExtents()
	}
	return n.readBlockMap()
}

// Target implements filesystem.Inode. A short one is in i_block itself:
// Documentation/filesystems/ext4/ifork.rst, "Symbolic Links".
func (n *inode) Target() (string, error) {
	if n.attr.Size == 0 || n.attr.Size > maxTargetLength {
		return "", diskerr.Corrupt("inode %d: symbolic link of %d bytes", n.ino, n.attr.Size)
	}
	if n.attr.Size < inBlockSize && !n.has(flagExtents|flagInlineData|flagEncrypted) {
		return string(n.blockField()[:n.attr.Size]), nil
	}
	r, err := n.Open()
	if err != nil {
		return "", err
	}
	target := make([]byte, n.attr.Size)
	if err := readat.Full(r, target, 0, fmt.Sprintf("inode %d: symbolic link", n.ino)); err != nil {
		return "", err
	}
	return string(target), nil
}

// Entries implements filesystem.Inode.
func (n *inode) Entries(yield func(filesystem.Entry) bool) error {
	if n.attr.Mode.Type() != fs.ModeDir {
		return diskerr.Corrupt("inode %d: not a directory", n.ino)
	}
	if err := n.readDirectory(yield); err != nil {
		return fmt.Errorf("directory inode %d: %w", n.ino, err)
	}
	return nil
}
