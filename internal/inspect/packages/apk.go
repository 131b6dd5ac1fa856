package packages

import (
	"io/fs"
	"strings"
)

// readAPK reads the database of Alpine's apk: fields of one letter (apk-tools,
// apk_installed(5)).
func readAPK(fsys fs.FS, installed string) ([]Package, error) {
	text, err := readText(fsys, installed, maxText)
	if err != nil {
		return nil, err
	}
	var list []Package
	err = stanzas(text, ":", func(field map[string]string) (err error) {
		if name := field["P"]; name != "" {
			list, err = appendPackage(list, Package{Name: strings.Clone(name), Version: strings.Clone(field["V"])})
		}
		return err
	}, "P", "V")
	return list, err
}
