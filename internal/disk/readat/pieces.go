package readat

import (
	"fmt"
	"io"
)

// Pieces fills p from offset off of a virtual disk of size bytes, as
// io.ReaderAt asks for. some fills the start of p, which lies inside the disk,
// as far as one cluster, grain or block of the format goes, and returns how
// many bytes, at least one. unit names such a piece in errors.
func Pieces(p []byte, off, size int64, unit string, some func(p []byte, off int64) (int, error)) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("disk: negative offset %d", off)
	}
	if off >= size {
		return 0, io.EOF
	}
	var end error
	if left := size - off; int64(len(p)) > left {
		p, end = p[:left], io.EOF
	}
	for done := 0; done < len(p); {
		n, err := some(p[done:], off+int64(done))
		if err != nil {
			return done, fmt.Errorf("%s of disk offset %d: %w", unit, off+int64(done), err)
		}
		done += n
	}
	return len(p), end
}
