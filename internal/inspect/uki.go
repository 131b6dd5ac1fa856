package inspect

import (
	"path"
	"strings"
)

// maxArguments bounds the arguments in a unified kernel image, of which Linux
// takes 4 KiB.
const maxArguments = 64 << 10

// unifiedEntries reads the unified kernel images of an EFI system partition
// (UAPI.1 Boot Loader Specification, type #2), the newest first.
func unifiedEntries(t *tree, n *notes, folder string) []BootEntry {
	dir := path.Join(folder, "EFI", "Linux")
	var entries []BootEntry
	for _, file := range newestFirst(t.glob(n, dir, "*.efi", "*.EFI")) {
		if len(entries) == maxBootEntries {
			n.unknown("%s: more than %d boot entries", quote(dir), maxBootEntries)
			break
		}
		args, ok := t.unifiedArguments(n, file)
		if !ok {
			continue
		}
		for _, addon := range addons(t, n, folder, file) {
			more, _ := t.unifiedArguments(n, addon)
			args += " " + more
		}
		entries = append(entries, newBootEntry(file, 0, "", path.Base(file), args))
	}
	return entries
}

// addons returns the files that add to the arguments of an image: those for all
// images, and those beside it (systemd-stub(7)).
func addons(t *tree, n *notes, folder, image string) []string {
	return append(t.glob(n, path.Join(folder, "loader", "addons"), "*.addon.efi"), t.glob(n, image+".extra.d", "*.addon.efi")...)
}

// unifiedArguments returns the section .cmdline of an image; ok is false where
// that could not be read, which is noted.
func (t *tree) unifiedArguments(n *notes, file string) (args string, ok bool) {
	b, err := t.section(file, ".cmdline", maxArguments)
	if err != nil {
		n.unknown("%s: %v", quote(file), err)
		return "", false
	}
	return strings.TrimRight(string(b), "\x00"), true
}
