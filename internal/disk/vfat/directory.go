package vfat

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// A record of a directory: FAT32 File System Specification 1.03, "FAT
// Directory Structure" and "FAT Long Directory Entries".
const (
	recordSize    = 32
	shortNameSize = 11
	shortBaseSize = 8

	recAttributes = 11
	recCase       = 12
	recClusterHi  = 20
	recTime       = 22
	recDate       = 24
	recClusterLo  = 26
	recSize       = 28

	attrReadOnly  = 0x01
	attrLabel     = 0x08
	attrDirectory = 0x10
	attrLong      = 0x0f
	attrLongMask  = 0x3f

	// lowerBase and lowerExtension: Windows NT's way to spare a long name.
	lowerBase      = 0x08
	lowerExtension = 0x10

	markEnd     = 0x00
	markDeleted = 0xe5
	// markKanji stands for a first byte of 0xe5 that does not mark a record
	// as deleted.
	markKanji = 0x05

	longOrder    = 0
	longChecksum = 13
	longLast     = 0x40
	longOrderMax = 20
)

// longUnits are where a record has the 13 units of UTF-16 of its part of a
// long name.
var longUnits = [...]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}

// record is one record of a directory.
type record struct {
	raw []byte
	// at is where it is in the file system, in bytes.
	at int64
}

func (d *driver) record(offset int64) (record, error) {
	r := record{raw: make([]byte, recordSize), at: offset}
	return r, readat.Full(d.r, r.raw, offset, "directory entry")
}

func (r record) attributes() byte  { return r.raw[recAttributes] }
func (r record) isLong() bool      { return r.attributes()&attrLongMask == attrLong }
func (r record) isLabel() bool     { return !r.isLong() && r.attributes()&attrLabel != 0 }
func (r record) isDirectory() bool { return r.attributes()&attrDirectory != 0 }
func (r record) isDot() bool {
	return string(r.raw[:shortNameSize]) == ".          " && r.isDirectory()
}

func (r record) isFile() bool {
	return !r.isLong() && !r.isLabel() && !r.isDirectory() && r.raw[0] != markEnd && r.raw[0] != markDeleted
}

// cluster is the first of the file; the field's upper half is one of FAT32 only.
func (d *driver) cluster(r record) uint32 {
	le := binary.LittleEndian
	number := uint32(le.Uint16(r.raw[recClusterLo:]))
	if d.boot.bits == 32 {
		number |= uint32(le.Uint16(r.raw[recClusterHi:])) << 16
	}
	return number
}

func (r record) size() int64 { return int64(binary.LittleEndian.Uint32(r.raw[recSize:])) }

// modTime has no zone; Linux takes it for its own, which is UTC in an image.
func (r record) modTime() time.Time {
	date, clock := int(binary.LittleEndian.Uint16(r.raw[recDate:])), int(binary.LittleEndian.Uint16(r.raw[recTime:]))
	day, month := max(1, date&31), max(1, date>>5&15)
	return time.Date(1980+date>>9, time.Month(month), day, clock>>11, clock>>5&63, clock&31*2, 0, time.UTC)
}

// shortName is the name of 8 and 3 characters as Linux shows it.
func (r record) shortName() string {
	raw := bytes.Clone(r.raw[:shortNameSize])
	if raw[0] == markKanji {
		raw[0] = markDeleted
	}
	base := strings.TrimRight(decodeOEM(raw[:shortBaseSize]), " ")
	extension := strings.TrimRight(decodeOEM(raw[shortBaseSize:]), " ")
	if r.raw[recCase]&lowerBase != 0 {
		base = strings.ToLower(base)
	}
	if r.raw[recCase]&lowerExtension != 0 {
		extension = strings.ToLower(extension)
	}
	if extension == "" {
		return base
	}
	return base + "." + extension
}

// checksum is the sum of the short name that its long name's records carry.
func (r record) checksum() byte {
	sum := byte(0)
	for _, c := range r.raw[:shortNameSize] {
		sum = sum<<7 | sum>>1
		sum += c
	}
	return sum
}

// longName collects the records of a long name, which come before that of the
// short one, the last part first.
type longName struct {
	units    []uint16
	next     byte
	checksum byte
}

// add takes a record of a long name; a part that does not follow the one
// before drops them all.
func (l *longName) add(r record) {
	order := r.raw[longOrder]
	if order&longLast != 0 {
		*l = longName{next: order &^ longLast, checksum: r.raw[longChecksum]}
	}
	if order&^longLast != l.next || l.next == 0 || l.next > longOrderMax || r.raw[longChecksum] != l.checksum {
		*l = longName{}
		return
	}
	part := make([]uint16, len(longUnits))
	for i, off := range longUnits {
		part[i] = binary.LittleEndian.Uint16(r.raw[off:])
	}
	l.units = append(part, l.units...)
	l.next--
}

// name returns the name of the file that r describes, and forgets the parts.
func (l *longName) name(r record) string {
	collected := *l
	*l = longName{}
	if len(collected.units) == 0 || collected.next != 0 || collected.checksum != r.checksum() {
		return r.shortName()
	}
	units := collected.units
	for i, u := range units {
		if u == 0 {
			units = units[:i]
			break
		}
	}
	return string(utf16.Decode(units))
}

// records calls visit with every record of a directory up to its end.
func (d *driver) records(ino uint64, visit func(record) error) error {
	raw, runs, err := d.content(ino)
	if err != nil {
		return err
	}
	for _, run := range runs {
		for in := int64(0); in < run.Length; in += recordSize {
			r := record{raw: raw[run.Offset+in:][:recordSize], at: run.Disk + in}
			if r.raw[0] == markEnd {
				return nil
			}
			if err := visit(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// entries calls yield with every file of a directory.
func (d *driver) entries(ino uint64, yield func(filesystem.Entry) bool) error {
	if ino == rootInode && !yield(filesystem.Entry{Name: "..", Ino: rootInode}) {
		return errStop
	}
	var long longName
	return d.records(ino, func(r record) error {
		switch {
		case r.raw[0] == markDeleted:
			long = longName{}
			return nil
		case r.isLong():
			long.add(r)
			return nil
		case r.isLabel():
			return nil
		}
		entry := filesystem.Entry{Name: long.name(r), Ino: d.number(r)}
		if entry.Name == "" || strings.Contains(entry.Name, "/") {
			return diskerr.Corrupt("impossible name %q", entry.Name)
		}
		if !yield(entry) {
			return errStop
		}
		return nil
	})
}

// number is what Inode knows the file of a record by. The root's cluster is 0
// in the records that mean it.
func (d *driver) number(r record) uint64 {
	switch {
	case !r.isDirectory():
		return fileInodes + uint64(r.at)/recordSize
	case d.cluster(r) == 0 || d.cluster(r) == d.boot.rootCluster:
		return rootInode
	}
	return uint64(d.cluster(r))
}

// codePage437 has the characters from 0x80 on of the code page that Linux
// takes for short names by default.
const codePage437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0"

func decodeOEM(raw []byte) string {
	upper := []rune(codePage437)
	var text strings.Builder
	for _, b := range raw {
		if b < 0x80 {
			text.WriteByte(b)
			continue
		}
		text.WriteRune(upper[b-0x80])
	}
	return text.String()
}
