package inspect

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// maxBootEntries bounds the entries of one boot loader.
const maxBootEntries = 500

// bootFolders are where a running guest has what its boot loaders read: /boot,
// and the EFI system partition.
var bootFolders = []string{"/boot", "/efi", "/boot/efi"}

// volumeFolders are the same on a volume that is looked at by itself: a root, or
// a /boot or an EFI system partition of its own.
var volumeFolders = []string{"/boot", "/"}

// loader is a kind of boot loader.
type loader struct {
	name string
	// entries reads what it would show, from one folder of boot files.
	entries func(t *tree, n *notes, folder string) []BootEntry
}

// loaders are those that are known. A guest can have several, one for each
// firmware, and the menu of each counts.
var loaders = []loader{
	{"grub", grubEntries},
	{"grub-legacy", grubLegacyEntries},
	{"extlinux", extlinuxEntries},
	{"systemd-boot", systemdBootEntries},
}

// bootEntries returns the Linux entries of every boot loader, each loader's in
// its own order, and the names of the loaders that have some.
func bootEntries(t *tree, n *notes, folders []string) ([]BootEntry, []string) {
	var all []BootEntry
	var names []string
	for _, l := range loaders {
		found := &menu{}
		for _, folder := range folders {
			found.add(n, l.entries(t, n, folder)...)
		}
		if len(found.entries) > 0 {
			names = append(names, l.name)
			all = append(all, found.entries...)
		}
	}
	return all, names
}

// menu collects boot entries, each once.
type menu struct {
	entries []BootEntry
	full    bool
}

func (m *menu) add(n *notes, entries ...BootEntry) {
	for _, e := range entries {
		switch {
		case m.full:
			return
		case len(m.entries) == maxBootEntries:
			m.full = true
			n.unknown("%s: more than %d boot entries", quote(e.File), maxBootEntries)
		case !slices.Contains(m.entries, e):
			m.entries = append(m.entries, e)
		}
	}
}

// newBootEntry makes an entry of a kernel and its arguments, as the loader
// passes them on.
func newBootEntry(file string, line int, title, kernel, args string) BootEntry {
	args = strings.Join(strings.Fields(args), " ")
	return BootEntry{
		File: file, Line: line, Title: title, Kernel: kernel,
		CommandLine: args, Recovery: isRecovery(title, path.Base(kernel), strings.Fields(args)),
	}
}

// isRecovery reports whether an entry starts the system for repair only.
func isRecovery(title, kernel string, args []string) bool {
	for _, arg := range args {
		switch arg {
		case "single", "recovery", "rescue", "emergency", "1",
			"systemd.unit=rescue.target", "systemd.unit=emergency.target":
			return true
		}
	}
	for _, word := range []string{"recovery mode", "rescue", "single-user mode"} {
		if strings.Contains(strings.ToLower(title), word) {
			return true
		}
	}
	return strings.Contains(kernel, "-rescue")
}

// args returns the kernel arguments of an entry.
func (e BootEntry) args() []string { return strings.Fields(e.CommandLine) }

// arg returns the value of the last argument named key.
func (e BootEntry) arg(key string) (string, bool) {
	for _, arg := range slices.Backward(e.args()) {
		if value, ok := strings.CutPrefix(arg, key+"="); ok {
			return value, true
		}
	}
	return "", false
}

func (e BootEntry) at() string { return at(e.File, e.Line, e.Kernel+" "+e.CommandLine) }

// normal returns the entries that start the system as it is meant to run.
func (b Boot) normal() []BootEntry {
	return slices.DeleteFunc(slices.Clone(b.Entries), func(e BootEntry) bool { return e.Recovery })
}

// errNoEntries is the reason where everything that hangs on the kernel command
// line stays unknown.
var errNoEntries = errors.New("no boot entry was found of GRUB, extlinux or systemd-boot in " + strings.Join(bootFolders, ", "))

// newest compares two versions, or names that end in one, so that the newer
// comes first. Numbers compare by value, "~" comes before the end (UAPI.10
// version format specification, of which this is what kernels need).
func newest(a, b string) int { return -compareVersions(a, b) }

func compareVersions(a, b string) int {
	for a != "" || b != "" {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)
		switch before, after := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~"); {
		case before && after:
			a, b = a[1:], b[1:]
			continue
		case before:
			return -1
		case after:
			return 1
		}
		if a == "" || b == "" {
			return len(a) - len(b)
		}
		var c int
		if c, a, b = compareParts(a, b); c != 0 {
			return c
		}
	}
	return 0
}

// compareParts compares the leading numbers, or else the leading words, and
// returns what follows them. A number is newer than a word.
func compareParts(a, b string) (c int, restA, restB string) {
	kind := isDigit
	if !isDigit(rune(a[0])) && !isDigit(rune(b[0])) {
		kind = func(r rune) bool { return !isDigit(r) && !isSeparator(r) && r != '~' }
	}
	restA, restB = strings.TrimLeftFunc(a, kind), strings.TrimLeftFunc(b, kind)
	partA, partB := a[:len(a)-len(restA)], b[:len(b)-len(restB)]
	if isDigit(rune(a[0])) && isDigit(rune(b[0])) {
		partA, partB = strings.TrimLeft(partA, "0"), strings.TrimLeft(partB, "0")
		if len(partA) != len(partB) {
			return len(partA) - len(partB), restA, restB
		}
	}
	return strings.Compare(partA, partB), restA, restB
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isSeparator(r rune) bool {
	return !isDigit(r) && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '~' && r != '^'
}
