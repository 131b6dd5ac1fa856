package boot

import (
	"strconv"
	"strings"
)

// facts are what the witness told, by key; nil where it told nothing.
type facts map[string][]string

// readFacts finds the witness's words in a text that others write to as well.
// It was there twice on a console; the last whole telling counts, else all the
// lines that are there.
func readFacts(text, nonce string) (told facts, whole bool) {
	var current, last, all facts
	count := 0
	for line := range strings.Lines(plain(text)) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), nonce+" ")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "begin":
			current, count = facts{}, 0
			continue
		case "end":
			if current != nil && value == strconv.Itoa(count) {
				last = current
			}
			current = nil
			continue
		}
		count++
		all = all.with(key, value)
		if current != nil {
			current = current.with(key, value)
		}
	}
	if last != nil {
		return last, true
	}
	return all, false
}

func (f facts) with(key, value string) facts {
	if f == nil {
		f = facts{}
	}
	f[key] = append(f[key], value)
	return f
}

// one returns the first value of a key, or "".
func (f facts) one(key string) string {
	if len(f[key]) == 0 {
		return ""
	}
	return f[key][0]
}

// listens reports whether a TCP socket of the guest waits at the port.
func (f facts) listens(port int) bool {
	for _, value := range f["listen"] {
		if n, err := strconv.ParseUint(value, 16, 16); err == nil && int(n) == port {
			return true
		}
	}
	return false
}
