// Package readat reads whole structures from an io.ReaderAt.
package readat

import (
	"errors"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Full fills p from offset off of r. An end of data before p is full is
// diskerr.ErrCorrupt; what names the structure in its message.
func Full(r io.ReaderAt, p []byte, off int64, what string) error {
	if off < 0 {
		return diskerr.Corrupt("%s: lies at the impossible offset %d", what, off)
	}
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return diskerr.Corrupt("%s: %d bytes at offset %d, but the data ends at %d", what, len(p), off, off+int64(n))
	}
	return err
}
