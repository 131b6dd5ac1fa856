package inspect

import (
	"path"
	"slices"
	"strings"
)

// typeOneFile is a boot entry in a file of its own (UAPI.1 Boot Loader
// Specification, type #1).
type typeOneFile struct {
	file, title, sortKey, machine, version string
	kernel, options                        string
	line                                   int // of the first options
}

// typeOneFiles returns the entries in a folder that start a kernel, the newest
// first.
func typeOneFiles(t *tree, n *notes, dir string) []typeOneFile {
	var found []typeOneFile
	for _, file := range newestFirst(t.glob(n, dir, "*.conf")) {
		if len(found) == maxBootEntries {
			n.unknown("%s: more than %d boot entries", quote(dir), maxBootEntries)
			break
		}
		if text, ok := t.text(n, file); ok {
			if f := parseTypeOne(file, text); f.kernel != "" {
				found = append(found, f)
			}
		}
	}
	return found
}

// newestFirst sorts files by what their names say of versions.
func newestFirst(files []string) []string {
	slices.SortStableFunc(files, func(a, b string) int { return newest(path.Base(a), path.Base(b)) })
	return files
}

// parseTypeOne reads one file; of the keys that are given again, only options
// add up.
func parseTypeOne(file, text string) typeOneFile {
	f := typeOneFile{file: file}
	var options []string
	for line, setting := range settings(text) {
		key, value, _ := strings.Cut(strings.ReplaceAll(setting, "\t", " "), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "title":
			f.title = value
		case "sort-key":
			f.sortKey = value
		case "machine-id":
			f.machine = value
		case "version":
			f.version = value
		case "linux":
			f.kernel, f.line = value, max(f.line, line)
		case "options":
			if len(options) == 0 {
				f.line = line
			}
			options = append(options, value)
		}
	}
	f.options = strings.Join(options, " ")
	return f
}
