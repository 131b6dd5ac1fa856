package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Bounds of what is read of one guest, so that a hostile image costs no more
// than an ordinary one.
const (
	maxText    = 4 << 20  // bytes of a configuration file or script
	maxAllText = 96 << 20 // bytes of all of them together
	maxModules = 16 << 20 // bytes of modules.dep and modules.builtin
	maxEntries = 20000    // entries of one directory
	maxLinks   = 40       // symbolic links on one path, as in Linux (path_resolution(7))
	maxPath    = 4096     // bytes of a path, as in Linux
)

// errNotRead says that a path lies on a file system that is not read: it may
// or may not be there.
var errNotRead = errors.New("is on a file system that was not read")

// tree is the guest's file tree as its fstab puts it together. Symbolic links
// are followed inside the tree, over mount points, and never out of it.
type tree struct {
	mounts []mount
	dirs   map[string]string // path as asked for: path without links
	// textLeft is how much text is still read.
	textLeft int64
}

// mount is one file system of the tree.
type mount struct {
	dir    string // without leading slash; "" is the root
	fsys   fs.FS  // nil where it can not be read
	reason string // why not
}

func newTree(root fs.FS) *tree {
	return &tree{mounts: []mount{{fsys: root}}, dirs: map[string]string{}, textLeft: maxAllText}
}

// mount hangs fsys into the tree at dir; a nil fsys makes everything below it
// unreadable for the given reason.
func (t *tree) mount(dir string, fsys fs.FS, reason string) {
	t.mounts = append(t.mounts, mount{dir: strings.Trim(path.Clean("/"+dir), "/"), fsys: fsys, reason: reason})
	slices.SortStableFunc(t.mounts, func(a, b mount) int { return len(b.dir) - len(a.dir) })
	clear(t.dirs)
}

// read returns the content of a regular file of at most limit bytes.
func (t *tree) read(name string, limit int64) ([]byte, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	b, err := readAll(f, limit)
	return b, errors.Join(err, f.Close())
}

// readAll reads a file in as few pieces as it has on the disk.
func readAll(f fs.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Grow(int(max(0, min(info.Size(), limit))) + bytes.MinRead)
	switch _, err := b.ReadFrom(io.LimitReader(f, limit+1)); {
	case err != nil:
		return nil, err
	case int64(b.Len()) > limit:
		return nil, fmt.Errorf("is larger than the %d bytes that are read of such a file", limit)
	}
	return b.Bytes(), nil
}

