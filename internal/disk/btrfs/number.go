package btrfs

import (
	"sync"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// place is an inode of a subvolume, which has inode numbers of its own.
type place struct{ id, object uint64 }

// The number of an inode has both in it where they are small enough. Others,
// and directories that are not stored, get the next number with one of the
// high bits. Linux counts inodes up from 256, but mkfs.btrfs takes over those
// of the folder that it copies.
const (
	objectBits = 40
	idBits     = 22
	farBit     = 1 << 62
	staleBit   = 1 << 63
)

// number returns the number of the inode at p.
func (v *Volume) number(p place) (uint64, error) {
	if p.id>>idBits == 0 && p.object>>objectBits == 0 {
		return p.id<<objectBits | p.object, nil
	}
	index, err := v.far.index(p)
	return farBit | index, err
}

// place returns where the inode with a number is, which may not exist.
func (v *Volume) place(number uint64) (place, error) {
	if number&farBit != 0 {
		return v.far.at(number &^ farBit)
	}
	return place{number >> objectBits, number & (1<<objectBits - 1)}, nil
}

// maxNumbers bounds how many are handed out.
const maxNumbers = 1 << 20

// numbers hands out indices. It is safe for concurrent use.
type numbers[K comparable] struct {
	mu     sync.Mutex
	of     map[K]uint64
	handed []K
}

func newNumbers[K comparable]() *numbers[K] { return &numbers[K]{of: map[K]uint64{}} }

func (n *numbers[K]) index(k K) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, ok := n.of[k]; ok {
		return i, nil
	}
	if len(n.handed) == maxNumbers {
		return 0, diskerr.Unsupported("more than %d inodes with unusual numbers", maxNumbers)
	}
	i := uint64(len(n.handed))
	n.of[k] = i
	n.handed = append(n.handed, k)
	return i, nil
}

func (n *numbers[K]) at(i uint64) (K, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i < uint64(len(n.handed)) {
		return n.handed[i], nil
	}
	var none K
	return none, diskerr.Corrupt("an inode number that was not handed out")
}
