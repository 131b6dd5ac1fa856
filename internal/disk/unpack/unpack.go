// Package unpack unpacks a compressed disk image into a sparse temporary file,
// since compressed files cannot be read from the middle.
package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/xz"
)

// Kind is a compression.
type Kind string

// The compressions, by the names of their programs.
const (
	Gzip Kind = "gzip"
	XZ   Kind = "xz"
	Zstd Kind = "zstd"
)

// Magic numbers of the compressions.
const (
	GzipMagic = "\x1f\x8b\x08"
	XZMagic   = xz.Magic
	ZstdMagic = "\x28\xb5\x2f\xfd"
)

// Bounds of what a file may make of itself. What is zero costs time but no
// room, since the temporary file is sparse. Deflate reaches a thousandfold,
// and an image with a system in it a hundredfold at the very most. Within the
// bounds the time is that of unpacking, with progress: a large disk that is
// almost empty cannot be told from a bomb, and is allowed to be packed.
const (
	defaultLimit   = 128 << 30
	maxWindow      = 128 << 20 // of zstd --ultra and xz -9e
	maxRatio       = 2000      // bytes for each packed one
	freeBytes      = 512 << 20 // that any file may have
	maxStoredRatio = 200       // bytes that are not zero for each packed one
	freeStored     = 256 << 20
)

// chunk is what is unpacked at a time, and hole what is left out where it is
// all zeros.
const (
	chunk = 1 << 20
	hole  = 4 << 10
)

// Source is a compressed file.
type Source struct {
	io.ReaderAt
	// Size is that of the file in bytes.
	Size int64
	Kind Kind
	// Limit is how many bytes it may unpack to; 0 stands for 128 GiB.
	Limit int64
	// TempDir is the folder of the temporary file; "" stands for the system's.
	TempDir string
	// Progress, if there is one, is told how many bytes of Size are unpacked.
	Progress func(done, total int64)
}

// File is the unpacked file. Closing it removes it.
type File struct {
	*os.File
	// Size is in bytes.
	Size int64
	name string // "" once it is removed
}

// Unpack unpacks s. The error is diskerr.ErrCorrupt for a damaged file or one
// that was cut off, and diskerr.ErrUnsafe for one that unpacks to more than its
// limit, or to more than any image does for its size. The temporary file is
// removed on every error.
func Unpack(ctx context.Context, s Source) (*File, error) {
	file, err := newFile(s.TempDir)
	if err != nil {
		return nil, err
	}
	if err := s.into(ctx, file); err != nil {
		return nil, errors.Join(fmt.Errorf("unpacking %s: %w", s.Kind, err), file.Close())
	}
	return file, nil
}

// newFile removes the file's name at once where the system allows it, so that
// nothing is left behind whatever happens.
func newFile(dir string) (*File, error) {
	f, err := os.CreateTemp(dir, "openstack-ready-*.img")
	if err != nil {
		return nil, fmt.Errorf("temporary file for the unpacked image: %w", err)
	}
	file := &File{File: f}
	if err := os.Remove(f.Name()); err != nil {
		file.name = f.Name()
	}
	return file, nil
}

// Close closes the file and removes it.
func (f *File) Close() error {
	err := f.File.Close()
	if f.name != "" {
		err = errors.Join(err, os.Remove(f.name))
	}
	return err
}

// into unpacks into the file.
func (s Source) into(ctx context.Context, file *File) (err error) {
	packed := &counting{r: io.NewSectionReader(s, 0, s.Size)}
	r, err := s.open(packed)
	if err != nil {
		return corrupt(err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var stored int64
	buffer := make([]byte, chunk)
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := fill(r, buffer)
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return corrupt(err)
		}
		wrote, err := writeSparse(file, buffer[:n], file.Size)
		if err != nil {
			return fmt.Errorf("temporary file: %w; set TMPDIR to a folder with more room", err)
		}
		stored += wrote
		file.Size += int64(n)
		if err := s.bounded(file.Size, stored, packed.n); err != nil {
			return err
		}
		if s.Progress != nil {
			s.Progress(packed.n, s.Size)
		}
	}
	// A hole at the end does not give the file its length.
	if err := file.Truncate(file.Size); err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	return nil
}

// fill reads until p is full or r ends. Unlike io.ReadFull it keeps r's own
// error, which tells a file that was cut off from one that ends.
func fill(r io.Reader, p []byte) (int, error) {
	for n := 0; ; {
		m, err := r.Read(p[n:])
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// open returns the decompressor.
func (s Source) open(r io.Reader) (io.ReadCloser, error) {
	switch s.Kind {
	case Gzip:
		return gzip.NewReader(r)
	case XZ:
		return io.NopCloser(xz.NewReader(r, maxWindow)), nil
	case Zstd:
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, diskerr.Unsupported("compression %q", s.Kind)
}

func corrupt(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return diskerr.Corrupt("the file was cut off; copy or build it again")
	}
	return diskerr.Corrupt("%w; copy or build it again", err)
}

// bounded stops compression bombs.
func (s Source) bounded(unpacked, stored, packed int64) error {
	limit := s.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	switch {
	case unpacked > limit:
		return diskerr.Unsafe("it unpacks to more than the limit of %d bytes; unpack it yourself if you trust it", limit)
	case unpacked > freeBytes+packed*maxRatio:
		return diskerr.Unsafe("its first %d bytes unpack to more than %d, as no disk image does; unpack it yourself if you trust it", packed, freeBytes+packed*maxRatio)
	case stored > freeStored+packed*maxStoredRatio:
		return diskerr.Unsafe("its first %d bytes unpack to more than %d that are not zero, as no disk image does; unpack it yourself if you trust it", packed, freeStored+packed*maxStoredRatio)
	}
	return nil
}

// writeSparse writes p at offset, without its stretches of zeros, and returns
// how many bytes it wrote.
func writeSparse(w io.WriterAt, p []byte, offset int64) (int64, error) {
	zeros := make([]byte, hole)
	var wrote int64
	for start := 0; start < len(p); {
		end := start
		for end < len(p) && !bytes.Equal(p[end:min(end+hole, len(p))], zeros[:min(hole, len(p)-end)]) {
			end = min(end+hole, len(p))
		}
		if end > start {
			if _, err := w.WriteAt(p[start:end], offset+int64(start)); err != nil {
				return wrote, err
			}
			wrote += int64(end - start)
		}
		start = min(end+hole, len(p))
	}
	return wrote, nil
}

// counting counts the bytes that were taken from the file.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
