package glance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Source is what is sent. Each attempt opens it anew, so that no attempt
// depends on what an earlier one has read.
type Source interface {
	// Size is the number of bytes that every reader from Open gives.
	Size() int64
	// Open returns a reader at the first byte. All readers must give the same
	// bytes: one that finds that they have changed returns an error at the
	// latest in the place of io.EOF.
	Open() (io.ReadCloser, error)
}

// File is the Source of a file as it is.
type File struct {
	path     string
	size     int64
	modified time.Time
}

// errChanged is why a source can not be sent again.
var errChanged = errors.New("it was changed while it was being sent; let nothing write to it, and build again")

// OpenFile takes note of a regular file's size and time of last change, which
// must stay as they are until it has been sent.
func OpenFile(path string) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return &File{path: path, size: info.Size(), modified: info.ModTime()}, nil
}

// Size implements Source.
func (f *File) Size() int64 {
	return f.size
}

// Open implements Source.
func (f *File) Open() (io.ReadCloser, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	reader := &unchangedFile{File: file, bytes: io.LimitReader(file, f.size), want: f}
	if err := reader.check(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return reader, nil
}

// unchangedFile ends with an error when the file is not what it was.
type unchangedFile struct {
	*os.File
	bytes io.Reader
	want  *File
}

// Read implements io.Reader.
func (f *unchangedFile) Read(p []byte) (int, error) {
	n, err := f.bytes.Read(p)
	if errors.Is(err, io.EOF) {
		if changed := f.check(); changed != nil {
			return n, changed
		}
	}
	return n, err
}

func (f *unchangedFile) check() error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.want.size || !info.ModTime().Equal(f.want.modified) {
		return fmt.Errorf("%s: %w", f.want.path, errChanged)
	}
	return nil
}
