package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Entries of directories: include/uapi/linux/btrfs_tree.h, struct
// btrfs_dir_item and btrfs_inode_ref.
const (
	diDataLength = 0x19
	diNameLength = 0x1b
	diHeaderSize = 0x1e

	irNameLength = 0x08
	irHeaderSize = 0x0a

	maxName = 255
)

// dirItem is a name, and the key of what it names: an inode, or the root of a
// subvolume.
type dirItem struct {
	location key
	name     string
}

// parseDirItem reads the first of the entries in data, and returns the others.
func parseDirItem(data []byte) (dirItem, []byte, error) {
	le := binary.LittleEndian
	if len(data) < diHeaderSize {
		return dirItem{}, nil, diskerr.Corrupt("directory entry of %d bytes", len(data))
	}
	name := data[diHeaderSize:]
	length := int(le.Uint16(data[diNameLength:]))
	size := length + int(le.Uint16(data[diDataLength:]))
	if size > len(name) {
		return dirItem{}, nil, diskerr.Corrupt("directory entry with a name of %d bytes, of which %d are there", length, len(name))
	}
	e := dirItem{location: parseKey(data), name: string(name[:length])}
	return e, name[size:], checkName(e.name)
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "/\x00") {
		return diskerr.Corrupt("impossible name %q", name)
	}
	return nil
}

// readEntries yields the entries of the directory, ".." first.
func (n *inode) readEntries(yield func(filesystem.Entry) bool) error {
	parent, err := n.parent()
	if err != nil {
		return err
	}
	if !yield(filesystem.Entry{Name: "..", Ino: parent}) {
		return nil
	}
	for it, err := range n.tree.itemsOf(n.object, kindDirIndex) {
		if err != nil {
			return err
		}
		e, _, err := parseDirItem(it.data)
		if err != nil {
			return err
		}
		ino, err := n.follow(e)
		if err != nil {
			return fmt.Errorf("%q: %w", e.name, err)
		}
		if !yield(filesystem.Entry{Name: e.name, Ino: ino}) {
			return nil
		}
	}
	return nil
}

// parent is the number of the directory that this one lies in. The root that
// was opened has none.
func (n *inode) parent() (uint64, error) {
	switch {
	case n.attr.Ino == n.d.root:
		return n.d.root, nil
	case n.object != rootDirectory:
		directory, _, err := n.tree.directoryRef(n.object)
		if err != nil {
			return 0, err
		}
		return n.d.v.number(place{n.id, directory})
	}
	id, directory, _, err := n.d.v.placeOf(n.id)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, diskerr.Corrupt("subvolume %d lies nowhere", n.id)
	}
	if err != nil {
		return 0, err
	}
	return n.d.v.number(place{id, directory})
}

// directoryRef tells in which directory another one lies, and its name there.
// Directories have no hard links.
func (t *tree) directoryRef(object uint64) (parent uint64, name string, err error) {
	it, ok, err := t.first(object, kindInodeRef)
	if err != nil {
		return 0, "", err
	}
	if !ok {
		return 0, "", diskerr.Corrupt("inode %d: it lies in no directory", object)
	}
	if len(it.data) < irHeaderSize || len(it.data) != irHeaderSize+int(binary.LittleEndian.Uint16(it.data[irNameLength:])) {
		return 0, "", diskerr.Corrupt("inode %d: reference of %d bytes", object, len(it.data))
	}
	name = string(it.data[irHeaderSize:])
	return it.key.offset, name, checkName(name)
}

// follow returns the number of the inode that an entry of the directory names.
func (n *inode) follow(e dirItem) (uint64, error) {
	switch e.location.kind {
	case kindInode:
		return n.d.v.number(place{n.id, e.location.object})
	case kindRoot:
		return n.followSubvolume(e.name, e.location.object)
	}
	return 0, diskerr.Corrupt("it names an item of kind %d", e.location.kind)
}

// followSubvolume: fs/btrfs/inode.c, fixup_tree_root_location. In a snapshot,
// subvolumes that the original holds are names without anything behind them,
// which Linux shows as empty directories.
func (n *inode) followSubvolume(name string, id uint64) (uint64, error) {
	ref, ok, err := n.d.v.roots.find(key{n.id, kindRootRef, id})
	if err != nil {
		return 0, err
	}
	if !ok {
		return n.d.v.staleNumber(staleName{n.attr.Ino, id})
	}
	directory, known, err := parseRootRef(ref.data)
	if err != nil {
		return 0, err
	}
	if directory != n.object || known != name {
		return n.d.v.staleNumber(staleName{n.attr.Ino, id})
	}
	switch _, err := n.d.v.tree(id); {
	case errors.Is(err, fs.ErrNotExist):
		return n.d.v.staleNumber(staleName{n.attr.Ino, id})
	case err != nil:
		return 0, err
	}
	return n.d.v.number(place{id, rootDirectory})
}
