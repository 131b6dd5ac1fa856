package filesystem

import "sync"

// inodeCache keeps the inodes that were read last: every path begins at the
// root, and what was just listed is often opened next.
type inodeCache struct {
	driver Driver

	mu    sync.Mutex
	order []uint64 // oldest first
	byIno map[uint64]Inode
}

// cachedInodes bounds the cache. An inode of ext4 can fill a block, so that is
// 64 MiB at the very worst.
const cachedInodes = 1024

func newInodeCache(d Driver) *inodeCache {
	return &inodeCache{driver: d, byIno: map[uint64]Inode{}}
}

// inode is Driver.Inode.
func (c *inodeCache) inode(ino uint64) (Inode, error) {
	if n, ok := c.get(ino); ok {
		return n, nil
	}
	n, err := c.driver.Inode(ino)
	if err != nil {
		return nil, err
	}
	c.put(ino, n)
	return n, nil
}

func (c *inodeCache) get(ino uint64) (Inode, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.byIno[ino]
	return n, ok
}

func (c *inodeCache) put(ino uint64, n Inode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byIno[ino]; ok {
		return
	}
	c.byIno[ino] = n
	c.order = append(c.order, ino)
	if len(c.order) > cachedInodes {
		delete(c.byIno, c.order[0])
		c.order = c.order[1:]
	}
}
