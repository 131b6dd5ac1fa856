package packages

import (
	"fmt"
	"slices"
	"strings"
)

// stanzas calls yield with the wanted fields of each stanza of a text: lines of
// a key, the separator and a value, up to an empty line. What goes on in the
// next line is left out.
func stanzas(text, separator string, yield func(field map[string]string) error, wanted ...string) error {
	field := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" && len(field) > 0 {
			if err := yield(field); err != nil {
				return err
			}
			clear(field)
		}
		if key, value, ok := strings.Cut(line, separator); ok && slices.Contains(wanted, key) {
			field[key] = value
		}
	}
	if len(field) == 0 {
		return nil
	}
	return yield(field)
}

// bounded appends to what is counted as packages are.
func bounded(list []string, item string) ([]string, error) {
	if len(list) >= maxPackages {
		return nil, fmt.Errorf("names more than %d packages", maxPackages)
	}
	return append(list, item), nil
}
