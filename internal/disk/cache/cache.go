// Package cache keeps tables and unpacked pieces of a disk image in bounded
// memory.
package cache

import (
	"container/list"
	"sync"
)

// Cache keeps the byte slices that were used last, up to a sum of bytes. It
// is safe for concurrent use; the slices must not be changed.
type Cache struct {
	limit int

	mu    sync.Mutex
	used  int
	order *list.List // front: used last
	byKey map[int64]*list.Element
}

type cached struct {
	key  int64
	data []byte
}

// New returns a cache of at most limit bytes; one slice is kept in any case.
func New(limit int) *Cache {
	return &Cache{limit: limit, order: list.New(), byKey: map[int64]*list.Element{}}
}

// Get returns what was put under key, and whether it is still there.
func (c *Cache) Get(key int64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(cached).data, true
}

// Put keeps data under key, and drops what was used least recently for it.
func (c *Cache) Put(key int64, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[key]; ok {
		return
	}
	c.byKey[key] = c.order.PushFront(cached{key, data})
	c.used += len(data)
	for c.used > c.limit && c.order.Len() > 1 {
		oldest := c.order.Remove(c.order.Back()).(cached)
		delete(c.byKey, oldest.key)
		c.used -= len(oldest.data)
	}
}
