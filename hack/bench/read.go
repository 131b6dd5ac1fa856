//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ext"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
)

// reads is how many bytes of an image's file an inspection reads. What it reads
// twice counts twice.
type reads struct {
	all int64
	// initramfs is how many of them are those of the initramfs.
	initramfs int64
}

// countReads inspects the image, and reads its initramfs to learn which bytes
// of the file those are.
func countReads(path string) (reads, error) {
	f, err := os.Open(path)
	if err != nil {
		return reads{}, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return reads{}, err
	}
	recorded := &recorder{r: f}
	img, err := disk.NewReader(recorded, info.Size())
	if err != nil {
		return reads{}, err
	}
	if _, err := inspect.Image(context.Background(), img); err != nil {
		return reads{}, err
	}
	ofInitramfs := &recorder{r: f}
	if err := readInitramfs(ofInitramfs, info.Size()); err != nil {
		return reads{}, err
	}
	return reads{all: recorded.bytes(), initramfs: recorded.bytesIn(ofInitramfs.stretches)}, nil
}

// readInitramfs leaves only the reads of the initramfs's content in r.
func readInitramfs(r *recorder, size int64) error {
	img, err := disk.NewReader(r, size)
	if err != nil {
		return err
	}
	table, err := partition.Read(img, img.Size())
	if err != nil {
		return err
	}
	if len(table.Partitions) != 1 {
		return fmt.Errorf("it has %d partitions, not one", len(table.Partitions))
	}
	p := table.Partitions[0]
	root, err := ext.Open(io.NewSectionReader(img, p.Start, p.Size), p.Size)
	if err != nil {
		return err
	}
	names, err := fs.Glob(root, "boot/initrd.img-*")
	if err != nil || len(names) != 1 {
		return errors.Join(err, fmt.Errorf("%d files /boot/initrd.img-*, not one", len(names)))
	}
	f, err := root.Open(names[0])
	if err != nil {
		return err
	}
	r.stretches = nil
	_, err = io.Copy(io.Discard, f)
	return errors.Join(err, f.Close())
}

// recorder is a file that remembers what was read of it.
type recorder struct {
	r io.ReaderAt

	mu        sync.Mutex
	stretches []stretch
}

// stretch is a piece of a file, up to but without the byte at end.
type stretch struct{ start, end int64 }

func (r *recorder) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.r.ReadAt(p, off)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stretches = append(r.stretches, stretch{off, off + int64(n)})
	return n, err
}

func (r *recorder) bytes() (n int64) {
	for _, s := range r.stretches {
		n += s.end - s.start
	}
	return n
}

// bytesIn counts those of the bytes read that lie in other, whose stretches do
// not overlap.
func (r *recorder) bytesIn(other []stretch) (n int64) {
	for _, s := range r.stretches {
		for _, o := range other {
			n += max(0, min(s.end, o.end)-max(s.start, o.start))
		}
	}
	return n
}
