package btrfs

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// compression: include/uapi/linux/btrfs_tree.h, enum btrfs_compression_type.
type compression uint8

const (
	uncompressed compression = iota
	compressedZlib
	compressedLZO
	compressedZstd
	maxCompression = compressedZstd
)

func (c compression) String() string {
	return []string{"none", "zlib", "lzo", "zstd"}[c]
}

// unpacker keeps its decoders for the next extent.
type unpacker struct {
	sectorSize int
	zstd       sync.Pool
}

// unpack makes size bytes of packed, which others may follow. A stream that
// ends early is one of a file that does: the rest are zeros.
func (u *unpacker) unpack(c compression, packed []byte, size uint64) ([]byte, error) {
	out := make([]byte, size)
	var err error
	switch c {
	case compressedZlib:
		err = unpackZlib(out, packed)
	case compressedLZO:
		err = unpackLZO(out, packed, u.sectorSize)
	case compressedZstd:
		err = u.unpackZstd(out, packed)
	default:
		err = errors.New("nothing to unpack")
	}
	if err != nil {
		return nil, diskerr.Corrupt("%v: %w", c, err)
	}
	return out, nil
}

func unpackZlib(out, packed []byte) error {
	d, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	_, err = fill(out, d)
	return err
}

// maxZstdWindow is more than Linux writes: fs/btrfs/zstd.c,
// ZSTD_BTRFS_MAX_WINDOWLOG.
const maxZstdWindow = 1 << 20

func (u *unpacker) unpackZstd(out, packed []byte) error {
	d, ok := u.zstd.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow)); err != nil {
			return err
		}
	}
	defer u.zstd.Put(d)
	if err := d.Reset(bytes.NewReader(packed)); err != nil {
		return err
	}
	n, err := fill(out, d)
	// What follows the stream is taken for another one.
	if n > 0 && errors.Is(err, zstd.ErrMagicMismatch) {
		return nil
	}
	return err
}

// fill reads until out is full or the stream ends, and tells how much it read.
func fill(out []byte, stream io.Reader) (int, error) {
	n := 0
	for n < len(out) {
		read, err := stream.Read(out[n:])
		n += read
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return n, nil
}
