package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
)

// grubConfigs are where GRUB's menu is: Debian's name and that of the others.
var grubConfigs = []string{"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"}

// maxBootEntries bounds the entries of one menu.
const maxBootEntries = 500

// bootEntries reads the Linux entries of the boot loader's menu.
func bootEntries(t *tree, n *notes) []BootEntry {
	for _, file := range grubConfigs {
		if text, ok := t.text(n, file); ok {
			return parseGrub(n, file, text)
		}
	}
	return nil
}

// parseGrub returns the linux lines of a grub.cfg. The file is a shell script
// that is not evaluated: every entry that it could show counts.
func parseGrub(n *notes, file, text string) []BootEntry {
	var entries []BootEntry
	title := ""
	for line, setting := range settings(joinLines(text)) {
		words := grubWords(setting)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "menuentry":
			title = second(words)
		case "blscfg":
			n.unknown("%s: the menu is made from Boot Loader Specification files, which are not read yet", at(file, line, setting))
		case "linux", "linux16", "linuxefi":
			if len(words) < 2 || strings.Contains(words[1], "memtest") {
				continue
			}
			if len(entries) == maxBootEntries {
				n.unknown("%s: more than %d entries", file, maxBootEntries)
				return entries
			}
			entries = append(entries, newBootEntry(file, line, title, words[1], words[2:]))
		}
	}
	return entries
}

func newBootEntry(file string, line int, title, kernel string, args []string) BootEntry {
	return BootEntry{
		File: file, Line: line, Title: title, Kernel: kernel,
		CommandLine: strings.Join(args, " "), Recovery: isRecovery(title, args),
	}
}

// isRecovery reports whether an entry starts the system for repair only.
func isRecovery(title string, args []string) bool {
	for _, arg := range args {
		switch arg {
		case "single", "recovery", "rescue", "emergency", "1",
			"systemd.unit=rescue.target", "systemd.unit=emergency.target":
			return true
		}
	}
	title = strings.ToLower(title)
	return strings.Contains(title, "recovery mode") || strings.Contains(title, "rescue")
}

func second(words []string) string {
	if len(words) < 2 {
		return ""
	}
	return words[1]
}

// joinLines puts a line that ends in a backslash and the next one together,
// without changing the number of lines.
func joinLines(text string) string {
	if !strings.Contains(text, "\\\n") {
		return text
	}
	var joined strings.Builder
	skipped := 0
	for line := range strings.Lines(text) {
		if rest, more := strings.CutSuffix(line, "\\\n"); more {
			joined.WriteString(rest)
			skipped++
			continue
		}
		joined.WriteString(line)
		joined.WriteString(strings.Repeat("\n", skipped))
		skipped = 0
	}
	return joined.String()
}

// grubWords splits a line of grub.cfg into words and takes the quotes off.
func grubWords(line string) []string {
	var words []string
	var word strings.Builder
	inWord, quoted := false, rune(0)
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quoted != '\'':
			escaped, inWord = true, true
		case quoted != 0 && r == quoted:
			quoted = 0
		case quoted == 0 && (r == '\'' || r == '"'):
			quoted, inWord = r, true
		case quoted == 0 && (r == ' ' || r == '\t'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
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
var errNoEntries = errors.New("no boot entry was found in " + strings.Join(grubConfigs, " or "))

// findLoader reports whether GRUB for BIOS is installed: its boot code in the
// master boot record, and its core image behind it or in a BIOS boot partition.
func findLoader(disk io.ReaderAt, parts *partition.Table) (bios bool, loader string) {
	const sector = 512
	mbr := make([]byte, sector)
	if _, err := disk.ReadAt(mbr, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, ""
	}
	if !bytes.Contains(mbr[:440], []byte("GRUB")) {
		return false, ""
	}
	where, core := int64(sector), make([]byte, sector)
	if p, ok := biosBootPartition(parts); ok {
		where = p.Start
	}
	if _, err := disk.ReadAt(core, where); err != nil && !errors.Is(err, io.EOF) {
		return false, "grub (no core image)"
	}
	if !bytes.Contains(core, []byte("loading")) {
		return false, fmt.Sprintf("grub (boot code without a core image at byte %d)", where)
	}
	return true, "grub"
}

func biosBootPartition(parts *partition.Table) (partition.Partition, bool) {
	if parts != nil {
		for _, p := range parts.Partitions {
			if strings.EqualFold(p.Type, partitionBIOSBoot) {
				return p, true
			}
		}
	}
	return partition.Partition{}, false
}
