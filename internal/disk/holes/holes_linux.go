package holes

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// at asks the file system: lseek(2), "Seeking file data and holes". A file's
// position is of no interest to those who read it by ReadAt.
func at(file io.Seeker, off, end int64) (int64, bool) {
	data, err := file.Seek(off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return end - off, true
	case err != nil || data < off:
		return end - off, false
	case data > off:
		return min(data, end) - off, true
	}
	hole, err := file.Seek(off, unix.SEEK_HOLE)
	if err != nil || hole <= off {
		return end - off, false
	}
	return min(hole, end) - off, false
}
