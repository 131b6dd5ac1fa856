package btrfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// Roots and what names them: include/uapi/linux/btrfs_tree.h, struct
// btrfs_root_item and btrfs_root_ref.
const (
	riRootDir    = 0xa8
	riLogical    = 0xb0
	riFlags      = 0xd0
	riGeneration = 0xa0
	riRefs       = 0xd8
	riLevel      = 0xee
	riSize       = 0xef
	riParentUUID = 0x107
	riUUIDEnd    = riParentUUID + 16

	rootReadOnly = 1 << 0

	refDirectory  = 0x00
	refNameLength = 0x10
	refHeaderSize = 0x12

	// rootDirectory is the inode of every subvolume's root.
	rootDirectory = 256
	defaultName   = "default"
)

// TopLevel is the ID of the subvolume that every other one lies in.
const TopLevel = treeTopLevel

// Subvolume is one of the trees of files.
type Subvolume struct {
	// ID is what subvolid= means: TopLevel, or a number from 256 on.
	ID uint64
	// Path is from the top level on, without a leading slash, as subvol= means
	// it; "." for the top level itself.
	Path string
	// ReadOnly: nothing in it can be changed.
	ReadOnly bool
	// Snapshot: it was made as a copy of another one.
	Snapshot bool
}

// Default is the ID of the subvolume that is mounted where no option names
// another one: fs/btrfs/super.c, get_default_subvol_objectid.
func (v *Volume) Default() (uint64, error) {
	for it, err := range v.roots.itemsOf(v.sb.rootDir, kindDirItem) {
		if err != nil {
			return 0, fmt.Errorf("default subvolume: %w", err)
		}
		for rest := it.data; len(rest) > 0; {
			var e dirItem
			if e, rest, err = parseDirItem(rest); err != nil {
				return 0, fmt.Errorf("default subvolume: %w", err)
			}
			if e.name == defaultName {
				return e.location.object, nil
			}
		}
	}
	return TopLevel, nil
}

// Subvolume opens the subvolume with the ID id; 0 is the top level, as for
// the option subvolid=. Subvolumes inside of it are in it as directories, as
// Linux shows them. The error is fs.ErrNotExist if there is none.
func (v *Volume) Subvolume(id uint64) (*filesystem.FS, error) {
	if id == 0 {
		id = TopLevel
	}
	fsys, err := v.subvolume(id)
	if err != nil {
		return nil, fmt.Errorf("subvolume %d: %w", id, err)
	}
	return fsys, nil
}

func (v *Volume) subvolume(id uint64) (*filesystem.FS, error) {
	if !isSubvolume(id) {
		return nil, fs.ErrNotExist
	}
	if _, err := v.tree(id); err != nil {
		return nil, err
	}
	root, err := v.number(place{id, rootDirectory})
	if err != nil {
		return nil, err
	}
	d := &driver{v: v, root: root}
	inode, err := d.Inode(root)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	if !inode.Attr().Mode.IsDir() {
		return nil, diskerr.Corrupt("root directory: it is not a directory")
	}
	return filesystem.New(d), nil
}

func isSubvolume(id uint64) bool { return id == TopLevel || (id >= firstFree && id <= lastFree) }

// Lookup finds the ID of the subvolume at a path from the top level on, as
// the option subvol= means it; slashes around it do not count. The error is
// fs.ErrNotExist if nothing is there, and fs.ErrInvalid if it is no subvolume.
func (v *Volume) Lookup(name string) (uint64, error) {
	top, err := v.Subvolume(TopLevel)
	if err != nil {
		return 0, err
	}
	clean := strings.Trim(path.Clean("/"+name), "/")
	if clean == "" {
		return TopLevel, nil
	}
	info, err := top.Stat(clean)
	if err != nil {
		return 0, fmt.Errorf("subvolume %q: %w", name, err)
	}
	ino := info.Sys().(*filesystem.Stat).Ino
	at, err := v.place(ino)
	if err != nil {
		return 0, err
	}
	if ino&staleBit != 0 || at.object != rootDirectory {
		return 0, fmt.Errorf("subvolume %q: %w: it is no subvolume", name, fs.ErrInvalid)
	}
	return at.id, nil
}

// Subvolumes lists the top level and all other subvolumes, in the order of
// their IDs. Those that are being deleted are left out. When the path of one
// cannot be told, the others are returned together with the error.
func (v *Volume) Subvolumes() ([]Subvolume, error) {
	var list []Subvolume
	var failures []error
	l := &lister{v: v}
	for it, err := range v.roots.items(key{TopLevel, kindRoot, 0}) {
		if err != nil {
			return list, fmt.Errorf("listing subvolumes: %w", err)
		}
		if it.key.kind != kindRoot || !isSubvolume(it.key.object) {
			continue
		}
		if len(list) == maxSubvolumes {
			return list, diskerr.Unsupported("more than %d subvolumes", maxSubvolumes)
		}
		s, err := l.describe(it)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			failures = append(failures, fmt.Errorf("subvolume %d: %w", it.key.object, err))
		default:
			list = append(list, s)
		}
	}
	return list, errors.Join(failures...)
}

