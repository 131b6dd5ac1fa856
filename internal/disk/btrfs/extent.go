package btrfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Extents of files: include/uapi/linux/btrfs_tree.h, struct
// btrfs_file_extent_item.
const (
	feUnpacked    = 0x08
	feCompression = 0x10
	feEncryption  = 0x11
	feEncoding    = 0x12
	feType        = 0x14
	feInline      = 0x15
	feLogical     = 0x15
	feLength      = 0x1d
	feOffset      = 0x25
	feBytes       = 0x2d
	feSize        = 0x35

	extentInline   = 0
	extentRegular  = 1
	extentPrealloc = 2

	// maxPacked is the most that a compressed extent holds, packed or not:
	// fs/btrfs/compression.h, BTRFS_MAX_COMPRESSED and BTRFS_MAX_UNCOMPRESSED.
	maxPacked = 128 << 10
)

// maxRuns bounds the memory for one file, at some 100 bytes a compressed run.
// A compressed file of 256 GiB would reach it.
const maxRuns = 2 << 20

// extent is one item of a file.
type extent struct {
	offset      uint64 // in the file
	kind        uint8
	compression compression
	unpacked    uint64
	inline      []byte
	// logical and length are where the extent is stored. The file has bytes of
	// it, which start at its byte from.
	logical, length, from, bytes uint64
}

func (n *inode) readExtents() (io.ReaderAt, error) {
	file := &filesystem.Runs{Disk: dataReader{v: n.d.v, sums: n.sums}, Size: n.attr.Size}
	end := uint64(0)
	for it, err := range n.tree.itemsOf(n.object, kindExtent) {
		if err != nil {
			return nil, err
		}
		e, err := parseExtent(it)
		if err != nil {
			return nil, fmt.Errorf("extent at byte %d: %w", it.key.offset, err)
		}
		if e.offset < end {
			return nil, diskerr.Corrupt("extent at byte %d: the one before it ends at %d", e.offset, end)
		}
		run, err := n.run(e)
		if err != nil {
			return nil, fmt.Errorf("extent at byte %d: %w", e.offset, err)
		}
		end = e.offset + uint64(run.Length)
		if e.isHole() {
			continue
		}
		if len(file.Runs) == maxRuns {
			return nil, diskerr.Unsupported("it is in more than %d pieces", maxRuns)
		}
		file.Runs = append(file.Runs, run)
	}
	return file, nil
}

func parseExtent(it item) (extent, error) {
	le := binary.LittleEndian
	if len(it.data) < feInline {
		return extent{}, diskerr.Corrupt("item of %d bytes", len(it.data))
	}
	e := extent{
		offset: it.key.offset, kind: it.data[feType],
		compression: compression(it.data[feCompression]), unpacked: le.Uint64(it.data[feUnpacked:]),
	}
	switch {
	case it.data[feEncryption] != 0 || le.Uint16(it.data[feEncoding:]) != 0:
		return extent{}, diskerr.Unsupported("it is encrypted or encoded")
	case e.compression > maxCompression:
		return extent{}, diskerr.Unsupported("unknown compression %d", e.compression)
	case e.kind > extentPrealloc:
		return extent{}, diskerr.Corrupt("unknown type %d", e.kind)
	case e.kind == extentInline:
		e.inline = it.data[feInline:]
		return e, nil
	case len(it.data) < feSize:
		return extent{}, diskerr.Corrupt("item of %d bytes", len(it.data))
	}
	e.logical, e.length = le.Uint64(it.data[feLogical:]), le.Uint64(it.data[feLength:])
	e.from, e.bytes = le.Uint64(it.data[feOffset:]), le.Uint64(it.data[feBytes:])
	return e, nil
}

// isHole reports whether the extent reads as zeros: nothing is stored, or
// nothing was written yet.
func (e extent) isHole() bool {
	return e.kind == extentPrealloc || (e.kind == extentRegular && e.logical == 0)
}

// run checks the extent and tells where its bytes come from.
func (n *inode) run(e extent) (filesystem.Run, error) {
	if e.kind == extentInline {
		return n.inlineRun(e)
	}
	mask := n.d.v.sb.sectorSize - 1
	if (e.offset|e.logical|e.length|e.from|e.bytes)&mask != 0 || e.bytes == 0 || e.offset+e.bytes < e.offset || e.offset+e.bytes > math.MaxInt64 {
		return filesystem.Run{}, diskerr.Corrupt("impossible place: %d bytes from byte %d of the %d at %d", e.bytes, e.from, e.length, e.logical)
	}
	run := filesystem.Run{Offset: int64(e.offset), Length: int64(e.bytes), Disk: int64(e.from)}
	if e.isHole() {
		return run, nil
	}
	if _, err := n.d.v.locate(e.logical, e.length); err != nil {
		return filesystem.Run{}, err
	}
	if e.compression != uncompressed {
		run.Source = &packedExtent{n.d.v, e.logical, e.length, e.unpacked, e.compression, n.sums}
		return run, e.checkPacked()
	}
	if e.from > e.length || e.bytes > e.length-e.from {
		return filesystem.Run{}, diskerr.Corrupt("%d bytes from byte %d of the %d that it has", e.bytes, e.from, e.length)
	}
	if e.logical > math.MaxInt64-e.length {
		return filesystem.Run{}, diskerr.Corrupt("impossible address %d", e.logical)
	}
	run.Disk += int64(e.logical)
	return run, nil
}

// inlineRun unpacks what is in the item itself.
func (n *inode) inlineRun(e extent) (filesystem.Run, error) {
	data := e.inline
	switch {
	case e.offset != 0:
		return filesystem.Run{}, diskerr.Corrupt("data in the item, but not at the start of the file")
	case e.unpacked > maxPacked:
		return filesystem.Run{}, diskerr.Corrupt("%d bytes of data in the item", e.unpacked)
	case e.compression == uncompressed && uint64(len(data)) != e.unpacked:
		return filesystem.Run{}, diskerr.Corrupt("%d bytes of data in the item, want %d", len(data), e.unpacked)
	case e.compression != uncompressed:
		var err error
		if data, err = n.d.v.unpacker.unpack(e.compression, data, e.unpacked); err != nil {
			return filesystem.Run{}, err
		}
	}
	return filesystem.Run{Length: int64(len(data)), Source: bytes.NewReader(data)}, nil
}

func (e extent) checkPacked() error {
	if e.length > maxPacked || e.unpacked > maxPacked {
		return diskerr.Corrupt("%d compressed bytes that make %d; at most %d are possible", e.length, e.unpacked, maxPacked)
	}
	if e.from > e.unpacked || e.bytes > e.unpacked-e.from {
		return diskerr.Corrupt("%d bytes from byte %d of the %d that it has unpacked", e.bytes, e.from, e.unpacked)
	}
	return nil
}
