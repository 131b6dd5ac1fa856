package inspect

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Bounds of one initramfs.
const (
	maxUnpacked    = 2 << 30   // bytes after decompression
	maxMembers     = 500000    // files in it
	maxMemberName  = 4096      // bytes, as the kernel has it (init/initramfs.c, PATH_MAX)
	maxWindow      = 128 << 20 // bytes of a decompressor's window
	initramfsLayer = 2         // archives, and a compressed one behind them
)

var (
	errUnpacked = fmt.Errorf("unpacks to more than %d bytes", maxUnpacked)
	errMembers  = fmt.Errorf("holds more than %d files", maxMembers)
)

// initramfsNames calls yield with the name of every file in an initramfs until
// it returns false: one or more cpio archives, zeros between them, the last ones
// compressed (kernel, driver-api/early-userspace/buffer-format.rst).
func initramfsNames(ctx context.Context, r io.Reader, yield func(name string) bool) error {
	l := &lister{ctx: ctx, yield: yield}
	err := l.archives(r, initramfsLayer)
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// errStop says that the caller has seen enough.
var errStop = errors.New("stop")

type lister struct {
	ctx     context.Context
	yield   func(string) bool
	members int
}

func (l *lister) archives(r io.Reader, layers int) error {
	b := bufio.NewReaderSize(r, 64<<10)
	for {
		if err := skipZeros(b); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		magic, err := b.Peek(6)
		if err != nil {
			return fmt.Errorf("ends in the middle of an archive's first bytes: %w", err)
		}
		if bytes.HasPrefix(magic, []byte("07070")) {
			if err := l.archive(b); err != nil {
				return err
			}
			continue
		}
		return l.compressed(b, magic, layers)
	}
}

// compressed lists what is in a compressed rest, which reaches to the end.
func (l *lister) compressed(r *bufio.Reader, magic []byte, layers int) error {
	if layers <= 1 {
		return fmt.Errorf("is compressed twice, or no cpio archive: it starts with %x", magic)
	}
	unpacked, err := decompress(r, magic)
	if err != nil {
		return err
	}
	err = l.archives(&limited{r: unpacked, left: maxUnpacked}, layers-1)
	return errors.Join(err, unpacked.Close())
}

// decompress tells the compression from its first bytes (kernel,
// lib/decompress.c).
func decompress(r *bufio.Reader, magic []byte) (io.ReadCloser, error) {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return gzip.NewReader(r)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return io.NopCloser(newXZReader(r)), nil
	case bytes.HasPrefix(magic, []byte{0x02, 0x21, 0x4c, 0x18}), bytes.HasPrefix(magic, []byte{0x04, 0x22, 0x4d, 0x18}):
		return io.NopCloser(lz4.NewReader(r)), nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return io.NopCloser(bzip2.NewReader(r)), nil
	}
	return nil, fmt.Errorf("is compressed in a way that is not read: it starts with %x", magic)
}

// archive lists one cpio archive in the format newc, up to its trailer
// (cpio(5)).
func (l *lister) archive(r *bufio.Reader) error {
	pos := int64(0)
	for {
		name, size, err := readMember(r, &pos)
		if err != nil {
			return err
		}
		if name == "TRAILER!!!" {
			return nil
		}
		if err := l.member(name); err != nil {
			return err
		}
		if err := skip(r, &pos, size); err != nil {
			return fmt.Errorf("ends in the middle of %q: %w", quote(name), err)
		}
	}
}

func (l *lister) member(name string) error {
	l.members++
	if l.members > maxMembers {
		return errMembers
	}
	if l.members%1024 == 0 && l.ctx.Err() != nil {
		return l.ctx.Err()
	}
	if !l.yield(name) {
		return errStop
	}
	return nil
}

const cpioHeader = 110

// readMember reads the header and name of a member; pos counts the archive's
// bytes, since names and contents are padded to four.
func readMember(r *bufio.Reader, pos *int64) (string, int64, error) {
	header := make([]byte, cpioHeader)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", 0, fmt.Errorf("ends without a trailer: %w", err)
	}
	*pos += cpioHeader
	if magic := string(header[:6]); magic != "070701" && magic != "070702" {
		return "", 0, fmt.Errorf("is damaged: a member starts with %q", quote(magic))
	}
	size, err := cpioField(header, 6)
	if err != nil {
		return "", 0, err
	}
	length, err := cpioField(header, 11)
	if err != nil {
		return "", 0, err
	}
	if length < 1 || length > maxMemberName {
		return "", 0, fmt.Errorf("is damaged: a name of %d bytes", length)
	}
	name := make([]byte, length)
	if _, err := io.ReadFull(r, name); err != nil {
		return "", 0, fmt.Errorf("ends in the middle of a name: %w", err)
	}
	*pos += length
	return string(bytes.TrimRight(name, "\x00")), size, skip(r, pos, 0)
}

func cpioField(header []byte, i int) (int64, error) {
	v, err := strconv.ParseUint(string(header[6+8*i:14+8*i]), 16, 32)
	if err != nil {
		return 0, fmt.Errorf("is damaged: field %d of a member is no hexadecimal number", i)
	}
	return int64(v), nil
}

// skip leaves out n bytes and what pads them to a multiple of four.
func skip(r *bufio.Reader, pos *int64, n int64) error {
	n += -(*pos + n) & 3
	*pos += n
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

func skipZeros(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return r.UnreadByte()
		}
	}
}

// limited fails, other than io.LimitedReader, when there is more to read.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errUnpacked
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}
