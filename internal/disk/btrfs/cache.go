package btrfs

import "sync"

// cache keeps what was used last, within a bound of bytes. It is safe for
// concurrent use.
type cache[K comparable] struct {
	mu    sync.Mutex
	limit int
	held  int
	order []K // oldest first
	byKey map[K][]byte
}

func newCache[K comparable](limit int) *cache[K] {
	return &cache[K]{limit: limit, byKey: map[K][]byte{}}
}

// get returns what is kept, or what read returns, which nobody may change.
func (c *cache[K]) get(key K, read func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	p, ok := c.byKey[key]
	c.mu.Unlock()
	if ok {
		return p, nil
	}
	p, err := read()
	if err == nil {
		c.put(key, p)
	}
	return p, err
}

func (c *cache[K]) put(key K, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[key]; ok {
		return
	}
	c.byKey[key] = p
	c.order = append(c.order, key)
	c.held += len(p)
	for c.held > c.limit && len(c.order) > 1 {
		c.held -= len(c.byKey[c.order[0]])
		delete(c.byKey, c.order[0])
		c.order = c.order[1:]
	}
}
