package filesystem

import (
	"io"
	"io/fs"
	"sort"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Run is a stretch of a file that is stored in one piece. All are in bytes.
type Run struct {
	// Offset in the file.
	Offset int64
	Length int64
	// Disk is where the stretch starts in the file system's bytes, or in Source.
	Disk int64
	// Source holds a stretch that has to be unpacked; nil: it is in Runs.Disk.
	Source io.ReaderAt
}

func (r Run) end() int64 { return r.Offset + r.Length }

// Runs is a file made of runs in the order of their offsets, which do not
// overlap. What is between them reads as zeros.
type Runs struct {
	// Disk holds the file system.
	Disk io.ReaderAt
	Runs []Run
	// Size is the file's, in bytes.
	Size int64
}

// ReadAt implements io.ReaderAt.
func (f *Runs) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if off >= f.Size {
		return 0, io.EOF
	}
	var end error
	if left := f.Size - off; int64(len(p)) > left {
		p, end = p[:left], io.EOF
	}
	next := sort.Search(len(f.Runs), func(i int) bool { return f.Runs[i].end() > off })
	for done := 0; done < len(p); {
		n, err := f.readSome(p[done:], off+int64(done), next)
		if err != nil {
			return done, err
		}
		done += n
		if next < len(f.Runs) && f.Runs[next].end() <= off+int64(done) {
			next++
		}
	}
	return len(p), end
}

// readSome fills the start of p from run i, or from the hole before it.
func (f *Runs) readSome(p []byte, off int64, i int) (int, error) {
	if i == len(f.Runs) {
		clear(p)
		return len(p), nil
	}
	r := f.Runs[i]
	if off < r.Offset {
		p = p[:min(int64(len(p)), r.Offset-off)]
		clear(p)
		return len(p), nil
	}
	p = p[:min(int64(len(p)), r.end()-off)]
	source := r.Source
	if source == nil {
		source = f.Disk
	}
	return len(p), readat.Full(source, p, r.Disk+off-r.Offset, "file data")
}
