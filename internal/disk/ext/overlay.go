package ext

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// overlay is the file system with the blocks of its journal in their places.
type overlay struct {
	disk    io.ReaderAt
	journal *journal
	blocks  map[uint64]logged
}

// recover reads the journal that Linux would write back at mount, so that the
// file system is read as it is after that, and returns how many blocks there
// are. Where there is an error, nothing has changed.
func (d *driver) recover(size int64) (int, error) {
	switch {
	case !d.sb.features.hasCompat(compatHasJournal):
		return 0, diskerr.Corrupt("there is none")
	case d.sb.journalInode == 0:
		return 0, diskerr.Unsupported("it is on another device")
	}
	j, err := d.openJournal(d.sb.journalInode)
	if err != nil {
		return 0, err
	}
	blocks, err := j.replay(uint64(size / d.sb.blockSize))
	if err != nil {
		return 0, err
	}
	o := &overlay{disk: d.r, journal: j, blocks: blocks}
	sb, err := readSuperblock(o, size)
	if err != nil {
		return 0, fmt.Errorf("the superblock in it: %w", err)
	}
	// Linux keeps what either of them knows of errors: fs/ext4/super.c,
	// ext4_load_journal and ext4_clear_journal_err.
	sb.state |= d.sb.state & stateErrors
	if j.errno != 0 {
		sb.state |= stateErrors
	}
	d.r, d.sb, d.inodeTables = o, sb, map[uint64]uint64{}
	return len(blocks), nil
}

// ReadAt implements io.ReaderAt.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	for done := 0; done < len(p); {
		n, err := o.readSome(p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return len(p), nil
}

// readSome fills the start of p, from one block of the journal or from as many
// of the disk as lie together.
func (o *overlay) readSome(p []byte, off int64) (int, error) {
	size := o.journal.blockSize
	block, in := off/size, off%size
	if w, ok := o.blocks[uint64(block)]; ok {
		return o.readLogged(p[:min(int64(len(p)), size-in)], w, in)
	}
	end := (block + 1) * size
	for end < off+int64(len(p)) {
		if _, ok := o.blocks[uint64(end/size)]; ok {
			break
		}
		end += size
	}
	return o.disk.ReadAt(p[:min(int64(len(p)), end-off)], off)
}

func (o *overlay) readLogged(p []byte, w logged, in int64) (int, error) {
	n, err := o.journal.file.ReadAt(p, int64(w.at)*o.journal.blockSize+in)
	if magic := binary.BigEndian.AppendUint32(nil, jbdMagic); w.escaped && in < int64(len(magic)) {
		copy(p[:n], magic[in:])
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}
