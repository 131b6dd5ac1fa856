package inspect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync/atomic"
)

// Bounds of one initramfs.
const (
	maxEarly      = 2 << 30 // bytes of all that are read of a guest, packed and unpacked
	maxMembers    = 500000  // files in it
	maxMemberName = 4096    // bytes, as the kernel has it (init/initramfs.c, PATH_MAX)
	// initramfsLayers: archives, and archives in what is compressed.
	initramfsLayers = 2
	// An initramfs, programs and drivers, unpacks to three to five times as much.
	freeUnpacked   = 256 << 20 // bytes that may come of any
	maxUnpackRatio = 100       // bytes for each packed one
)

var (
	errUnpacked = fmt.Errorf("is too large: at most %d bytes are read of all initramfs, packed and unpacked", maxEarly)
	errDense    = fmt.Errorf("is packed more than %d times, as no initramfs is", maxUnpackRatio)
	errMembers  = fmt.Errorf("holds more than %d files", maxMembers)
	// errStop says that the caller has seen enough.
	errStop = errors.New("stop")
)

// member is one file in an initramfs.
type member struct {
	name string
	// content need not be read; it ends with the file.
	content io.Reader
}

// readInitramfs calls visit with every file of an initramfs until it returns
// false: one or more cpio archives, each plain or compressed, zeros between
// them. What early microcode is in comes first (kernel,
// driver-api/early-userspace/buffer-format.rst). What is read counts as spent.
func readInitramfs(ctx context.Context, r io.Reader, spent *budget, visit func(member) bool) error {
	l := &lister{ctx: ctx, visit: visit, spent: spent}
	err := l.archives(l.buffer(r, &spent.packed), initramfsLayers)
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

type lister struct {
	ctx     context.Context
	visit   func(member) bool
	members int
	spent   *budget
}

// buffer makes what is read of r count.
func (l *lister) buffer(r io.Reader, count *atomic.Int64) *bufio.Reader {
	return bufio.NewReaderSize(&limited{r: r, count: count, budget: l.spent}, packedBuffer)
}

func (l *lister) archives(r *bufio.Reader, layers int) error {
	for {
		if err := skipZeros(r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		magic, err := r.Peek(6)
		if err != nil {
			return fmt.Errorf("ends in the middle of an archive's first bytes: %w", err)
		}
		switch {
		case bytes.HasPrefix(magic, []byte("07070")):
			err = l.archive(r)
		case layers == 1:
			err = fmt.Errorf("is compressed twice, or no cpio archive: it starts with %x", magic)
		default:
			err = l.compressed(r, magic, layers)
		}
		if err != nil {
			return err
		}
	}
}

// compressed lists what is in compressed data, to whose end it reads.
func (l *lister) compressed(r *bufio.Reader, magic []byte, layers int) error {
	unpacked, err := decompress(r, magic)
	if err != nil {
		return err
	}
	err = l.archives(l.buffer(unpacked, &l.spent.unpacked), layers-1)
	return errors.Join(err, unpacked.Close())
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
		content := &io.LimitedReader{R: r, N: size}
		if err := l.member(member{name, content}); err != nil {
			return err
		}
		pos += size - content.N
		if err := skip(r, &pos, content.N); err != nil {
			return fmt.Errorf("ends in the middle of %q: %w", quote(name), err)
		}
	}
}

func (l *lister) member(m member) error {
	l.members++
	if l.members > maxMembers {
		return errMembers
	}
	if l.members%1024 == 0 && l.ctx.Err() != nil {
		return l.ctx.Err()
	}
	if !l.visit(m) {
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
	for n > 0 {
		some := min(n, math.MaxInt32) // an int's width on the smallest machines
		if _, err := r.Discard(int(some)); err != nil {
			return err
		}
		n -= some
	}
	return nil
}

func skipZeros(r *bufio.Reader) error {
	for {
		if _, err := r.Peek(1); err != nil {
			return err
		}
		zeros, err := r.Peek(r.Buffered())
		if err != nil {
			return err
		}
		n := len(zeros) - len(bytes.TrimLeft(zeros, "\x00"))
		if _, err := r.Discard(n); err != nil || n < len(zeros) {
			return err
		}
	}
}

// budget is what was read of every initramfs of a guest, in bytes. It is shared
// with decompressors that read ahead.
type budget struct {
	packed, unpacked atomic.Int64
	most             int64
}

// left returns how many bytes may still be read, or why none may.
func (b *budget) left() (int64, error) {
	packed, unpacked := b.packed.Load(), b.unpacked.Load()
	switch left := b.most - packed - unpacked; {
	case left <= 0:
		return 0, errUnpacked
	case unpacked > freeUnpacked+packed*maxUnpackRatio:
		return 0, errDense
	default:
		return left, nil
	}
}

// limited fails, other than io.LimitedReader, when there is more to read.
type limited struct {
	r      io.Reader
	count  *atomic.Int64 // of the budget
	budget *budget
}

func (l *limited) Read(p []byte) (int, error) {
	left, err := l.budget.left()
	if err != nil {
		return 0, err
	}
	n, err := l.r.Read(p[:min(int64(len(p)), left)])
	l.count.Add(int64(n))
	return n, err
}
