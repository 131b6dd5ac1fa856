package inspect

import (
	"iter"
	"path"
	"strings"
)

// guest is what the looks at the single requirements share: the facts, the
// file tree and what was worked out from it once.
type guest struct {
	*tree
	facts    *Facts
	layout   layout
	config   config
	services *services
	units    *units // nil where the guest has another init than systemd
	// installed knows the packages.
	installed installed
	// drivers, by the kernel's version, and ramdisks, by their file, are what
	// was read of them so far.
	drivers  map[string]driversRead
	ramdisks map[string]*ramdisk
	// early is what was read of the latter.
	early *budget
	// bootErr says why kernels and boot entries could not all be read,
	// cloudOpen what stayed open of cloud-init's set-up.
	bootErr, cloudOpen error
}

// text returns the content of a configuration file, and false where there is
// none. What hinders reading it is noted as unknown.
func (t *tree) text(n *notes, name string) (string, bool) {
	if _, err := t.stat(name); err == nil && t.textLeft <= 0 {
		n.unknown("%s is not read: the guest has too much text", quote(name))
		return "", false
	}
	b, err := t.read(name, maxText)
	t.textLeft -= int64(len(b))
	if err == nil {
		return string(b), true
	}
	if !absent(err) {
		n.unknown("%s: %v", quote(name), err)
	}
	return "", false
}

// names lists a directory, empty where there is none. What hinders listing it
// is noted as unknown.
func (t *tree) names(n *notes, dir string) []string {
	names, err := t.list(dir)
	if err != nil && !absent(err) {
		n.unknown("%s: %v", quote(dir), err)
	}
	return names
}

// glob returns the paths of dir's entries whose names match one of the
// patterns.
func (t *tree) glob(n *notes, dir string, patterns ...string) []string {
	var paths []string
	for _, name := range t.names(n, dir) {
		for _, pattern := range patterns {
			if ok, err := path.Match(pattern, name); ok && err == nil {
				paths = append(paths, path.Join(dir, name))
				break
			}
		}
	}
	return paths
}

// has reports whether there is a file or directory name. What hinders looking
// is noted as unknown.
func (t *tree) has(n *notes, name string) bool {
	_, err := t.stat(name)
	if err != nil && !absent(err) {
		n.unknown("%s: %v", quote(name), err)
	}
	return err == nil
}

// first returns the first of names that is there.
func (t *tree) first(n *notes, names ...string) (string, bool) {
	for _, name := range names {
		if t.has(n, name) {
			return name, true
		}
	}
	return "", false
}

// program returns the path of a program in the directories of root's PATH.
func (t *tree) program(n *notes, name string) (string, bool) {
	return t.first(n, "/usr/sbin/"+name, "/usr/bin/"+name, "/sbin/"+name, "/bin/"+name,
		"/usr/local/sbin/"+name, "/usr/local/bin/"+name)
}

// lines yields the numbered lines of a text file.
func lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.Lines(text) {
			n++
			if !yield(n, strings.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}

// settings yields the numbered lines that are neither empty nor a comment.
func settings(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for n, line := range lines(text) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			if !yield(n, line) {
				return
			}
		}
	}
}
