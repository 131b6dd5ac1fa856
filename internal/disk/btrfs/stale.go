package btrfs

import (
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
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

// staleDirectories are those met so far. It is safe for concurrent use.
type staleDirectories struct {
	mu      sync.Mutex
	numbers map[staleName]uint64
	all     []staleDirectory
}

// staleName is the number of a directory, and the ID of the subvolume that it
// has a name for.
type staleName struct{ parent, id uint64 }

// maxStale bounds how many are kept.
const maxStale = 1 << 20

// number returns the number of the inode that stands for the subvolume id in
// the directory parent.
func (s *staleDirectories) number(parent, id uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := staleName{parent, id}
	if number, ok := s.numbers[name]; ok {
		return number, nil
	}
	if len(s.all) == maxStale {
		return 0, diskerr.Unsupported("more than %d names of subvolumes that are not there", maxStale)
	}
	number := staleBit | uint64(len(s.all))
	s.all = append(s.all, staleDirectory{number: number, parent: parent})
	s.numbers[name] = number
	return number, nil
}

func (s *staleDirectories) inode(number uint64) (filesystem.Inode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index := number &^ staleBit; index < uint64(len(s.all)) {
		return s.all[index], nil
	}
	return nil, diskerr.Corrupt("no directory has the number %d", number)
}
