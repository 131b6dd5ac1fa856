package vfat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// inode implements filesystem.Inode.
type inode struct {
	d         *driver
	ino       uint64
	directory bool
	// rec is the file's record, or a directory's own for itself; the root has
	// none.
	rec record
}

// What Linux shows where its mount options say nothing: fs/fat/inode.c,
// fat_fill_inode.
const (
	modeAll      = 0o755
	modeReadOnly = 0o555
)

// Attr implements filesystem.Inode. FAT has no owners: all is root's.
func (n *inode) Attr() filesystem.Attr {
	a := filesystem.Attr{Stat: filesystem.Stat{Ino: n.ino, Nlink: 1}, Mode: modeAll, ModTime: time.Unix(0, 0)}
	if n.rec.raw != nil {
		a.ModTime = n.rec.modTime()
		if n.rec.attributes()&attrReadOnly != 0 {
			a.Mode = modeReadOnly
		}
	}
	if n.directory {
		a.Mode |= fs.ModeDir
		return a
	}
	a.Size = n.rec.size()
	return a
}

// Entries implements filesystem.Inode.
func (n *inode) Entries(yield func(filesystem.Entry) bool) error {
	if !n.directory {
		return diskerr.Corrupt("entry %#x: not a directory", n.ino)
	}
	if err := n.d.entries(n.ino, yield); err != nil && !errors.Is(err, errStop) {
		return fmt.Errorf("directory at cluster %d: %w", n.ino, err)
	}
	return nil
}

// Target implements filesystem.Inode: FAT has no symbolic links.
func (n *inode) Target() (string, error) {
	return "", diskerr.Corrupt("entry %#x: not a symbolic link", n.ino)
}

// Open implements filesystem.Inode.
func (n *inode) Open() (io.ReaderAt, error) {
	if n.rec.raw == nil || n.rec.size() == 0 {
		return bytes.NewReader(nil), nil
	}
	file, err := n.d.chain(n.d.cluster(n.rec), n.rec.size(), true)
	if err != nil {
		return nil, fmt.Errorf("entry %#x: %w", n.ino, err)
	}
	return file, nil
}
