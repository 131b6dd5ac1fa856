package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// readPacman reads pacman's local database: a directory with a file desc for
// each package.
func readPacman(fsys fs.FS, local string) ([]Package, error) {
	entries, err := fs.ReadDir(fsys, local)
	if err != nil {
		return nil, err
	}
	var list []Package
	total := 0
	for _, e := range entries {
		desc := path.Join(local, e.Name(), "desc")
		text, err := readText(fsys, desc, maxEntry)
		if errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", desc, err)
		}
		if total += len(text); total > maxText {
			return nil, fmt.Errorf("its files are larger than the %d bytes that are read of them", maxText)
		}
		p := Package{Name: descValue(text, "%NAME%"), Version: descValue(text, "%VERSION%")}
		if p.Name == "" {
			return nil, diskerr.Corrupt("%s: names no package", desc)
		}
		if list, err = appendPackage(list, p); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// descValue returns the line behind a line that is a key (pacman,
// lib/libalpm/be_local.c).
func descValue(text, key string) string {
	found := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if found {
			return strings.Clone(line)
		}
		found = line == key
	}
	return ""
}
