package filesystem

import (
	"sync"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// names is what a directory holds.
type names struct {
	parent  uint64
	entries []Entry
	// byName has the names as FS.fold makes them.
	byName map[string]uint64
}

// maxNames bounds one directory: the names alone are then about 512 MiB at
// the very worst, and no directory of a system comes near it.
const maxNames = 2 << 20

func readNames(inode Inode, fold func(string) string) (*names, error) {
	n := &names{byName: map[string]uint64{}}
	tooMany, hasParent := false, false
	err := inode.Entries(func(e Entry) bool {
		switch e.Name {
		case ".":
			return true
		case "..":
			n.parent, hasParent = e.Ino, true
			return true
		}
		if name := fold(e.Name); !n.has(name) {
			n.byName[name] = e.Ino
			n.entries = append(n.entries, e)
		}
		tooMany = len(n.entries) >= maxNames
		return !tooMany
	})
	switch {
	case err != nil:
		return nil, err
	case tooMany:
		return nil, diskerr.Unsupported("directory of more than %d entries", maxNames)
	case !hasParent:
		return nil, diskerr.Corrupt("directory without an entry for its parent")
	}
	return n, nil
}

func (n *names) has(folded string) bool {
	_, ok := n.byName[folded]
	return ok
}

// directoryCache keeps the directories that were read last, so that a walk
// that opens each file by its path does not read a directory once a file.
type directoryCache struct {
	mu    sync.Mutex
	held  int
	order []uint64 // oldest first
	byIno map[uint64]*names
}

// Limits of the cache, in directories and in names over all of them.
const (
	cachedDirectories = 64
	cachedNames       = 1 << 18
)

func newDirectoryCache() *directoryCache {
	return &directoryCache{byIno: map[uint64]*names{}}
}

func (c *directoryCache) get(ino uint64) (*names, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.byIno[ino]
	return n, ok
}

func (c *directoryCache) put(ino uint64, n *names) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byIno[ino]; ok {
		return
	}
	c.byIno[ino] = n
	c.order = append(c.order, ino)
	c.held += len(n.entries)
	for len(c.order) > 1 && (len(c.order) > cachedDirectories || c.held > cachedNames) {
		c.held -= len(c.byIno[c.order[0]].entries)
		delete(c.byIno, c.order[0])
		c.order = c.order[1:]
	}
}
