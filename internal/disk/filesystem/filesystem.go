package filesystem

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// FS is a read-only file system: fs.ReadDirFS, fs.StatFS, fs.ReadLinkFS and
// fs.ReadFileFS. It is safe for concurrent use.
//
// Names are those of io/fs (no leading slash), with one freedom: they need
// not be UTF-8, since Unix names are bytes.
type FS struct {
	// Geometry is the driver's.
	Geometry Geometry

	driver Driver
	inodes *inodeCache
	dirs   *directoryCache
	// fold makes one of all spellings of a name.
	fold func(string) string
}

var (
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
)

// MaxReadFile is the most that FS.ReadFile, and so fs.ReadFile, reads, in
// bytes: the size that an inode claims is not to be trusted with memory.
const MaxReadFile = 64 << 20

// New returns the file system that d reads.
func New(d Driver) *FS {
	f := &FS{
		Geometry: d.Geometry(), driver: d, inodes: newInodeCache(d), dirs: newDirectoryCache(),
		fold: func(name string) string { return name },
	}
	if folder, ok := d.(Folder); ok {
		f.fold = folder.Fold
	}
	return f
}

// Open opens a regular file or a directory, following symbolic links. A
// regular file is an io.ReaderAt and io.Seeker too. Devices, pipes and sockets
// are fs.ErrInvalid.
func (f *FS) Open(name string) (fs.File, error) {
	n, err := f.resolve(name, follow)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	info := fileInfo{name: path.Base(name), attr: n.inode.Attr()}
	switch {
	case info.Mode().IsDir():
		return &directory{fileInfo: info, name: name, list: func() ([]fs.DirEntry, error) { return f.list(n) }}, nil
	case !info.Mode().IsRegular():
		return nil, pathError("open", name, fmt.Errorf("%w: not a regular file, but %v", fs.ErrInvalid, info.Mode().Type()))
	}
	r, err := n.inode.Open()
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &file{fileInfo: info, SectionReader: io.NewSectionReader(r, 0, info.Size())}, nil
}

// Stat follows symbolic links. Sys of the result is a *Stat.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, follow) }

// Lstat does not follow a symbolic link in the last element.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, keepLast) }

func (f *FS) stat(op, name string, l links) (fs.FileInfo, error) {
	n, err := f.resolve(name, l)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return fileInfo{name: path.Base(name), attr: n.inode.Attr()}, nil
}

// ReadLink returns what a symbolic link says, unchanged: it may be absolute,
// and then means a path from the root of this file system.
func (f *FS) ReadLink(name string) (string, error) {
	n, err := f.resolve(name, keepLast)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	if n.inode.Attr().Mode.Type() != fs.ModeSymlink {
		return "", pathError("readlink", name, fmt.Errorf("%w: not a symbolic link", fs.ErrInvalid))
	}
	target, err := n.inode.Target()
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return target, nil
}

// ReadDir lists a directory, sorted by name. When entries cannot be read, it
// returns the others together with the error.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.resolve(name, follow)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	entries, err := f.list(n)
	if err != nil {
		return entries, pathError("readdir", name, err)
	}
	return entries, nil
}

// ReadFile reads a file of at most MaxReadFile bytes.
func (f *FS) ReadFile(name string) ([]byte, error) { return ReadFile(f, name, MaxReadFile) }

func (f *FS) list(n node) ([]fs.DirEntry, error) {
	dir, err := f.directory(n)
	if err != nil {
		return nil, err
	}
	var failures []error
	list := make([]fs.DirEntry, 0, len(dir.entries))
	for _, e := range dir.entries {
		inode, err := f.inodes.inode(e.Ino)
		if err != nil {
			failures = append(failures, fmt.Errorf("%q: %w", e.Name, err))
			continue
		}
		list = append(list, fileInfo{name: e.Name, attr: inode.Attr()})
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	if err := checkSubdirectories(list); err != nil {
		return nil, err
	}
	return list, errors.Join(failures...)
}

// checkSubdirectories refuses a directory that has another one under two
// names: a walk would then see everything below it many times.
func checkSubdirectories(list []fs.DirEntry) error {
	seen := map[uint64]string{}
	for _, e := range list {
		if !e.IsDir() {
			continue
		}
		ino := e.(fileInfo).attr.Ino
		if other, ok := seen[ino]; ok {
			return diskerr.Corrupt("%q and %q are the same directory", other, e.Name())
		}
		seen[ino] = e.Name()
	}
	return nil
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}
