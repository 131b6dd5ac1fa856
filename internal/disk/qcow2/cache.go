package qcow2

import (
	"container/list"
	"sync"
)

// cache keeps the byte slices that were used last, up to a sum of bytes. It
// is safe for concurrent use; the slices must not be changed.
type cache struct {
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

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), byKey: map[int64]*list.Element{}}
}

func (c *cache) get(key int64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(cached).data, true
}

func (c *cache) put(key int64, data []byte) {
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
