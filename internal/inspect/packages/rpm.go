package packages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// backend is one of the file formats that rpm keeps its headers in.
type backend struct {
	file string
	// open returns what calls yield with every header.
	open func(f source) error
}

// source is the file of one backend, and what its reader hands headers to.
type source struct {
	io.ReaderAt
	size int64
	// left counts down the bytes that may still be read.
	left *int64
	// yield takes a header of size bytes; it need not read all of them.
	yield func(header io.Reader, size int64) error
}

// readRPM reads the database in a directory of rpm: SQLite since Fedora 33 and
// EL 9, ndb of SUSE, Berkeley DB of what came before.
func readRPM(fsys fs.FS, dir string) ([]Package, error) {
	for _, b := range []backend{{"rpmdb.sqlite", readSQLite}, {"Packages.db", readNDB}, {"Packages", readBDB}} {
		file := path.Join(dir, b.file)
		list, err := b.read(fsys, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.file, err)
		}
		return list, nil
	}
	return nil, fs.ErrNotExist
}

func (b backend) read(fsys fs.FS, file string) ([]Package, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	var list []Package
	if err = noJournal(fsys, file); err == nil {
		list, err = b.headers(f)
	}
	return list, errors.Join(err, f.Close())
}

// noJournal refuses a database of SQLite with changes in a file beside it: a
// log that was not written back, or a journal that must be rolled back
// (SQLite, Write-Ahead Logging, and Database File Format, 3).
func noJournal(fsys fs.FS, file string) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		info, err := fs.Stat(fsys, file+suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Size() > 0 {
			return diskerr.Unsupported("%s beside it holds %d bytes of changes, which are not read; run \"rpm -qa\" in the guest as root, which writes them back",
				path.Base(file)+suffix, info.Size())
		}
	}
	return nil
}

func (b backend) headers(f fs.File) ([]Package, error) {
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, diskerr.Unsupported("can only be read from its beginning")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var list []Package
	left := int64(maxRead)
	err = b.open(source{ReaderAt: r, size: info.Size(), left: &left, yield: func(header io.Reader, size int64) error {
		p, err := readHeader(header, size)
		if err != nil {
			return err
		}
		list, err = appendPackage(list, p)
		return err
	}})
	return list, err
}

// read returns n bytes at an offset.
func (s source) read(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || n > s.size || off > s.size-n {
		return nil, diskerr.Corrupt("%d bytes at %d lie outside of the file's %d", n, off, s.size)
	}
	if *s.left -= n; *s.left < 0 {
		return nil, fmt.Errorf("needs more than %d bytes to be read", maxRead)
	}
	b := make([]byte, n)
	if _, err := s.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// Tags of a header, and the one type of a number that is read here (rpm,
// include/rpm/rpmtag.h).
const (
	tagName    = 1000
	tagVersion = 1001
	tagRelease = 1002
	tagEpoch   = 1003
	typeInt32  = 4
)

// Bounds of a header (rpm, lib/header_internal.h); the data is bounded by what
// is needed of it.
const (
	maxTags     = 65535
	maxTagsData = 256 << 20
	// maxOffset bounds where the data of the tags above may lie. They are
	// sorted and among the first, so rpm puts them at the front.
	maxOffset = 1 << 20
)

// readHeader reads name and version of a package's header: the number of tags
// and of bytes of data, an index of 16 bytes a tag, and the data (rpm,
// docs/manual/format_header.md).
func readHeader(r io.Reader, size int64) (Package, error) {
	intro := make([]byte, 8)
	if _, err := io.ReadFull(r, intro); err != nil {
		return Package{}, diskerr.Corrupt("a header of %d bytes ends early: %w", size, err)
	}
	tags, data := int64(binary.BigEndian.Uint32(intro)), int64(binary.BigEndian.Uint32(intro[4:]))
	if tags < 1 || tags > maxTags || data > maxTagsData || 8+16*tags+data > size {
		return Package{}, diskerr.Corrupt("a header of %d bytes has %d tags and %d bytes of data", size, tags, data)
	}
	index := make([]byte, 16*tags)
	if _, err := io.ReadFull(r, index); err != nil {
		return Package{}, diskerr.Corrupt("a header of %d bytes ends in its index: %w", size, err)
	}
	h := header{offsets: map[uint32]int64{}}
	need := int64(0)
	for ; len(index) > 0; index = index[16:] {
		tag, kind, off := binary.BigEndian.Uint32(index), binary.BigEndian.Uint32(index[4:]), int64(binary.BigEndian.Uint32(index[8:]))
		if tag < tagName || tag > tagEpoch || (tag == tagEpoch && kind != typeInt32) {
			continue
		}
		if off >= data || off > maxOffset {
			return Package{}, diskerr.Corrupt("tag %d of a header lies at byte %d of %d", tag, off, data)
		}
		h.offsets[tag], need = off, max(need, off)
	}
	var err error
	if h.data, err = io.ReadAll(io.LimitReader(r, min(data, need+maxName))); err != nil {
		return Package{}, err
	}
	return h.identity()
}

// header is the beginning of a header's data, and where tags lie in it.
type header struct {
	offsets map[uint32]int64
	data    []byte
}

// identity returns what a package is called and its version as
// EPOCH:VERSION-RELEASE.
func (h header) identity() (Package, error) {
	p := Package{Name: h.text(tagName), Version: h.text(tagVersion)}
	if p.Name == "" {
		return Package{}, diskerr.Corrupt("a header names no package")
	}
	if release := h.text(tagRelease); release != "" {
		p.Version += "-" + release
	}
	if off, ok := h.offsets[tagEpoch]; ok && off+4 <= int64(len(h.data)) {
		p.Version = fmt.Sprintf("%d:%s", binary.BigEndian.Uint32(h.data[off:]), p.Version)
	}
	return p, nil
}

// text returns a tag's string, which ends with a zero.
func (h header) text(tag uint32) string {
	off, ok := h.offsets[tag]
	if !ok || off >= int64(len(h.data)) {
		return ""
	}
	text, _, _ := strings.Cut(string(h.data[off:min(off+maxName, int64(len(h.data)))]), "\x00")
	return text
}
