package packages

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// portageName cuts a directory's name into the package's name, its version and
// its revision (Package Manager Specification, 3.1 and 3.2).
var portageName = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9+_-]*?)-([0-9]+(?:\.[0-9]+)*[a-z]?(?:_(?:alpha|beta|pre|rc|p)[0-9]*)*(?:-r[0-9]+)?)$`)

// readPortage reads Portage's database: CATEGORY/NAME-VERSION is a directory
// for each package.
func readPortage(fsys fs.FS, db string) ([]Package, error) {
	categories, err := fs.ReadDir(fsys, db)
	if err != nil {
		return nil, err
	}
	var list []Package
	seen := 0
	for _, category := range categories {
		if !category.IsDir() || strings.HasPrefix(category.Name(), ".") {
			continue
		}
		entries, err := fs.ReadDir(fsys, path.Join(db, category.Name()))
		if err != nil {
			return nil, err
		}
		if seen += len(entries); seen > maxPackages {
			return nil, fmt.Errorf("holds more than %d entries", maxPackages)
		}
		for _, e := range entries {
			// A merge that did not end leaves -MERGING-NAME, which does not match.
			parts := portageName.FindStringSubmatch(e.Name())
			if parts == nil || !e.IsDir() {
				continue
			}
			if list, err = appendPackage(list, Package{Name: category.Name() + "/" + parts[1], Version: parts[2]}); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}
