// Package packages reads what a guest's package manager wrote down of what is
// installed: dpkg, rpm, apk, pacman and Portage.
package packages

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Bounds of one database, so that a hostile one costs no more than a large one.
const (
	maxPackages = 50000     // installed packages
	maxText     = 32 << 20  // bytes of a database that is a text file
	maxEntry    = 1 << 20   // bytes of a text file that is about one package
	maxRead     = 512 << 20 // bytes read of a database of rpm, repeats included
	maxName     = 256       // bytes of a name or a version
)

// Package is one installed package.
type Package struct {
	// Name is as the manager has it, in Gentoo with its category.
	Name string `json:"name"`
	// Version is the whole of it, with epoch and release where there are any.
	Version string `json:"version"`
}

// Database is what one package manager says is installed.
type Database struct {
	// Manager is dpkg, rpm, apk, pacman or portage.
	Manager string `json:"manager"`
	// Path is the file or directory that it was read from.
	Path string `json:"path"`
	// Packages are sorted by name and version. There can be several versions
	// of one, such as of a kernel.
	Packages []Package `json:"packages"`
}

// Version returns the version of a package, and whether it is installed; of
// several versions the last one in the database's order.
func (d *Database) Version(name string) (string, bool) {
	if d == nil {
		return "", false
	}
	i, found := slices.BinarySearchFunc(d.Packages, name, func(p Package, name string) int { return cmp.Compare(p.Name, name) })
	if !found {
		return "", false
	}
	version := ""
	for ; i < len(d.Packages) && d.Packages[i].Name == name; i++ {
		version = d.Packages[i].Version
	}
	return version, true
}

// format is one kind of database and where it may be.
type format struct {
	manager string
	paths   []string
	read    func(fsys fs.FS, path string) ([]Package, error)
}

// formats: RPM moved to /usr/lib/sysimage in Fedora 36 and SUSE, and leaves a
// link; Alpine moved to /usr/lib in 3.23; ostree keeps the database in /usr.
func formats() []format {
	return []format{
		{"dpkg", []string{"var/lib/dpkg/status"}, readDpkg},
		{"rpm", []string{"usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"}, readRPM},
		{"apk", []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}, readAPK},
		{"pacman", []string{"var/lib/pacman/local"}, readPacman},
		{"portage", []string{"var/db/pkg"}, readPortage},
	}
}

// Read finds and reads the database of a guest whose root is fsys. Where there
// are several, as of a Debian with rpm installed, the one with the most
// packages is the system's.
//
// The error is diskerr.ErrNotFound where there is no database with a package
// in it, and otherwise says why one could not be read.
func Read(fsys fs.FS) (*Database, error) {
	var best *Database
	var errs []error
	for _, f := range formats() {
		d, err := f.find(fsys)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		if err == nil && len(d.Packages) > 0 && (best == nil || len(d.Packages) > len(best.Packages)) {
			best = d
		}
	}
	switch {
	case best != nil:
		return best, nil
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	}
	return nil, diskerr.NotFound("there is no database of installed packages of dpkg, rpm, apk, pacman or Portage")
}

// find reads the first of the places that has a database.
func (f format) find(fsys fs.FS) (*Database, error) {
	for _, path := range f.paths {
		packages, err := f.read(fsys, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the %s database /%s: %w", f.manager, path, err)
		}
		slices.SortStableFunc(packages, func(a, b Package) int { return cmp.Compare(a.Name, b.Name) })
		return &Database{Manager: f.manager, Path: "/" + path, Packages: packages}, nil
	}
	return nil, fs.ErrNotExist
}

// appendPackage appends a package, up to the bound of a database.
func appendPackage(list []Package, p Package) ([]Package, error) {
	if len(list) >= maxPackages {
		return nil, fmt.Errorf("holds more than %d packages", maxPackages)
	}
	if len(p.Name) > maxName || len(p.Version) > maxName {
		return nil, diskerr.Corrupt("a package's name or version is longer than %d bytes", maxName)
	}
	return append(list, p), nil
}

// readText returns a text file of at most limit bytes. It is a string so that
// names and versions can be cut out of it; what is kept must be cloned, or the
// whole text stays in memory.
func readText(fsys fs.FS, path string, limit int64) (string, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s is larger than the %d bytes that are read of such a file", path, limit)
	}
	return text.String(), errors.Join(err, f.Close())
}
