// Package filesystem makes a read-only io/fs file system of a driver that
// knows inodes. Symbolic links, absolute ones too, never leave its root.
package filesystem

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// Driver reads the inodes of one file system. Its methods are safe for
// concurrent use.
type Driver interface {
	// Geometry says the same at every call.
	Geometry() Geometry
	// Root is the number of the root directory.
	Root() uint64
	// Inode reads an inode. A number that no inode can have, or one of an
	// inode not in use, is diskerr.ErrCorrupt.
	Inode(ino uint64) (Inode, error)
}

// Folder is a Driver of a file system in which several spellings mean one
// name, such as vfat.
type Folder interface {
	// Fold returns the same for all of them.
	Fold(name string) string
}

// Inode is a file of any kind, without a name. Its methods are safe for
// concurrent use, and say the same at every call.
type Inode interface {
	Attr() Attr
	// Entries calls yield with each entry of a directory, "." and ".."
	// among them, until it returns false. No name is empty or has a slash.
	Entries(yield func(Entry) bool) error
	// Target is what a symbolic link says, as it is stored.
	Target() (string, error)
	// Open reads a regular file: Attr().Size bytes, holes as zeros.
	Open() (io.ReaderAt, error)
}

// Attr is what an inode says of its file.
type Attr struct {
	Stat
	Mode fs.FileMode
	// Size is in bytes. It is what the inode says, and can be absurd.
	Size    int64
	ModTime time.Time
}

// Stat is what FileInfo.Sys returns a pointer to.
type Stat struct {
	Ino   uint64
	UID   uint32
	GID   uint32
	Nlink uint32
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Ino  uint64
}

// ErrTooLarge is for a file that is larger than its reader allows.
var ErrTooLarge = errors.New("file too large")

// Bits of st_mode, which every file system of Unix stores: stat(2), inode(7).
const (
	unixTypeMask   = 0o170000
	unixSocket     = 0o140000
	unixSymlink    = 0o120000
	unixRegular    = 0o100000
	unixBlock      = 0o060000
	unixDirectory  = 0o040000
	unixCharacter  = 0o020000
	unixPipe       = 0o010000
	unixSetuid     = 0o4000
	unixSetgid     = 0o2000
	unixSticky     = 0o1000
	unixPermission = 0o777
)

// UnixMode turns st_mode into a FileMode. A type that Unix does not have
// becomes fs.ModeIrregular.
func UnixMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & unixPermission)
	if mode&unixSetuid != 0 {
		m |= fs.ModeSetuid
	}
	if mode&unixSetgid != 0 {
		m |= fs.ModeSetgid
	}
	if mode&unixSticky != 0 {
		m |= fs.ModeSticky
	}
	switch mode & unixTypeMask {
	case unixRegular:
		return m
	case unixDirectory:
		return m | fs.ModeDir
	case unixSymlink:
		return m | fs.ModeSymlink
	case unixPipe:
		return m | fs.ModeNamedPipe
	case unixSocket:
		return m | fs.ModeSocket
	case unixBlock:
		return m | fs.ModeDevice
	case unixCharacter:
		return m | fs.ModeDevice | fs.ModeCharDevice
	}
	return m | fs.ModeIrregular
}
