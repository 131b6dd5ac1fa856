package filesystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// fileInfo is both fs.FileInfo and fs.DirEntry.
type fileInfo struct {
	name string
	attr Attr
}

func (i fileInfo) Name() string               { return i.name }
func (i fileInfo) Size() int64                { return i.attr.Size }
func (i fileInfo) Mode() fs.FileMode          { return i.attr.Mode }
func (i fileInfo) ModTime() time.Time         { return i.attr.ModTime }
func (i fileInfo) IsDir() bool                { return i.attr.Mode.IsDir() }
func (i fileInfo) Sys() any                   { return &i.attr.Stat }
func (i fileInfo) Type() fs.FileMode          { return i.attr.Mode.Type() }
func (i fileInfo) Info() (fs.FileInfo, error) { return i, nil }
func (i fileInfo) String() string             { return fs.FormatFileInfo(i) }

// file is an open regular file.
type file struct {
	fileInfo
	*io.SectionReader
}

func (f *file) Size() int64                { return f.fileInfo.Size() }
func (f *file) Stat() (fs.FileInfo, error) { return f.fileInfo, nil }
func (f *file) Close() error               { return nil }

// directory is an open directory.
type directory struct {
	fileInfo
	name string
	list func() ([]fs.DirEntry, error)
	rest []fs.DirEntry
	read bool
}

func (d *directory) Stat() (fs.FileInfo, error) { return d.fileInfo, nil }
func (d *directory) Close() error               { return nil }

func (d *directory) Read([]byte) (int, error) {
	return 0, pathError("read", d.name, errors.New("is a directory"))
}

func (d *directory) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := d.list()
		if err != nil {
			return list, pathError("readdir", d.name, err)
		}
		d.rest, d.read = list, true
	}
	if n > 0 && len(d.rest) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.rest) {
		n = len(d.rest)
	}
	part := d.rest[:n:n]
	d.rest = d.rest[n:]
	return part, nil
}

// ReadFile reads the file name of fsys if it has at most limit bytes; the
// error is ErrTooLarge if it has more.
func ReadFile(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, pathError("read", name, fmt.Errorf("%w: it has %d bytes, at most %d are read", ErrTooLarge, info.Size(), limit))
	}
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, pathError("read", name, err)
	}
	if int64(len(content)) > limit {
		return nil, pathError("read", name, fmt.Errorf("%w: at most %d bytes are read", ErrTooLarge, limit))
	}
	return content, nil
}
