package convert

import (
	"errors"
	"io"
)

// stream is a Source whose bytes can be made from any offset.
type stream struct {
	disk *Disk
	size int64
	// fill fills p, which lies inside the stream, from off. It is safe for
	// concurrent use.
	fill func(p []byte, off int64) error
}

// Size implements Source.
func (s stream) Size() int64 { return s.size }

// Open implements Source.
func (s stream) Open() (io.ReadCloser, error) {
	if err := s.disk.unchanged(); err != nil {
		return nil, err
	}
	return &streamReader{stream: s}, nil
}

// streamReader is one reading. It is an io.Seeker for those that skip what they
// have already.
type streamReader struct {
	stream
	off int64
}

// Read implements io.Reader. The end comes only if the disk is what it was.
func (r *streamReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.off >= r.size {
		if err := r.disk.unchanged(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.size-r.off)]
	if err := r.fill(p, r.off); err != nil {
		return 0, err
	}
	r.off += int64(len(p))
	return len(p), nil
}

// Seek implements io.Seeker, from the start only.
func (r *streamReader) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart || off < 0 || off > r.size {
		return r.off, errors.New("seek outside the converted disk")
	}
	r.off = off
	return off, nil
}

// Close implements io.Closer; the disk stays open for the next reading.
func (r *streamReader) Close() error { return nil }
