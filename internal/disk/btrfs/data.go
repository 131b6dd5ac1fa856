package btrfs

import (
	"errors"
	"io"
	"io/fs"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// dataReader reads the data of files by its logical address. Each sector is
// read whole and verified, from whichever copy of it is right.
type dataReader struct {
	v *Volume
	// sums says that the checksum tree has the data.
	sums bool
}

// maxPiece bounds what is read at once, in bytes. Its checksums are looked up
// together.
const maxPiece = 128 << 10

// ReadAt implements io.ReaderAt.
func (d dataReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	done := 0
	for done < len(p) {
		n, err := d.readSome(p[done:], uint64(off)+uint64(done))
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// readSome fills the start of p: with whole sectors where they fit, else with
// a part of one.
func (d dataReader) readSome(p []byte, logical uint64) (int, error) {
	sector := d.v.sb.sectorSize
	within := logical % sector
	if whole := min(uint64(len(p)), maxPiece) / sector * sector; within == 0 && whole > 0 {
		return int(whole), d.readSectors(p[:whole], logical)
	}
	one := make([]byte, sector)
	if err := d.readSectors(one, logical-within); err != nil {
		return 0, err
	}
	return copy(p, one[within:]), nil
}

func (d dataReader) readSectors(p []byte, logical uint64) error {
	if !d.sums {
		return d.v.readCopies(logical, p, "file data", func() error { return nil })
	}
	sums, err := d.v.dataSums(logical, uint64(len(p))/d.v.sb.sectorSize)
	if err != nil {
		return err
	}
	return d.v.readCopies(logical, p, "file data", func() error { return d.v.checkData(logical, p, sums) })
}

func (v *Volume) checkData(logical uint64, p, sums []byte) error {
	sector, size := int(v.sb.sectorSize), v.sb.checksum.size
	for i := range len(p) / sector {
		if !v.sb.checksum.matches(sums[i*size:], p[i*sector:(i+1)*sector]) {
			return diskerr.Corrupt("the data at the logical address %d: its checksum is wrong", logical+uint64(i*sector))
		}
	}
	return nil
}

// dataSums looks up the checksums of count sectors. Linux does not read data
// that should have one and has not: fs/btrfs/file-item.c, btrfs_lookup_bio_sums.
func (v *Volume) dataSums(logical, count uint64) ([]byte, error) {
	t, err := v.tree(treeChecksum)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, diskerr.Corrupt("the file system has no checksum tree")
	}
	if err != nil {
		return nil, err
	}
	start := key{checksumObject, kindChecksum, logical}
	before, ok, err := t.floor(start)
	if err != nil {
		return nil, err
	}
	if ok {
		start = before.key
	}
	return v.collectSums(t, start, logical, count)
}

// collectSums goes through the items from start on, each of which has the
// sums of the sectors from its key's offset on.
func (v *Volume) collectSums(t *tree, start key, logical, count uint64) ([]byte, error) {
	sector, size := v.sb.sectorSize, uint64(v.sb.checksum.size)
	sums, end := make([]byte, 0, count*size), logical+count*sector
	for it, err := range t.items(start) {
		if err != nil {
			return nil, err
		}
		if it.key.object != checksumObject || it.key.kind != kindChecksum {
			continue
		}
		has := uint64(len(it.data)) / size
		if it.key.offset > logical || has == 0 {
			break
		}
		skip := (logical - it.key.offset) / sector
		if skip >= has {
			continue
		}
		take := min(has-skip, (end-logical)/sector)
		sums = append(sums, it.data[skip*size:(skip+take)*size]...)
		if logical += take * sector; logical == end {
			return sums, nil
		}
	}
	return nil, diskerr.Corrupt("the data at the logical address %d has no checksum", logical)
}

// packedExtent reads the unpacked bytes of a compressed extent.
type packedExtent struct {
	v               *Volume
	logical, length uint64
	// size is how many bytes it makes.
	size        uint64
	compression compression
	sums        bool
}

// key is what the unpacked bytes are kept under. Addresses are of whole
// sectors, and leave room for the compression.
func (e *packedExtent) key() int64 { return int64(e.logical | uint64(e.compression)) }

// ReadAt implements io.ReaderAt.
func (e *packedExtent) ReadAt(p []byte, off int64) (int, error) {
	data, kept := e.v.unpacked.Get(e.key())
	if !kept || uint64(len(data)) != e.size {
		var err error
		if data, err = e.unpack(); err != nil {
			return 0, err
		}
		e.v.unpacked.Put(e.key(), data)
	}
	if off < 0 || off > int64(len(data)) {
		return 0, fs.ErrInvalid
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (e *packedExtent) unpack() ([]byte, error) {
	packed := make([]byte, e.length)
	if err := (dataReader{v: e.v, sums: e.sums}).readSectors(packed, e.logical); err != nil {
		return nil, err
	}
	return e.v.unpacker.unpack(e.compression, packed, e.size)
}
