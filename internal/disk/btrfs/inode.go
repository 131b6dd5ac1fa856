package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Inodes: include/uapi/linux/btrfs_tree.h, struct btrfs_inode_item.
const (
	iiFileSize = 0x10
	iiLinks    = 0x28
	iiUID      = 0x2c
	iiGID      = 0x30
	iiMode     = 0x34
	iiFlags    = 0x40
	iiModTime  = 0x88
	iiSize     = 0xa0

	flagNoDataSum = 1 << 0

	// maxTarget is PATH_MAX.
	maxTarget = 4096
)

// driver implements filesystem.Driver for one subvolume and those inside it.
type driver struct {
	v    *Volume
	root uint64
}

func (d *driver) Geometry() filesystem.Geometry { return d.v.geometry }

func (d *driver) Root() uint64 { return d.root }

// Inode implements filesystem.Driver.
func (d *driver) Inode(ino uint64) (filesystem.Inode, error) {
	if ino&staleBit != 0 {
		return d.v.staleInode(ino)
	}
	at, err := d.v.place(ino)
	if err != nil {
		return nil, err
	}
	n, err := d.readInode(ino, at)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", at, err)
	}
	return n, nil
}

func (p place) String() string { return fmt.Sprintf("inode %d of subvolume %d", p.object, p.id) }

// inode implements filesystem.Inode.
type inode struct {
	place
	d    *driver
	tree *tree
	attr filesystem.Attr
	// sums says that its data has checksums.
	sums bool
}

func (d *driver) readInode(ino uint64, at place) (*inode, error) {
	t, err := d.v.tree(at.id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diskerr.Corrupt("the subvolume does not exist")
	}
	if err != nil {
		return nil, err
	}
	it, ok, err := t.find(key{at.object, kindInode, 0})
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, diskerr.Corrupt("it does not exist")
	case len(it.data) < iiSize:
		return nil, diskerr.Corrupt("inode item of %d bytes", len(it.data))
	}
	n := &inode{place: at, d: d, tree: t}
	return n, n.parse(ino, it.data)
}

func (n *inode) parse(ino uint64, raw []byte) error {
	le := binary.LittleEndian
	n.sums = le.Uint64(raw[iiFlags:])&flagNoDataSum == 0
	n.attr = filesystem.Attr{
		Stat: filesystem.Stat{
			Ino: ino, UID: le.Uint32(raw[iiUID:]), GID: le.Uint32(raw[iiGID:]), Nlink: le.Uint32(raw[iiLinks:]),
		},
		Mode:    filesystem.UnixMode(le.Uint32(raw[iiMode:])),
		Size:    int64(le.Uint64(raw[iiFileSize:])),
		ModTime: time.Unix(int64(le.Uint64(raw[iiModTime:])), int64(le.Uint32(raw[iiModTime+8:]))),
	}
	switch {
	case le.Uint32(raw[iiMode:]) == 0 || n.attr.Nlink == 0:
		return diskerr.Corrupt("it is not in use")
	case n.attr.Size < 0:
		return diskerr.Corrupt("impossible size %d", uint64(n.attr.Size))
	}
	return nil
}

// Attr implements filesystem.Inode.
func (n *inode) Attr() filesystem.Attr { return n.attr }

// Open reads the content of the inode, whatever its type.
func (n *inode) Open() (io.ReaderAt, error) {
	r, err := n.readExtents()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", n.place, err)
	}
	return r, nil
}

// Target implements filesystem.Inode.
func (n *inode) Target() (string, error) {
	what := fmt.Sprintf("%v: symbolic link", n.place)
	if n.attr.Size == 0 || n.attr.Size > maxTarget {
		return "", diskerr.Corrupt("%s of %d bytes", what, n.attr.Size)
	}
	r, err := n.Open()
	if err != nil {
		return "", err
	}
	target := make([]byte, n.attr.Size)
	if err := readat.Full(r, target, 0, what); err != nil {
		return "", err
	}
	return string(target), nil
}

// Entries implements filesystem.Inode.
func (n *inode) Entries(yield func(filesystem.Entry) bool) error {
	if n.attr.Mode.Type() != fs.ModeDir {
		return diskerr.Corrupt("%v: not a directory", n.place)
	}
	if err := n.readEntries(yield); err != nil {
		return fmt.Errorf("directory %v: %w", n.place, err)
	}
	return nil
}
