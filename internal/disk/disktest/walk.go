package disktest

import (
	"io/fs"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/filesystem"
)

// walkedFile is the most that is read of a file, in bytes.
const walkedFile = 1 << 20

// FirstError reads everything in fsys until something can not be read.
func FirstError(fsys *filesystem.FS) error {
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			_, err = filesystem.ReadFile(fsys, name, walkedFile)
		}
		if err == nil && entry.Type() == fs.ModeSymlink {
			_, err = fsys.ReadLink(name)
		}
		return err
	})
}

// ReadEverything goes on after errors: it is for fuzzing, where what matters
// is that it ends.
func ReadEverything(fsys *filesystem.FS) {
	_ = fs.WalkDir(fsys, ".", func(name string, _ fs.DirEntry, _ error) error {
		_, _ = fs.ReadFile(fsys, name)
		_, _ = fsys.ReadLink(name)
		_, _ = fsys.Stat(name)
		return nil
	})
}
