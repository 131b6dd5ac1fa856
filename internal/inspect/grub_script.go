package inspect

import (
	"path"
	"slices"
	"strings"
)

// Bounds of the script of one menu.
const (
	maxGrubVariables = 1000
	maxGrubValue     = 16 << 10 // bytes; the kernel takes 4 KiB at most
	maxGrubExpanded  = 16 << 20 // bytes of values that are put in place
	maxGrubBlocks    = 100      // one in the other
	maxGrubFiles     = 1000     // that are looked for, or included
)

// grubShell runs so much of GRUB's script language as decides the arguments of
// kernels: variables, and conditions on them and on files beside the menu. What
// depends on the machine stays undecided, and with it the variables that are
// set there (GRUB manual, section 16.1, Command-line and menu entry commands,
// and 5.2, Writing full configuration files directly).
type grubShell struct {
	t *tree
	n *notes
	// dir is where the menu is, which GRUB calls $prefix.
	dir       string
	variables map[string]grubValue
	blocks    []grubBlock
	// journal holds what the variables were before the menu entry that is open.
	journal []grubChange
	// expanded counts bytes, files what was looked for, tooMuch says that a
	// bound was met.
	expanded, files int
	tooMuch         bool
}

// grubValue is what a variable holds; unsure where that shows only at boot.
type grubValue struct {
	text   string
	unsure bool
}

// grubBlock is something that is still open: an if, or what stands in braces.
type grubBlock struct {
	kind string // "if", or the command before the brace: menuentry, submenu, function
	// state says whether the lines of an if are run, and decided whether an
	// earlier branch was.
	state, decided tristate
	// mark is where the journal of a menu entry begins.
	mark int
}

// grubChange is a variable before an assignment.
type grubChange struct {
	name  string
	value grubValue
	known bool
}

// tristate is what is known of a condition.
type tristate int

const (
	isFalse tristate = iota
	isOpen
	isTrue
)

func newGrubShell(t *tree, n *notes, dir string) *grubShell {
	return &grubShell{t: t, n: n, dir: dir, variables: map[string]grubValue{
		"prefix": {text: dir}, "config_directory": {text: dir},
	}}
}

// lookup returns the value of a variable: GRUB's own features are there, those
// that the firmware sets are not known, and any other is empty.
func (sh *grubShell) lookup(name string) grubValue {
	if v, ok := sh.variables[name]; ok {
		return v
	}
	if strings.HasPrefix(name, "feature_") {
		return grubValue{text: "y"}
	}
	atBoot := []string{"root", "grub_platform", "grub_cpu", "cmdpath", "lockdown", "shim_lock", "?", "@", "#"}
	return grubValue{unsure: slices.Contains(atBoot, name) || strings.TrimFunc(name, isDigit) == ""}
}

// run carries out the commands of a line that are about variables and blocks,
// and hands the others, with their words expanded, to do.
func (sh *grubShell) run(line string, do func(words []string)) {
	w := &grubWords{sh: sh, rest: line}
	for w.rest != "" {
		if words := w.command(); len(words) > 0 && !sh.control(words, do) {
			do(words)
		}
	}
}

// control reports whether the words were a part of the language itself.
func (sh *grubShell) control(words []string, do func([]string)) bool {
	switch words[0] {
	case "if", "elif", "else", "then", "fi", "for", "while", "until", "do", "done":
		sh.branch(words, do)
		return true
	case "}":
		sh.close("}")
		return true
	case "load_env":
		if sh.state() != isFalse {
			sh.loadEnvironment()
		}
		return true
	case "unset":
		for _, name := range words[1:] {
			sh.set(name, "")
		}
		return true
	case "set", "export":
		words = words[1:]
	}
	if len(words) == 0 {
		return true
	}
	name, value, ok := strings.Cut(words[0], "=")
	if ok && isGrubName(name) {
		sh.set(name, value)
		return true
	}
	return false
}

// branch keeps count of what is run under which condition. What is repeated may
// be run or not.
func (sh *grubShell) branch(words []string, do func([]string)) {
	switch words[0] {
	case "if":
		state := sh.condition(words[1:])
		sh.push(grubBlock{kind: "if", state: state, decided: state})
	case "for", "while", "until":
		sh.push(grubBlock{kind: "if", state: isOpen})
	case "elif", "else":
		b := sh.innermostIf()
		if b == nil {
			return
		}
		state := isTrue
		if words[0] == "elif" {
			state = sh.condition(words[1:])
		}
		b.state = min(state, isTrue-b.decided)
		b.decided = max(b.decided, b.state)
	case "fi", "done":
		sh.close("if")
	}
	sh.afterKeyword(words, do)
}

// afterKeyword carries out a command that stands on the line of a keyword.
func (sh *grubShell) afterKeyword(words []string, do func([]string)) {
	if rest := words[1:]; slices.Contains([]string{"then", "else", "do"}, words[0]) && len(rest) > 0 && !sh.control(rest, do) {
		do(rest)
	}
}

// innermostIf returns the if to which an else belongs.
func (sh *grubShell) innermostIf() *grubBlock {
	for i := range slices.Backward(sh.blocks) {
		if sh.blocks[i].kind == "if" {
			return &sh.blocks[i]
		}
	}
	return nil
}

// open begins a block in braces. The variables of a menu entry are its own, and
// whether a function is called is open.
func (sh *grubShell) open(kind string) {
	b := grubBlock{kind: kind, state: isTrue, mark: len(sh.journal)}
	if kind == "function" {
		b.state = isOpen
	}
	sh.push(b)
}

