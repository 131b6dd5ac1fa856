package xfs

import (
	"bytes"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// A symbolic link outside of its inode: struct xfs_dsymlink_hdr in Linux
// fs/xfs/libxfs/xfs_format.h.
const (
	slMagic      = "XSLM"
	slOffset     = 4
	slBytes      = 8
	slHeaderSize = 56

	// maxTarget is XFS_SYMLINK_MAXLEN.
	maxTarget = 1024
)

func (n *inode) readTarget() (string, error) {
	size := n.attr.Size
	if size == 0 || size > maxTarget {
		return "", diskerr.Corrupt("target of %d bytes", size)
	}
	target, err := n.targetBytes(size)
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(target, 0) >= 0 {
		return "", diskerr.Corrupt("impossible target %q", target)
	}
	return string(target), nil
}

func (n *inode) targetBytes(size int64) ([]byte, error) {
	if n.format == formatLocal {
		if size > int64(len(n.fork)) {
			return nil, diskerr.Corrupt("target of %d bytes in %d of the inode", size, len(n.fork))
		}
		return n.fork[:size], nil
	}
	list, err := n.readExtents()
	if err != nil {
		return nil, err
	}
	if n.d.sb.features.v5() {
		return n.joinTarget(list)
	}
	target := make([]byte, size)
	return target, readat.Full(n.d.file(list, size), target, 0, "target")
}

// joinTarget takes the target together: of version 5, each extent has one
// header, however many blocks it has (xfs_symlink_remote_read).
func (n *inode) joinTarget(list []extent) ([]byte, error) {
	var target []byte
	for _, e := range list {
		part, err := n.readTargetExtent(e)
		if err != nil {
			return nil, err
		}
		if be.Uint32(part[slOffset:]) != uint32(len(target)) {
			return nil, diskerr.Corrupt("its part for byte %d is missing", len(target))
		}
		length := be.Uint32(part[slBytes:])
		if int64(length) > int64(len(part)-slHeaderSize) {
			return nil, diskerr.Corrupt("part of %d bytes in %d", length, len(part)-slHeaderSize)
		}
		target = append(target, part[slHeaderSize:slHeaderSize+length]...)
	}
	if int64(len(target)) != n.attr.Size {
		return nil, diskerr.Corrupt("target of %d bytes, want %d", len(target), n.attr.Size)
	}
	return target, nil
}

func (n *inode) readTargetExtent(e extent) ([]byte, error) {
	// The longest target and its header are in two blocks of 1 KiB, or in one.
	if e.unwritten || e.count > 2 {
		return nil, diskerr.Corrupt("it is in an impossible extent of %d blocks", e.count)
	}
	raw := make([]byte, int64(e.count)*n.d.sb.blockSize)
	if err := readat.Full(n.d.r, raw, e.disk, "symbolic link"); err != nil {
		return nil, err
	}
	if got := string(raw[:len(slMagic)]); got != slMagic {
		return nil, diskerr.Corrupt("its block has the magic %q, want %q", got, slMagic)
	}
	return raw, n.d.sb.checkBlock(symlinkHeader, "its block", raw, e.disk, n.attr.Ino)
}
