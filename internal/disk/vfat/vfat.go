// Package vfat reads FAT12, FAT16 and FAT32 with long names, the file systems
// of EFI system partitions. Source of the format: Microsoft, FAT32 File System
// Specification 1.03; where Linux differs, Linux fs/fat.
package vfat

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Open reads the boot sector of the file system in r, size bytes long. The
// error is diskerr.ErrNotFound if there is no FAT file system, else
// diskerr.ErrCorrupt.
func Open(r io.ReaderAt, size int64) (*filesystem.FS, error) {
	b, err := readBootSector(r, size)
	if err != nil {
		return nil, err
	}
	d := &driver{r: r, boot: b}
	if err := d.readMarks(); err != nil {
		return nil, err
	}
	if err := d.readLabel(); err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	return filesystem.New(d), nil
}

// driver implements filesystem.Driver and filesystem.Folder.
type driver struct {
	r       io.ReaderAt
	boot    *bootSector
	label   string
	unclean string
}

// Geometry implements filesystem.Driver. The step is a cluster, and what
// mkfs.fat leaves to end on a track.
func (d *driver) Geometry() filesystem.Geometry {
	b := d.boot
	return filesystem.Geometry{
		Type: "vfat", BlockSize: b.cluster, Bytes: b.bytes, Step: b.cluster + trackSize,
		UUID: fmt.Sprintf("%04X-%04X", b.volumeID>>16, b.volumeID&0xffff), Label: d.label,
		Features: []string{fmt.Sprintf("FAT%d", b.bits)},
		Clean:    d.unclean == "", Unclean: d.unclean,
	}
}

// trackSize: mkfs.fat's largest track has 63 sectors of 512 bytes.
const trackSize = 63 * 512

// Root implements filesystem.Driver.
func (d *driver) Root() uint64 { return rootInode }

// Fold implements filesystem.Folder: fs/fat/namei_vfat.c, vfat_hashi and
// vfat_striptail_len.
func (d *driver) Fold(name string) string { return strings.ToLower(strings.TrimRight(name, ".")) }

const (
	markDirty  = 0x01
	markErrors = 0x02
)

// readMarks looks whether the file system was unmounted in order: Linux marks
// that in the boot sector (fs/fat/inode.c, fat_set_state), Windows in the entry
// of the table that belongs to no cluster.
func (d *driver) readMarks() error {
	t := d.newTable()
	entry, err := t.entry(1)
	if err != nil {
		return err
	}
	clean, whole := uint32(1), uint32(1)
	if d.boot.bits != 12 {
		clean, whole = entry>>(t.width()-1)&1, entry>>(t.width()-2)&1
	}
	switch {
	case d.boot.state&markErrors != 0 || whole == 0:
		d.unclean = "reading or writing it has failed: run fsck.fat"
	case d.boot.state&markDirty != 0 || clean == 0:
		d.unclean = "it was not unmounted"
	}
	return nil
}

// readLabel prefers the label in the root directory, as blkid does.
func (d *driver) readLabel() error {
	d.label = d.boot.label
	err := d.records(rootInode, func(r record) error {
		if r.isLabel() {
			d.label = strings.TrimRight(decodeOEM(r.raw[:shortNameSize]), " ")
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return err
}

// errStop ends a walk through a directory early.
var errStop = errors.New("seen enough")

// Inode implements filesystem.Driver. FAT has none: a directory's number is
// its first cluster, since that is how its parent is named in it, and any other
// file's number is where its entry is.
func (d *driver) Inode(ino uint64) (filesystem.Inode, error) {
	n, err := d.readInode(ino)
	if err != nil {
		return nil, fmt.Errorf("entry %#x: %w", ino, err)
	}
	return n, nil
}

const (
	// rootInode is no cluster: those count from 2.
	rootInode = 1
	// fileInodes is more than any cluster, and starts the numbers of files.
	fileInodes = 1 << 32
)

func (d *driver) readInode(ino uint64) (*inode, error) {
	n := &inode{d: d, ino: ino}
	if ino == rootInode {
		n.directory = true
		return n, nil
	}
	var offset int64
	switch {
	case ino > fileInodes && ino-fileInodes < uint64(d.boot.bytes/recordSize):
		offset = int64(ino-fileInodes) * recordSize
	case d.boot.holds(ino):
		n.directory = true
		offset = d.boot.clusterOffset(uint32(ino))
	default:
		return nil, diskerr.Corrupt("there is no such cluster")
	}
	rec, err := d.record(offset)
	if err != nil {
		return nil, err
	}
	n.rec = rec
	switch {
	case n.directory && !rec.isDot():
		return nil, diskerr.Corrupt("the directory does not start with its entry for itself")
	case !n.directory && !rec.isFile():
		return nil, diskerr.Corrupt("it is not a file's")
	}
	return n, nil
}