// lister makes the list of subvolumes.
type lister struct {
	v *Volume
	// steps counts the directories on the way to the top level, over all.
	steps int
}

// Bounds of what the list takes.
const (
	maxSubvolumes = 1 << 16
	maxSteps      = 1 << 18
	// maxPath is PATH_MAX, in bytes.
	maxPath = 4096
)

// describe makes the Subvolume of a root item.
func (l *lister) describe(it item) (Subvolume, error) {
	s := Subvolume{ID: it.key.object}
	if _, err := parseRoot(it); err != nil {
		return s, err
	}
	s.ReadOnly = binary.LittleEndian.Uint64(it.data[riFlags:])&rootReadOnly != 0
	if len(it.data) >= riUUIDEnd {
		s.Snapshot = [16]byte(it.data[riParentUUID:riUUIDEnd]) != [16]byte{}
	}
	var err error
	s.Path, err = l.path(s.ID)
	return s, err
}

// path goes up from a subvolume to the top level.
func (l *lister) path(id uint64) (string, error) {
	name := "."
	for id != TopLevel {
		parent, directory, element, err := l.v.placeOf(id)
		if err != nil {
			return "", err
		}
		t, err := l.v.tree(parent)
		if errors.Is(err, fs.ErrNotExist) {
			return "", diskerr.Corrupt("it lies in the subvolume %d, which is not there", parent)
		}
		if err != nil {
			return "", err
		}
		if name, err = l.join(element, name); err != nil {
			return "", err
		}
		if name, err = l.within(t, directory, name); err != nil {
			return "", err
		}
		id = parent
	}
	return name, nil
}

// within puts the path of a directory in its subvolume before name.
func (l *lister) within(t *tree, directory uint64, name string) (string, error) {
	for directory != rootDirectory {
		parent, element, err := t.directoryRef(directory)
		if err != nil {
			return "", err
		}
		if name, err = l.join(element, name); err != nil {
			return "", err
		}
		directory = parent
	}
	return name, nil
}

func (l *lister) join(element, name string) (string, error) {
	if l.steps++; l.steps > maxSteps {
		return "", diskerr.Unsupported("its subvolumes lie in more than %d directories", maxSteps)
	}
	if name = path.Join(element, name); len(name) > maxPath {
		return "", diskerr.Corrupt("its path has more than %d bytes", maxPath)
	}
	return name, nil
}

// placeOf tells in which directory of which subvolume another one lies, and
// its name there. The error is fs.ErrNotExist if it lies in none.
func (v *Volume) placeOf(id uint64) (parent, directory uint64, name string, err error) {
	it, ok, err := v.roots.first(id, kindRootBackref)
	if err == nil && !ok {
		err = fs.ErrNotExist
	}
	if err != nil {
		return 0, 0, "", err
	}
	directory, name, err = parseRootRef(it.data)
	return it.key.offset, directory, name, err
}

// parseRootRef reads under which name in which directory a subvolume lies.
func parseRootRef(data []byte) (directory uint64, name string, err error) {
	le := binary.LittleEndian
	if len(data) < refHeaderSize || len(data) != refHeaderSize+int(le.Uint16(data[refNameLength:])) {
		return 0, "", diskerr.Corrupt("reference to a subvolume of %d bytes", len(data))
	}
	name = string(data[refHeaderSize:])
	return le.Uint64(data[refDirectory:]), name, checkName(name)
}

// tree opens the tree with the ID id. The error is fs.ErrNotExist if there is
// none, or one that is being deleted.
func (v *Volume) tree(id uint64) (*tree, error) {
	v.mu.Lock()
	t, ok := v.opened[id]
	v.mu.Unlock()
	if ok {
		return t, nil
	}
	it, ok, err := v.roots.floor(key{id, kindRoot, math.MaxUint64})
	switch {
	case err != nil:
		return nil, err
	case !ok || it.key.object != id || it.key.kind != kindRoot:
		return nil, fs.ErrNotExist
	}
	root, err := parseRoot(it)
	if err != nil {
		return nil, fmt.Errorf("tree %d: %w", id, err)
	}
	t = &tree{v: v, id: id, root: root}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened[id] = t
	return t, nil
}

// parseRoot reads where the tree of a root item starts.
func parseRoot(it item) (pointer, error) {
	le := binary.LittleEndian
	if len(it.data) < riSize {
		return pointer{}, diskerr.Corrupt("root item of %d bytes", len(it.data))
	}
	if le.Uint32(it.data[riRefs:]) == 0 {
		return pointer{}, fs.ErrNotExist
	}
	if directory := le.Uint64(it.data[riRootDir:]); isSubvolume(it.key.object) && directory != rootDirectory {
		return pointer{}, diskerr.Corrupt("impossible root directory %d", directory)
	}
	return pointer{le.Uint64(it.data[riLogical:]), le.Uint64(it.data[riGeneration:]), it.data[riLevel]}, nil
}
