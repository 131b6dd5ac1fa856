package btrfs

import (
	"io"
	"io/fs"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// staleDirectory is the empty directory that stands for a subvolume which is
// not there. It implements filesystem.Inode.
type staleDirectory struct {
	number uint64
	parent uint64
}

// Attr implements filesystem.Inode: fs/btrfs/inode.c, new_simple_dir.
func (s staleDirectory) Attr() filesystem.Attr {
	return filesystem.Attr{
		Stat: filesystem.Stat{Ino: s.number, Nlink: 1}, Mode: fs.ModeDir | 0o755, ModTime: time.Unix(0, 0),
	}
}

// Entries implements filesystem.Inode.
func (s staleDirectory) Entries(yield func(filesystem.Entry) bool) error {
	yield(filesystem.Entry{Name: "..", Ino: s.parent})
	return nil
}

// Target implements filesystem.Inode.
func (s staleDirectory) Target() (string, error) { return "", fs.ErrInvalid }

// Open implements filesystem.Inode.
func (s staleDirectory) Open() (io.ReaderAt, error) { return nil, fs.ErrInvalid }

// staleName is the number of a directory, and the ID of the subvolume that it
// has a name for.
type staleName struct{ parent, id uint64 }

// staleNumber returns the number of the inode that stands for a subvolume.
func (v *Volume) staleNumber(name staleName) (uint64, error) {
	index, err := v.stale.index(name)
	return staleBit | index, err
}

func (v *Volume) staleInode(number uint64) (filesystem.Inode, error) {
	name, err := v.stale.at(number &^ staleBit)
	if err != nil {
		return nil, err
	}
	return staleDirectory{number: number, parent: name.parent}, nil
}
