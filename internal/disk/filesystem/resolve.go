package filesystem

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// links says what resolve does with a symbolic link in the last element.
type links bool

const (
	follow   links = true
	keepLast links = false
)

const (
	// maxLinks is Linux's own limit: path_resolution(7).
	maxLinks = 40
	// maxElements bounds what links can make of a path: a target has at most
	// 4095 bytes (symlink(2)), so 2048 elements.
	maxElements = 4096
)

var (
	errNotDirectory = errors.New("not a directory")
	errTooManyLinks = errors.New("too many levels of symbolic links")
	errPathTooLong  = errors.New("path too long after its symbolic links")
)

// node is an inode together with the directory that it was found in.
type node struct {
	inode  Inode
	ino    uint64
	parent uint64
}

// resolve finds the inode that name means. It keeps to the rules of
// path_resolution(7), with the root of the file system as the process's root.
func (f *FS) resolve(name string, last links) (node, error) {
	if !validName(name) {
		return node{}, fs.ErrInvalid
	}
	root, err := f.root()
	if err != nil {
		return node{}, err
	}
	at := []node{root}
	followed := 0
	for todo := strings.Split(name, "/"); len(todo) > 0; {
		element := todo[0]
		todo = todo[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		n, err := f.child(at[len(at)-1], element)
		if err != nil {
			return node{}, err
		}
		if n.inode.Attr().Mode.Type() != fs.ModeSymlink || (last == keepLast && len(todo) == 0) {
			at = append(at, n)
			continue
		}
		if followed++; followed > maxLinks {
			return node{}, errTooManyLinks
		}
		target, err := n.inode.Target()
		if err != nil {
			return node{}, err
		}
		if strings.HasPrefix(target, "/") {
			at = at[:1]
		}
		todo = append(strings.Split(target, "/"), todo...)
		if len(todo) > maxElements {
			return node{}, errPathTooLong
		}
	}
	return at[len(at)-1], nil
}

// validName is fs.ValidPath for names that need not be UTF-8.
func validName(name string) bool {
	if name == "." {
		return true
	}
	for element := range strings.SplitSeq(name, "/") {
		if element == "" || element == "." || element == ".." {
			return false
		}
	}
	return true
}

func (f *FS) root() (node, error) {
	ino := f.driver.Root()
	inode, err := f.inodes.inode(ino)
	if err != nil {
		return node{}, err
	}
	return node{inode: inode, ino: ino, parent: ino}, nil
}

func (f *FS) child(parent node, name string) (node, error) {
	dir, err := f.directory(parent)
	if err != nil {
		return node{}, err
	}
	ino, ok := dir.byName[f.fold(name)]
	if !ok {
		return node{}, fs.ErrNotExist
	}
	if ino == parent.ino {
		return node{}, diskerr.Corrupt("directory inode %d holds itself", ino)
	}
	inode, err := f.inodes.inode(ino)
	if err != nil {
		return node{}, err
	}
	return node{inode: inode, ino: ino, parent: parent.ino}, nil
}

// directory reads the names of n, and refuses a directory whose ".." is not
// the one that it was found in: directories are a tree, or a walk through
// them would not end.
func (f *FS) directory(n node) (*names, error) {
	if !n.inode.Attr().Mode.IsDir() {
		return nil, errNotDirectory
	}
	dir, ok := f.dirs.get(n.ino)
	if !ok {
		var err error
		if dir, err = readNames(n.inode, f.fold); err != nil {
			return nil, err
		}
		f.dirs.put(n.ino, dir)
	}
	if dir.parent != n.parent {
		return nil, diskerr.Corrupt("directory inode %d is in directory %d, but says it is in %d", n.ino, n.parent, dir.parent)
	}
	return dir, nil
}
