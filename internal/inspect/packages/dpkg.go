package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// readDpkg reads dpkg's status file, and over it the journal that dpkg leaves
// when it was cut off: one file a package, in updates (dpkg, lib/dpkg/dbmodify.c).
func readDpkg(fsys fs.FS, status string) ([]Package, error) {
	text, err := readText(fsys, status, maxText)
	if err != nil {
		return nil, err
	}
	d := dpkg{latest: map[string]Package{}}
	if err := d.add(text); err != nil {
		return nil, err
	}
	updates := path.Join(path.Dir(status), "updates")
	entries, err := fs.ReadDir(fsys, updates)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	total := 0
	for _, e := range entries {
		if strings.Trim(e.Name(), "0123456789") != "" {
			continue
		}
		if text, err = readText(fsys, path.Join(updates, e.Name()), maxEntry); err != nil {
			return nil, err
		}
		if total += len(text); total > maxText {
			return nil, fmt.Errorf("the journal %s is larger than the %d bytes that are read of it", updates, maxText)
		}
		if err := d.add(text); err != nil {
			return nil, err
		}
	}
	return d.packages()
}

// dpkg gathers the packages in the order in which they were first named.
type dpkg struct {
	order  []string
	latest map[string]Package // name and architecture: package, its name empty unless installed
}

// add reads the stanzas of a status file. A package counts as installed where
// its status ends so, whatever is wanted of it (dpkg(1), Package states).
func (d *dpkg) add(text string) error {
	return stanzas(text, ": ", func(field map[string]string) error {
		key := field["Package"] + ":" + field["Architecture"]
		p := Package{Name: strings.Clone(field["Package"]), Version: strings.Clone(field["Version"])}
		if !strings.HasSuffix(field["Status"], " ok installed") {
			p = Package{}
		}
		if _, known := d.latest[key]; !known {
			var err error
			if d.order, err = bounded(d.order, strings.Clone(key)); err != nil {
				return err
			}
		}
		d.latest[strings.Clone(key)] = p
		return nil
	}, "Package", "Architecture", "Version", "Status")
}

func (d *dpkg) packages() ([]Package, error) {
	var list []Package
	for _, key := range d.order {
		p := d.latest[key]
		if p.Name == "" {
			continue
		}
		var err error
		if list, err = appendPackage(list, p); err != nil {
			return nil, err
		}
	}
	return list, nil
}
