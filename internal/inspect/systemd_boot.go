package inspect

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// systemdBootEntries reads what systemd-boot shows of an EFI system partition,
// or of an extended boot loader partition: entries in files, and unified kernel
// images. GRUB reads such files too, and has no loader.conf.
func systemdBootEntries(t *tree, n *notes, folder string) []BootEntry {
	config := path.Join(folder, "loader", "loader.conf")
	if !t.has(n, config) && !t.has(n, path.Join(folder, "EFI", "systemd")) {
		return nil
	}
	files := typeOneFiles(t, n, path.Join(folder, "loader", "entries"))
	slices.SortStableFunc(files, bySortKey)
	var entries []BootEntry
	for _, f := range files {
		entries = append(entries, newBootEntry(f.file, f.line, f.title, f.kernel, f.options))
	}
	entries = append(entries, unifiedEntries(t, n, folder)...)
	markPattern(entries, loaderDefault(t, n, config))
	return entries
}

// bySortKey orders entries as systemd-boot does: those with a sort key first,
// by that, the machine, and the newest version (UAPI.1, Sorting).
func bySortKey(a, b typeOneFile) int {
	if (a.sortKey == "") != (b.sortKey == "") {
		return strings.Compare(b.sortKey, a.sortKey)
	}
	if a.sortKey == "" {
		return 0
	}
	return cmp.Or(strings.Compare(a.sortKey, b.sortKey), strings.Compare(a.machine, b.machine), newest(a.version, b.version))
}

// loaderDefault returns the pattern of names that loader.conf prefers; "" where
// it has none (loader.conf(5)).
func loaderDefault(t *tree, n *notes, config string) string {
	pattern := ""
	text, _ := t.text(n, config)
	for _, setting := range settings(text) {
		if words := strings.Fields(setting); len(words) > 1 && words[0] == "default" {
			pattern = words[1]
		}
	}
	return pattern
}

// markPattern marks the first entry whose name fits the pattern, with or without
// its suffix, else the first.
func markPattern(entries []BootEntry, pattern string) {
	for i, e := range entries {
		name := path.Base(e.File)
		for _, candidate := range []string{name, strings.TrimSuffix(name, ".conf")} {
			if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(candidate)); ok && err == nil {
				entries[i].Default = true
				return
			}
		}
	}
	if len(entries) > 0 {
		entries[0].Default = true
	}
}
