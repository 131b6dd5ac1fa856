// Package holes tells where a sparse file has no data.
package holes

import "io"

// At returns how many bytes of r from off up to end are alike: a hole, which
// reads as zeros, or data. Where that can not be told all is data. off must lie
// before end.
func At(r io.ReaderAt, off, end int64) (length int64, hole bool) {
	file, ok := r.(io.Seeker)
	if !ok {
		return end - off, false
	}
	return at(file, off, end)
}