func (sh *grubShell) push(b grubBlock) {
	if len(sh.blocks) == maxGrubBlocks {
		sh.complain("more than %d blocks are in each other", maxGrubBlocks)
		return
	}
	sh.blocks = append(sh.blocks, b)
}

// complain notes, once, that the menu goes beyond what is read of one.
func (sh *grubShell) complain(format string, a ...any) {
	if !sh.tooMuch {
		sh.tooMuch = true
		sh.n.unknown("%s: "+format, append([]any{quote(sh.dir)}, a...)...)
	}
}

// close ends the innermost block of a kind, and what was left open in it.
func (sh *grubShell) close(kind string) {
	for i, b := range slices.Backward(sh.blocks) {
		if (kind == "if") != (b.kind == "if") {
			continue
		}
		if b.kind == "menuentry" {
			sh.restore(b.mark)
		}
		sh.blocks = sh.blocks[:i]
		return
	}
}

// restore takes back the assignments since a mark.
func (sh *grubShell) restore(mark int) {
	for _, c := range slices.Backward(sh.journal[mark:]) {
		if c.known {
			sh.variables[c.name] = c.value
		} else {
			delete(sh.variables, c.name)
		}
	}
	sh.journal = sh.journal[:mark]
}

// within reports whether a block of the kind is open.
func (sh *grubShell) within(kind string) bool {
	return slices.ContainsFunc(sh.blocks, func(b grubBlock) bool { return b.kind == kind })
}

// state tells whether what stands here is run.
func (sh *grubShell) state() tristate {
	state := isTrue
	for _, b := range sh.blocks {
		state = min(state, b.state)
	}
	return state
}

// set gives a variable a value; where it is open whether the command is run,
// the variable is unsure unless it had that value before.
func (sh *grubShell) set(name, text string) {
	value := grubValue{text: text, unsure: hasVariable(text)}
	switch sh.state() {
	case isFalse:
		return
	case isOpen:
		if sh.lookup(name) != value {
			value = grubValue{unsure: true}
		}
	}
	sh.assign(name, value)
}

func (sh *grubShell) assign(name string, value grubValue) {
	old, known := sh.variables[name]
	if !known && len(sh.variables) >= maxGrubVariables {
		sh.complain("more than %d variables", maxGrubVariables)
		return
	}
	if sh.within("menuentry") {
		sh.journal = append(sh.journal, grubChange{name, old, known})
	}
	sh.variables[name] = value
}

// loadEnvironment reads the block that grub-editenv writes: a comment, lines of
// assignments with backslashes before special characters, and padding.
func (sh *grubShell) loadEnvironment() {
	if !sh.mayLook() {
		return
	}
	unescape := strings.NewReplacer(`\\`, `\`, `\`, "")
	text, _ := sh.t.text(sh.n, path.Join(sh.dir, "grubenv"))
	for _, setting := range settings(joinLines(text)) {
		if name, value, ok := strings.Cut(setting, "="); ok && isGrubName(name) {
			sh.set(name, unescape.Replace(value))
		}
	}
}

// condition decides the command of an if: a test of words or of files beside
// the menu.
func (sh *grubShell) condition(words []string) tristate {
	switch {
	case len(words) > 1 && words[0] == "!":
		return isTrue - sh.condition(words[1:])
	case len(words) > 1 && words[0] == "[" && words[len(words)-1] == "]":
		return sh.test(words[1 : len(words)-1])
	case len(words) > 1 && words[0] == "test":
		return sh.test(words[1:])
	}
	return isOpen
}

func (sh *grubShell) test(words []string) tristate {
	switch {
	case len(words) == 0:
		return isFalse
	case slices.ContainsFunc(words, hasVariable):
		return isOpen
	case len(words) == 1:
		return decided(words[0] != "")
	case words[0] == "!":
		return isTrue - sh.test(words[1:])
	case len(words) == 2:
		return sh.testWord(words[0], words[1])
	case len(words) == 3 && (words[1] == "=" || words[1] == "=="):
		return decided(words[0] == words[2])
	case len(words) == 3 && words[1] == "!=":
		return decided(words[0] != words[2])
	}
	return isOpen
}

// testWord is about an empty word, or a file beside the menu.
func (sh *grubShell) testWord(operator, word string) tristate {
	switch operator {
	case "-z":
		return decided(word == "")
	case "-n":
		return decided(word != "")
	case "-e", "-f", "-s":
		if sh.beside(word) && sh.mayLook() {
			return decided(sh.t.has(sh.n, word))
		}
	}
	return isOpen
}

func decided(holds bool) tristate {
	if holds {
		return isTrue
	}
	return isFalse
}

// beside reports whether a file is in the menu's own folder, whose place in the
// guest is known.
func (sh *grubShell) beside(file string) bool { return strings.HasPrefix(file, sh.dir+"/") }

// source runs another file of the menu's folder.
func (sh *grubShell) source(file string, each func(file, text string)) {
	if !sh.beside(file) || sh.state() == isFalse || !sh.mayLook() {
		return
	}
	if text, ok := sh.t.text(sh.n, file); ok {
		each(file, text)
	}
}

// mayLook counts a file that is looked for.
func (sh *grubShell) mayLook() bool {
	if sh.files++; sh.files > maxGrubFiles {
		sh.complain("more than %d files are looked for", maxGrubFiles)
	}
	return sh.files <= maxGrubFiles
}

// unsureMark stands before the name of a variable whose value is not known.
const unsureMark = "$"

func hasVariable(s string) bool { return strings.Contains(s, unsureMark) }

func isGrubName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) }) < 0
}

func isNameRune(r rune) bool {
	return r == '_' || isDigit(r) || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || r == '?' || r == '@'
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
