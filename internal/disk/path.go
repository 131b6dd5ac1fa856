package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// openFile looks before it opens: opening a pipe would wait for its writer.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("disk image: %w", err)
	}
	if err := checkMode(path, info.Mode()); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("disk image: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("disk image: size: %w", err), f.Close())
	}
	return f, size, nil
}

func checkMode(path string, mode fs.FileMode) error {
	block := mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
	switch {
	case mode.IsRegular() || block:
		return nil
	case mode.IsDir():
		return fmt.Errorf("disk image %s: it is a directory; name the image file in it", path)
	}
	return fmt.Errorf("disk image %s: it is neither a regular file nor a block device, but %v", path, mode.Type())
}

// extentFiles opens the files that a VMDK descriptor at path keeps its disk in.
// That an image names a file is no reason to open it: only files that are named
// after the path that the user gave, as VMware and QEMU name them (image.vmdk and
// image-flat.vmdk, image-f001.vmdk, image-s001.vmdk), are opened, beside it,
// and only where they are regular files and no links.
type extentFiles struct {
	path   string
	opened map[string]*os.File
}

func (e *extentFiles) open(name string) (io.ReaderAt, int64, error) {
	if !e.belongs(name) {
		return nil, 0, diskerr.Unsafe("its file %s is not named after the image, such as %s, and was not opened; make one file of the image with qemu-img convert -O qcow2 if you trust it", strconv.Quote(name), strconv.Quote(e.stem()+"-flat"+filepath.Ext(e.path)))
	}
	f, ok := e.opened[name]
	if !ok {
		var err error
		if f, err = openBeside(filepath.Dir(e.path), name); err != nil {
			return nil, 0, err
		}
		e.opened[name] = f
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, fmt.Errorf("size of its file: %w", err)
	}
	return f, size, nil
}

func (e *extentFiles) stem() string {
	return strings.TrimSuffix(filepath.Base(e.path), filepath.Ext(e.path))
}

// belongs: what an image can have opened is settled by its own name.
func (e *extentFiles) belongs(name string) bool {
	return regexp.MustCompile(`^` + regexp.QuoteMeta(e.stem()) + `-(flat|[fs][0-9]{3,6})` + regexp.QuoteMeta(filepath.Ext(e.path)) + `$`).MatchString(name)
}

// openBeside opens a regular file of a folder, and follows no link.
func openBeside(folder, name string) (_ *os.File, err error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("its file %s: %w", strconv.Quote(name), err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	before, err := root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("its file: %w", err)
	}
	if !before.Mode().IsRegular() {
		return nil, diskerr.Unsafe("its file %s is no regular file, but %v, and was not opened", strconv.Quote(name), before.Mode().Type())
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("its file: %w", err)
	}
	if after, err := f.Stat(); err != nil || !os.SameFile(before, after) {
		return nil, errors.Join(diskerr.Unsafe("its file %s was replaced while it was opened", strconv.Quote(name)), err, f.Close())
	}
	return f, nil
}

// Close closes the files.
func (e *extentFiles) Close() error {
	var errs []error
	for _, f := range e.opened {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
