package inspect

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// grubEntries reads the menus of GRUB 2: Debian's folder and that of the
// others, and in an EFI system partition those of EL up to 8. What only leads
// to the menu in /boot has no entries.
func grubEntries(t *tree, n *notes, folder string) []BootEntry {
	files := []string{path.Join(folder, "grub", "grub.cfg"), path.Join(folder, "grub2", "grub.cfg")}
	for _, vendor := range t.names(n, path.Join(folder, "EFI")) {
		files = append(files, path.Join(folder, "EFI", vendor, "grub.cfg"))
	}
	var entries []BootEntry
	for _, file := range files {
		if text, ok := t.text(n, file); ok {
			entries = append(entries, parseGrub(t, n, file, text)...)
		}
	}
	return entries
}

// grubMenu is one grub.cfg that is being read.
type grubMenu struct {
	*grubShell
	menu
	// open are the submenus around what is read, and counts how many entries
	// each of them and the menu itself have so far.
	open   []grubName
	counts []int
	names  [][]grubName // of each of the entries, from the outermost submenu on
	// typeOne is set once the entries in files are among them.
	typeOne bool
}

// grubName is what one level of GRUB's variable default can call an entry.
type grubName struct {
	index     int
	title, id string
}

// parseGrub returns the Linux entries of a grub.cfg. Every entry that it could
// show counts, whatever the condition.
func parseGrub(t *tree, n *notes, file, text string) []BootEntry {
	m := &grubMenu{grubShell: newGrubShell(t, n, path.Dir(file)), counts: []int{0}}
	m.read(file, text)
	m.markDefault()
	return m.entries
}

// read carries out one file.
func (m *grubMenu) read(file, text string) {
	for line, setting := range settings(joinLines(text)) {
		m.run(setting, func(words []string) { m.command(file, line, words) })
	}
}

func (m *grubMenu) command(file string, line int, words []string) {
	switch words[0] {
	case "source", ".", "configfile":
		if len(words) > 1 {
			m.source(words[1], m.read)
		}
	case "blscfg":
		m.addTypeOne()
	case "linux", "linux16", "linuxefi":
		if len(words) > 1 && !strings.Contains(words[1], "memtest") {
			e := newBootEntry(file, line, m.title(), words[1], strings.Join(words[2:], " "))
			m.record(e, m.around())
		}
	}
	if words[len(words)-1] == "{" {
		m.openBlock(words[:len(words)-1])
	}
}

// openBlock begins a menu entry, a submenu, a function, or plain braces.
func (m *grubMenu) openBlock(words []string) {
	kind := "{"
	if len(words) > 0 {
		kind = words[0]
	}
	m.grubShell.open(kind)
	if kind == "menuentry" || kind == "submenu" {
		m.enter(words)
	}
}

// enter keeps the name of an entry or a submenu.
func (m *grubMenu) enter(words []string) {
	depth := max(m.level()-1, 0)
	name := grubName{index: m.counts[depth], title: second(words), id: grubOption(words, "--id", "$menuentry_id_option")}
	m.counts[depth]++
	m.open = append(m.open[:depth], name)
	m.counts = append(m.counts[:depth+1], 0)
}

// level counts the entries and submenus around what is read.
func (m *grubMenu) level() int {
	level := 0
	for _, b := range m.blocks {
		if b.kind == "menuentry" || b.kind == "submenu" {
			level++
		}
	}
	return level
}

// around returns their names.
func (m *grubMenu) around() []grubName { return m.open[:min(m.level(), len(m.open))] }

// title is that of the innermost entry.
func (m *grubMenu) title() string {
	names := m.around()
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1].title
}

func second(words []string) string {
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// record adds an entry with the names that lead to it.
func (m *grubMenu) record(e BootEntry, names []grubName) {
	before := len(m.entries)
	m.add(m.n, e)
	if len(m.entries) > before {
		m.names = append(m.names, slices.Clone(names))
	}
}

// addTypeOne adds the entries that are files of their own, in which GRUB puts
// variables in place (grub2, blscfg module of Fedora).
func (m *grubMenu) addTypeOne() {
	if m.typeOne || m.state() == isFalse {
		return
	}
	m.typeOne = true
	top := path.Dir(m.dir)
	if path.Base(top) == "EFI" {
		top = "/boot"
	}
	for _, f := range typeOneFiles(m.t, m.n, path.Join(top, "loader", "entries")) {
		args := m.expand(f.options)
		name := grubName{index: m.counts[0], title: f.title, id: strings.TrimSuffix(path.Base(f.file), ".conf")}
		m.counts[0]++
		m.record(newBootEntry(f.file, f.line, f.title, f.kernel, args), []grubName{name})
	}
}

// expand puts the variables of a text that is no command in place.
func (m *grubMenu) expand(text string) string {
	w := &grubWords{sh: m.grubShell, rest: text}
	for w.rest != "" {
		if w.rest[0] == '$' {
			w.variable(true)
		} else {
			w.literal()
		}
	}
	return w.word.String()
}

// grubOption returns the word behind the first of the options that is there.
func grubOption(words []string, options ...string) string {
	for i, word := range words {
		if slices.Contains(options, word) && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}

// markDefault marks the entry that GRUB starts by itself: the one that its
// variable default names, by numbers, titles or IDs with ">" between the
// levels, else the first (GRUB manual, section 16.3.2, default).
func (m *grubMenu) markDefault() {
	value := m.lookup("default")
	if len(m.entries) == 0 || value.unsure {
		return
	}
	levels := strings.Split(value.text, ">")
	for i := range m.entries {
		if slices.EqualFunc(m.names[i], levels, grubName.is) {
			m.entries[i].Default = true
			return
		}
	}
	if m.isFirst(0) {
		m.entries[0].Default = true
	}
}

// isFirst reports whether an entry is the first of the whole menu.
func (m *grubMenu) isFirst(i int) bool {
	return len(m.names[i]) == 1 && m.names[i][0].index == 0
}

func (g grubName) is(wanted string) bool {
	return wanted != "" && (wanted == strconv.Itoa(g.index) || wanted == g.title || wanted == g.id)
}
