package btrfs

import (
	"fmt"
	"iter"
	"math"
	"sort"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Objects and kinds of items: include/uapi/linux/btrfs_tree.h.
const (
	treeRoot     = 1
	treeChunk    = 3
	treeTopLevel = 5
	treeChecksum = 7

	chunkObject    = 256
	checksumObject = 1<<64 - 10
	firstFree      = 256
	lastFree       = 1<<64 - 256

	kindInode       = 1
	kindInodeRef    = 12
	kindDirItem     = 84
	kindDirIndex    = 96
	kindExtent      = 108
	kindChecksum    = 128
	kindRoot        = 132
	kindRootBackref = 144
	kindRootRef     = 156
	kindChunk       = 228
)

// item is an entry of a tree. Its data is shared, and not to be changed.
type item struct {
	key  key
	data []byte
}

// tree is one of the trees that a file system is made of.
type tree struct {
	v    *Volume
	id   uint64
	root pointer
}

// span is the keys that a node may have. Since the children of a node share
// none, no node is in a tree twice, and a walk ends.
type span struct{ from, to key }

var everyKey = span{to: key{math.MaxUint64, math.MaxUint8, math.MaxUint64}}

// find returns the item with the key k.
func (t *tree) find(k key) (item, bool, error) {
	it, ok, err := t.floor(k)
	return it, ok && it.key == k, err
}

// itemsOf yields the items of one kind that an object has.
func (t *tree) itemsOf(object uint64, kind uint8) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for it, err := range t.items(key{object, kind, 0}) {
			if err == nil && (it.key.object != object || it.key.kind != kind) {
				return
			}
			if !yield(it, err) {
				return
			}
		}
	}
}

// first returns the first item of one kind that an object has.
func (t *tree) first(object uint64, kind uint8) (found item, ok bool, err error) {
	_, err = t.walk(t.root, everyKey, key{object, kind, 0}, func(it item, _ error) bool {
		found, ok = it, it.key.object == object && it.key.kind == kind
		return false
	})
	return found, ok, err
}

// items yields the items from the key from on, in order. An error is the last
// that it yields.
func (t *tree) items(from key) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		if _, err := t.walk(t.root, everyKey, from, yield); err != nil {
			yield(item{}, err)
		}
	}
}

// walk reports whether yield wants more.
func (t *tree) walk(p pointer, within span, from key, yield func(item, error) bool) (bool, error) {
	n, err := t.node(p, within)
	if err != nil {
		return false, err
	}
	if n.level == 0 {
		first := sort.Search(n.count, func(i int) bool { return n.key(i).compare(from) >= 0 })
		for i := first; i < n.count; i++ {
			if !yield(n.item(i), nil) {
				return false, nil
			}
		}
		return true, nil
	}
	for i := max(0, n.after(from)-1); i < n.count; i++ {
		more, err := t.walk(n.child(i), n.childSpan(i, within), from, yield)
		if !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// floor returns the last item whose key is not after k.
func (t *tree) floor(k key) (item, bool, error) {
	p, within := t.root, everyKey
	for {
		n, err := t.node(p, within)
		if err != nil {
			return item{}, false, err
		}
		i := n.after(k) - 1
		if i < 0 {
			return item{}, false, nil
		}
		if n.level == 0 {
			return n.item(i), true, nil
		}
		p, within = n.child(i), n.childSpan(i, within)
	}
}

// after is the index of the first entry whose key is after k.
func (n node) after(k key) int {
	return sort.Search(n.count, func(i int) bool { return n.key(i).compare(k) > 0 })
}

// childSpan is from the key of entry i to that of the next.
func (n node) childSpan(i int, within span) span {
	child := span{from: n.key(i), to: within.to}
	if i+1 < n.count {
		child.to = n.key(i + 1)
	}
	return child
}

// node reads a node of the tree that may have the keys within.
func (t *tree) node(p pointer, within span) (node, error) {
	n, err := t.v.readNode(p)
	if err == nil {
		err = n.checkSpan(within)
	}
	if err != nil {
		return node{}, fmt.Errorf("tree %d: %w", t.id, err)
	}
	return n, nil
}

func (n node) checkSpan(within span) error {
	switch {
	case within == everyKey:
		return nil
	case n.count == 0:
		return diskerr.Corrupt("a leaf below others is empty")
	case n.key(0) != within.from:
		return diskerr.Corrupt("its first key is %v, but the node above says %v", n.key(0), within.from)
	case n.key(n.count-1).compare(within.to) >= 0:
		return diskerr.Corrupt("its last key %v belongs to the node behind it", n.key(n.count-1))
	}
	return nil
}
