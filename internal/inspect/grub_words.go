package inspect

import "strings"

// grubWords takes a line of a GRUB script apart.
type grubWords struct {
	sh     *grubShell
	rest   string
	words  []string
	word   strings.Builder
	inWord bool
}

// command returns the words of the next command, up to ";" or the end: quotes
// are taken off, and variables put in place. One whose value is not known stays
// as it is written. What only variables made, and is empty, is no word.
func (w *grubWords) command() []string {
	w.words = nil
	for w.rest != "" && w.rest[0] != ';' {
		w.next()
	}
	w.rest = strings.TrimPrefix(w.rest, ";")
	w.endWord()
	return w.words
}

func (w *grubWords) next() {
	c := w.rest[0]
	switch c {
	case ' ', '\t':
		w.rest = w.rest[1:]
		w.endWord()
	case '#':
		if !w.inWord {
			w.rest = ""
			return
		}
		w.literal()
	case '\\':
		w.escaped()
	case '\'':
		w.singleQuoted()
	case '"':
		w.doubleQuoted()
	case '$':
		w.variable(false)
	default:
		w.literal()
	}
}

// literal takes the next byte as it is.
func (w *grubWords) literal() {
	w.inWord = true
	w.put(w.rest[:1])
	w.rest = w.rest[1:]
}

// put adds to the word, up to what a value may have.
func (w *grubWords) put(s string) {
	if w.word.Len()+len(s) <= maxGrubValue {
		w.word.WriteString(s)
	}
}

func (w *grubWords) escaped() {
	w.rest = w.rest[1:]
	if w.rest != "" {
		w.literal()
	}
}

func (w *grubWords) singleQuoted() {
	text, rest, _ := strings.Cut(w.rest[1:], "'")
	w.inWord = true
	w.put(text)
	w.rest = rest
}

// doubleQuoted: in double quotes a backslash hides only what would be special
// there.
func (w *grubWords) doubleQuoted() {
	w.inWord = true
	w.rest = w.rest[1:]
	for w.rest != "" {
		switch {
		case w.rest[0] == '"':
			w.rest = w.rest[1:]
			return
		case w.rest[0] == '\\' && len(w.rest) > 1 && strings.IndexByte(`\"$`, w.rest[1]) >= 0:
			w.escaped()
		case w.rest[0] == '$':
			w.variable(true)
		default:
			w.literal()
		}
	}
}

// variable puts the value of $NAME or ${NAME} in its place. Outside of quotes a
// value with spaces becomes several words.
func (w *grubWords) variable(quoted bool) {
	name, length := variableName(w.rest)
	if name == "" {
		w.literal()
		return
	}
	value := w.sh.lookup(name)
	if w.sh.expanded += len(value.text); w.sh.expanded > maxGrubExpanded {
		w.sh.complain("more than %d bytes of variables", maxGrubExpanded)
		value = grubValue{unsure: true}
	}
	w.rest = w.rest[length:]
	switch {
	case value.unsure:
		w.inWord = true
		w.put(unsureMark + name)
	case quoted:
		w.put(value.text)
	default:
		w.split(value.text)
	}
}

func (w *grubWords) split(text string) {
	for i, part := range strings.Split(strings.ReplaceAll(text, "\t", " "), " ") {
		if i > 0 {
			w.endWord()
		}
		if part != "" {
			w.inWord = true
			w.put(part)
		}
	}
}

// variableName returns the name at the start of s and the bytes that it takes.
func variableName(s string) (name string, length int) {
	rest := s[1:]
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		name, _, ok = strings.Cut(inner, "}")
		if !ok || !isGrubName(name) {
			return "", 0
		}
		return name, len(name) + 3
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) })
	if end < 0 {
		end = len(rest)
	}
	return rest[:end], end + 1
}

func (w *grubWords) endWord() {
	if w.inWord {
		w.words = append(w.words, w.word.String())
	}
	w.word.Reset()
	w.inWord = false
}
