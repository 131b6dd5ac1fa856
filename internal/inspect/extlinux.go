package inspect

import (
	"path"
	"slices"
	"strings"
)

// Bounds of what one menu of syslinux includes.
const (
	maxIncludes     = 40
	maxIncludeDepth = 8
)

// extlinuxEntries reads the menus of syslinux and its kin, which U-Boot reads,
// too: those of Alpine, of Debian for U-Boot, and of Arch.
func extlinuxEntries(t *tree, n *notes, folder string) []BootEntry {
	var entries []BootEntry
	for _, name := range []string{"extlinux.conf", "extlinux/extlinux.conf", "syslinux/syslinux.cfg", "syslinux/extlinux.conf", "syslinux.cfg"} {
		file := path.Join(folder, name)
		if !t.has(n, file) {
			continue
		}
		m := &extlinuxMenu{t: t, n: n, dir: path.Dir(file)}
		m.read(file, 0)
		entries = append(entries, m.finish()...)
	}
	return entries
}

// extlinuxMenu is one menu that is being read.
type extlinuxMenu struct {
	t        *tree
	n        *notes
	dir      string
	labels   []extlinuxLabel
	first    string // arguments before the first label: for labels without their own
	standard string // the label that is started by itself
	includes int
	full     bool // more than is read was included
}

// extlinuxLabel is one entry.
type extlinuxLabel struct {
	name, title, kernel, args, file string
	line                            int
	hasArgs, byDefault              bool
}

// read takes in one file (syslinux, doc/syslinux.txt and doc/menu.txt). Words
// are the same in capitals.
func (m *extlinuxMenu) read(file string, depth int) {
	text, _ := m.t.text(m.n, file)
	for line, setting := range settings(text) {
		setting = strings.ReplaceAll(setting, "\t", " ")
		word, rest, _ := strings.Cut(setting, " ")
		rest = strings.TrimSpace(rest)
		word = strings.ToLower(word)
		if word == "menu" {
			word, rest = menuCommand(rest)
		}
		switch {
		case word == "include":
			m.include(rest, depth)
		case word == "label":
			m.labels = append(m.labels, extlinuxLabel{name: rest, title: rest, file: file, line: line})
		case len(m.labels) == 0:
			m.global(word, rest)
		default:
			m.labels[len(m.labels)-1].set(word, rest, file, line)
		}
	}
}

// menuCommand turns the commands of the menu into words of their own.
func menuCommand(rest string) (word, value string) {
	word, value, _ = strings.Cut(rest, " ")
	value = strings.TrimSpace(value)
	if word = strings.ToLower(word); word == "include" {
		value, _, _ = strings.Cut(value, " ")
		return word, value
	}
	return "menu " + word, strings.ReplaceAll(value, "^", "")
}

func (m *extlinuxMenu) global(word, rest string) {
	switch word {
	case "append":
		m.first = rest
	case "default", "ontimeout":
		m.standard = rest
	}
}

// include reads another file of the menu's folder.
func (m *extlinuxMenu) include(name string, depth int) {
	if m.full {
		return
	}
	if m.includes++; m.includes > maxIncludes || depth == maxIncludeDepth {
		m.full = true
		m.n.unknown("%s: more than %d files are included, or more than %d in each other", quote(m.dir), maxIncludes, maxIncludeDepth)
		return
	}
	file := name
	if !path.IsAbs(name) {
		file = path.Join(m.dir, name)
	}
	m.read(file, depth+1)
}

func (l *extlinuxLabel) set(word, rest, file string, line int) {
	switch word {
	case "linux", "kernel":
		l.kernel, _, _ = strings.Cut(rest, " ")
		if _, args, ok := strings.Cut(rest, " "); ok {
			l.args, l.hasArgs = args, true
		}
		l.file, l.line = file, line
	case "append":
		l.args, l.hasArgs, l.file, l.line = rest, true, file, line
	case "menu label":
		l.title = rest
	case "menu default":
		l.byDefault = true
	}
}

// finish returns the entries that start a kernel. "append -" means none at all.
func (m *extlinuxMenu) finish() []BootEntry {
	var entries []BootEntry
	var names []string
	for _, l := range m.labels {
		if l.kernel == "" || slices.Contains([]string{".c32", ".com", ".cbt", ".bin", ".bss"}, strings.ToLower(path.Ext(l.kernel))) || strings.Contains(l.kernel, "memtest") {
			continue
		}
		args := l.args
		if !l.hasArgs {
			args = m.first
		}
		if args == "-" {
			args = ""
		}
		e := newBootEntry(l.file, l.line, l.title, l.kernel, args)
		e.Default = l.byDefault
		entries, names = append(entries, e), append(names, l.name)
	}
	markNamed(entries, names, m.standard)
	return entries
}

// markNamed marks the entry with a name, unless one is marked already; without
// one of that name, the first.
func markNamed(entries []BootEntry, names []string, name string) {
	if len(entries) == 0 || slices.ContainsFunc(entries, func(e BootEntry) bool { return e.Default }) {
		return
	}
	entries[max(slices.Index(names, name), 0)].Default = true
}
