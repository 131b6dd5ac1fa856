package inspect

import (
	"path"
	"strconv"
	"strings"
)

// grubLegacyEntries reads the menu of GRUB before version 2. Where a menu of
// GRUB 2 lies beside it, the old one is a leftover.
func grubLegacyEntries(t *tree, n *notes, folder string) []BootEntry {
	if t.has(n, path.Join(folder, "grub", "grub.cfg")) || t.has(n, path.Join(folder, "grub2", "grub.cfg")) {
		return nil
	}
	file, ok := t.first(n, path.Join(folder, "EFI", "redhat", "grub.conf"),
		path.Join(folder, "grub", "grub.conf"), path.Join(folder, "grub", "menu.lst"))
	if !ok {
		return nil
	}
	text, _ := t.text(n, file)
	return parseGrubLegacy(n, file, text)
}

// parseGrubLegacy returns the kernel lines of a menu.lst (GRUB Legacy manual,
// section 13, Commands).
func parseGrubLegacy(n *notes, file, text string) []BootEntry {
	m := &menu{}
	title, count, standard := "", -1, 0
	var positions []int
	for line, setting := range settings(text) {
		word, rest, _ := strings.Cut(strings.NewReplacer("\t", " ", "=", " ").Replace(setting), " ")
		switch word {
		case "title":
			title = strings.TrimSpace(strings.TrimPrefix(setting, word))
			count++
		case "default":
			standard, _ = strconv.Atoi(strings.TrimSpace(rest))
		case "kernel":
			before := len(m.entries)
			m.add(n, legacyEntry(file, line, title, setting))
			if len(m.entries) > before {
				positions = append(positions, count)
			}
		}
	}
	for i, position := range positions {
		m.entries[i].Default = position == standard && (i == 0 || positions[i-1] != position)
	}
	return m.entries
}

// legacyEntry makes an entry of a line "kernel [--option…] FILE ARGUMENTS".
func legacyEntry(file string, line int, title, setting string) BootEntry {
	words := strings.Fields(setting)[1:]
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	return newBootEntry(file, line, title, words[0], strings.Join(words[1:], " "))
}
