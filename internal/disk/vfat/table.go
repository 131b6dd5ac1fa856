package vfat

import (
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// Values of the table's entries: FAT32 File System Specification 1.03, "FAT
// Data Structure". An entry of FAT32 has 28 bits.
const (
	entryMask32 = 0x0fffffff
	badCluster  = 0xf7 // the lowest byte; all bits above are set
	width32     = 28

	pageSize = 4096
	// maxRuns bounds memory and time for one file.
	maxRuns = 1 << 18
)

// table reads entries of the file allocation table, a page at a time.
type table struct {
	d    *driver
	page []byte
	at   int64 // of page, in bytes
}

func (d *driver) newTable() *table { return &table{d: d, at: -1} }

// width is the number of an entry's bits that count.
func (t *table) width() int { return min(t.d.boot.bits, width32) }

// entry returns what the table says of a cluster: the number of the next one
// of its file.
func (t *table) entry(cluster uint32) (uint32, error) {
	bits := int64(t.d.boot.bits)
	at := int64(cluster) * bits / 8
	low, err := t.byteAt(at)
	if err != nil {
		return 0, err
	}
	value := uint32(low)
	for i := int64(1); i < (bits+7)/8; i++ {
		b, err := t.byteAt(at + i)
		if err != nil {
			return 0, err
		}
		value |= uint32(b) << (8 * i)
	}
	switch bits {
	case 12:
		return value >> (4 * (cluster & 1)) & 0xfff, nil
	case 32:
		return value & entryMask32, nil
	}
	return value, nil
}

func (t *table) byteAt(off int64) (byte, error) {
	off += t.d.boot.tableAt
	if page := off / pageSize * pageSize; page != t.at {
		t.page = make([]byte, min(pageSize, t.d.boot.bytes-page))
		if err := readat.Full(t.d.r, t.page, page, "file allocation table"); err != nil {
			return 0, err
		}
		t.at = page
	}
	return t.page[off-t.at], nil
}

// isEnd reports whether an entry ends a chain.
func (t *table) isEnd(entry uint32) bool {
	return entry > 1<<t.width()-0x100+badCluster
}

// chain follows the clusters of a file from first on, and returns at most
// limit bytes of them in runs; whole says that it must have that many.
func (d *driver) chain(first uint32, limit int64, whole bool) (*filesystem.Runs, error) {
	t, runs := d.newTable(), []filesystem.Run{}
	offset := int64(0)
	for cluster := first; offset < limit; offset += d.boot.cluster {
		if offset > 0 {
			next, err := t.entry(cluster)
			if err != nil {
				return nil, err
			}
			if t.isEnd(next) {
				break
			}
			cluster = next
		}
		if !d.boot.holds(uint64(cluster)) {
			return nil, diskerr.Corrupt("its chain of clusters has the impossible number %d", cluster)
		}
		if offset/d.boot.cluster >= int64(d.boot.clusters) {
			return nil, diskerr.Corrupt("its chain of clusters has no end")
		}
		runs = d.appendRun(runs, offset, cluster)
		if len(runs) > maxRuns {
			return nil, diskerr.Unsupported("it is in more than %d pieces", maxRuns)
		}
	}
	if whole && offset < limit {
		return nil, diskerr.Corrupt("its chain of clusters ends at byte %d of %d", offset, limit)
	}
	return &filesystem.Runs{Disk: d.r, Runs: runs, Size: min(limit, offset)}, nil
}

func (d *driver) appendRun(runs []filesystem.Run, offset int64, cluster uint32) []filesystem.Run {
	run := filesystem.Run{Offset: offset, Length: d.boot.cluster, Disk: d.boot.clusterOffset(cluster)}
	if last := len(runs) - 1; last >= 0 && runs[last].Disk+runs[last].Length == run.Disk {
		runs[last].Length += run.Length
		return runs
	}
	return append(runs, run)
}

// content reads the bytes of a directory, of which there are at most maxDirectory.
func (d *driver) content(ino uint64) ([]byte, []filesystem.Run, error) {
	if ino == rootInode && d.boot.bits != 32 {
		raw := make([]byte, d.boot.rootSize)
		runs := []filesystem.Run{{Length: d.boot.rootSize, Disk: d.boot.rootAt}}
		return raw, runs, readat.Full(d.r, raw, d.boot.rootAt, "root directory")
	}
	first := uint32(ino)
	if ino == rootInode {
		first = d.boot.rootCluster
	}
	file, err := d.chain(first, maxDirectory+d.boot.cluster, false)
	if err != nil {
		return nil, nil, err
	}
	if file.Size > maxDirectory {
		return nil, nil, diskerr.Corrupt("directory of more than %d bytes", maxDirectory)
	}
	raw := make([]byte, file.Size)
	if err := readat.Full(file, raw, 0, "directory"); err != nil {
		return nil, nil, err
	}
	return raw, file.Runs, nil
}

// maxDirectory: include/uapi/linux/msdos_fs.h, FAT_MAX_DIR_SIZE.
const maxDirectory = 65536 * recordSize