// open opens a regular file, over symbolic links.
func (t *tree) open(name string) (fs.File, error) {
	m, rel, err := t.locate(name, true)
	if err != nil {
		return nil, err
	}
	f, err := m.fsys.Open(rel)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("is not a regular file but %s", info.Mode().Type())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// stat tells of the file that name leads to.
func (t *tree) stat(name string) (fs.FileInfo, error) {
	m, rel, err := t.locate(name, true)
	if err != nil {
		return nil, err
	}
	return fs.Lstat(m.fsys, rel)
}

// lstat tells of name itself, be it a symbolic link.
func (t *tree) lstat(name string) (fs.FileInfo, error) {
	m, rel, err := t.locate(name, false)
	if err != nil {
		return nil, err
	}
	return fs.Lstat(m.fsys, rel)
}

// readLink returns where the symbolic link name points to.
func (t *tree) readLink(name string) (string, error) {
	m, rel, err := t.locate(name, false)
	if err != nil {
		return "", err
	}
	return fs.ReadLink(m.fsys, rel)
}

// real returns the path without links of what name leads to.
func (t *tree) real(name string) (string, error) {
	links := maxLinks
	p, err := t.resolve(name, true, &links)
	return "/" + p, err
}

// list returns the names in a directory, sorted.
func (t *tree) list(name string) ([]string, error) {
	entries, err := t.entries(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names, nil
}

// entries returns what is in a directory.
func (t *tree) entries(name string) ([]fs.DirEntry, error) {
	m, rel, err := t.locate(name, true)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(m.fsys, rel)
	if err == nil && len(entries) > maxEntries {
		err = fmt.Errorf("holds more than %d entries", maxEntries)
	}
	return entries, err
}

// locate returns the file system that holds name and the path in it.
func (t *tree) locate(name string, follow bool) (mount, string, error) {
	links := maxLinks
	p, err := t.resolve(name, follow, &links)
	if err != nil {
		return mount{}, "", err
	}
	m := t.owner(p)
	if m.fsys == nil {
		return mount{}, "", fmt.Errorf("%w (%s)", errNotRead, m.reason)
	}
	return m, m.relative(p), nil
}

// owner returns the innermost file system that p lies on.
func (t *tree) owner(p string) mount {
	for _, m := range t.mounts {
		if m.dir == "" || p == m.dir || strings.HasPrefix(p, m.dir+"/") {
			return m
		}
	}
	return mount{}
}

func (m mount) relative(p string) string {
	if rel := strings.Trim(strings.TrimPrefix(p, m.dir), "/"); rel != "" {
		return rel
	}
	return "."
}

// resolve turns name into a path without symbolic links; the last part is
// followed only where follow is set. links counts down the links that may still
// be followed on the whole way.
func (t *tree) resolve(name string, follow bool, links *int) (string, error) {
	if len(name) > maxPath {
		return "", fmt.Errorf("path of more than %d bytes", maxPath)
	}
	clean := strings.Trim(path.Clean("/"+name), "/")
	if clean == "" {
		return "", nil
	}
	dir, err := t.resolveDir(path.Dir(clean), links)
	if err != nil {
		return "", err
	}
	p := path.Join(dir, path.Base(clean))
	if !follow || t.isMountPoint(p) {
		return p, nil
	}
	return t.followLink(p, links)
}

func (t *tree) resolveDir(dir string, links *int) (string, error) {
	if dir == "." {
		return "", nil
	}
	if p, ok := t.dirs[dir]; ok {
		return p, nil
	}
	p, err := t.resolve(dir, true, links)
	if err != nil {
		return "", err
	}
	if len(t.dirs) < maxEntries {
		t.dirs[dir] = p
	}
	return p, nil
}

func (t *tree) isMountPoint(p string) bool {
	return slices.ContainsFunc(t.mounts, func(m mount) bool { return m.dir == p })
}

// followLink returns where the link p leads to in the end, or p itself where
// it is none.
func (t *tree) followLink(p string, links *int) (string, error) {
	m := t.owner(p)
	if m.fsys == nil {
		return p, nil
	}
	info, err := fs.Lstat(m.fsys, m.relative(p))
	if err != nil {
		return "", missing(err)
	}
	if info.Mode().Type() != fs.ModeSymlink {
		return p, nil
	}
	if *links == 0 {
		return "", errors.New("too many symbolic links")
	}
	*links--
	target, err := fs.ReadLink(m.fsys, m.relative(p))
	if err != nil {
		return "", err
	}
	if !path.IsAbs(target) {
		// Not path.Join: it would shorten a/link/.. before link is followed.
		target = path.Dir(p) + "/" + target
	}
	return t.resolveSteps(target, links)
}

// resolveSteps resolves a link's target part by part, so that .. means the
// parent of what the part before leads to.
func (t *tree) resolveSteps(target string, links *int) (string, error) {
	at := ""
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			at = strings.TrimPrefix(path.Dir("/"+at), "/")
			continue
		}
		next, err := t.resolve(path.Join(at, part), true, links)
		if err != nil {
			return "", err
		}
		at = next
	}
	return at, nil
}

// missing tells a path through something that is no directory apart from a
// read error: there is no such file either way.
func missing(err error) error {
	if strings.HasSuffix(err.Error(), "not a directory") {
		return fs.ErrNotExist
	}
	return err
}

// absent reports whether err means that there is surely no such file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
