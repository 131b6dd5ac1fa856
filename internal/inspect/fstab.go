package inspect

import "strings"

// fstabEntry is one line of /etc/fstab (fstab(5)).
type fstabEntry struct {
	line                         int
	device, dir, fsKind, options string
}

// parseFstab returns the entries of an fstab that mount something at a path.
func parseFstab(text string) []fstabEntry {
	var entries []fstabEntry
	for line, setting := range settings(text) {
		words := strings.Fields(setting)
		if len(words) < 3 || !strings.HasPrefix(words[1], "/") {
			continue
		}
		e := fstabEntry{line: line, device: words[0], dir: unescapeFstab(words[1]), fsKind: words[2]}
		if len(words) > 3 {
			e.options = unescapeFstab(words[3])
		}
		entries = append(entries, e)
	}
	return entries
}

// unescapeFstab turns the octal escapes of a mount point or an option back.
func unescapeFstab(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// onDisk reports whether the entry is about a block device.
func (e fstabEntry) onDisk() bool {
	return strings.HasPrefix(e.device, "/dev/") || strings.Contains(e.device, "=")
}
