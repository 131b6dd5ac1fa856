package qcow2

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// maxZstdWindow bounds what a frame can make the decoder allocate. A cluster
// is at most 2 MiB, so that a writer gains nothing from a larger window.
const maxZstdWindow = 8 << 20

// inflater unpacks clusters and keeps its decoders for the next one.
type inflater struct {
	compression Compression
	decoders    sync.Pool
}

// unpack fills out from the packed bytes, which may be followed by others:
// a descriptor counts whole sectors (qcow2.txt, "Compressed Clusters
// Descriptor").
func (i *inflater) unpack(out, packed []byte) error {
	decode := i.unpackZlib
	if i.compression == Zstd {
		decode = i.unpackZstd
	}
	if err := decode(out, bytes.NewReader(packed)); err != nil {
		return diskerr.Corrupt("%s: %w", i.compression, err)
	}
	return nil
}

func (i *inflater) unpackZlib(out []byte, packed io.Reader) error {
	d, ok := i.decoders.Get().(io.ReadCloser)
	if !ok {
		d = flate.NewReader(packed)
	} else if err := d.(flate.Resetter).Reset(packed, nil); err != nil {
		return err
	}
	_, err := io.ReadFull(d, out)
	i.decoders.Put(d)
	return err
}

func (i *inflater) unpackZstd(out []byte, packed io.Reader) error {
	d, ok := i.decoders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow)); err != nil {
			return err
		}
	}
	if err := d.Reset(packed); err != nil {
		return err
	}
	_, err := io.ReadFull(d, out)
	i.decoders.Put(d)
	return err
}
