package vhd

import "github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/blocks"

// Extent returns how many bytes of the disk from off are alike, and whether
// they read as zeros because the image has nothing there.
func (i *Image) Extent(off int64) (length int64, zero bool, err error) {
	if m, ok := i.ReaderAt.(*blocks.Map); ok {
		return m.Extent(off)
	}
	return i.size - off, false, nil
}
