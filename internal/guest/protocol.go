package guest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// prefix begins each line that the program in the guest means for us; what
// else arrives (a login banner, a word of sudo) is kept as log.
const prefix = "openstack-ready/1 "

// The bounds of what a guest may say. A full run says some 200 lines.
const (
	maxLine     = 16 << 10
	maxOutput   = 4 << 20
	maxLines    = 20_000
	maxEvidence = 100
	maxChanges  = 5_000
	maxLog      = 200
)

// phase is which look a finding is of.
type phase string

const (
	before phase = "before"
	after  phase = "after"
)

// transcript takes in the program's output as it arrives. The first line that
// breaks the protocol is its error; what follows is dropped.
type transcript struct {
	// expected are the requirements that the program is to look at.
	expected []requirement.ID
	// stage is told when the program enters a part of its work.
	stage func(string)
	// hearLog, where set, is told each line of log.
	hearLog func(string)

	line    []byte
	bytes   int
	lines   int
	err     error
	ended   bool
	failure string

	system   report.System
	findings map[phase][]requirement.Finding
	open     *requirement.Finding
	changes  []report.Change
	log      []string
}

func newTranscript(expected []requirement.ID, stage func(string)) *transcript {
	return &transcript{expected: expected, stage: stage, findings: map[phase][]requirement.Finding{}}
}

// Write takes in a piece of output. It never fails and never keeps more than
// the bounds allow: the sender is not held up by what we think of it.
func (t *transcript) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && t.err == nil; {
		piece, remaining, whole := bytes.Cut(rest, []byte("\n"))
		rest = remaining
		t.take(piece, whole)
	}
	return len(p), nil
}

func (t *transcript) take(piece []byte, whole bool) {
	t.bytes += len(piece)
	if whole {
		t.bytes++
	}
	switch {
	case t.bytes > maxOutput:
		t.err = fmt.Errorf("the guest said more than %d bytes", maxOutput)
		return
	case len(t.line)+len(piece) > maxLine:
		t.err = fmt.Errorf("the guest said a line of more than %d bytes", maxLine)
		return
	}
	t.line = append(t.line, piece...)
	if whole {
		t.endLine()
	}
}

func (t *transcript) endLine() {
	line := clean(string(t.line))
	t.line = t.line[:0]
	t.lines++
	if t.lines > maxLines {
		t.err = fmt.Errorf("the guest said more than %d lines", maxLines)
		return
	}
	said, ours := strings.CutPrefix(line, prefix)
	if !ours {
		t.keepLog(line)
		return
	}
	if err := t.hear(strings.Split(said, "\t")); err != nil {
		t.err = fmt.Errorf("the guest said %q: %w", cut(said, 200), err)
	}
}

func (t *transcript) keepLog(line string) {
	if line == "" {
		return
	}
	if t.hearLog != nil {
		t.hearLog(line)
	}
	t.log = append(t.log, line)
	if len(t.log) > maxLog {
		t.log = t.log[1:]
	}
}

// hear understands one line of the protocol.
func (t *transcript) hear(fields []string) error {
	if t.ended {
		return errors.New("a line after the end")
	}
	for i, f := range fields {
		text, err := unescape(f)
		if err != nil {
			return err
		}
		fields[i] = text
	}
	kind, args := fields[0], fields[1:]
	if want, known := arity(kind, args); !known {
		return errors.New("not a word of the protocol")
	} else if len(args) != want {
		return fmt.Errorf("%d fields, want %d", len(args), want)
	}
	return t.act(kind, args)
}

// arity returns how many fields follow kind.
func arity(kind string, args []string) (n int, known bool) {
	switch kind {
	case "stage", "log":
		return 1, true
	case "probe", "evidence", "remedy", "change", string(before), string(after):
		return 2, true
	case "end":
		if len(args) > 0 && args[0] == "failed" {
			return 2, true
		}
		return 1, true
	}
	return 0, false
}

func (t *transcript) act(kind string, args []string) error {
	switch kind {
	case "stage":
		t.stage(args[0])
	case "log":
		t.keepLog(args[0])
	case "probe":
		return t.probe(args[0], args[1])
	case string(before), string(after):
		return t.openFinding(phase(kind), args[0], args[1])
	case "evidence":
		return t.addEvidence(args[0], args[1])
	case "remedy":
		return t.setRemedy(args[0], args[1])
	case "change":
		return t.addChange(args[0], args[1])
	case "end":
		return t.end(args)
	}
	return nil
}

func (t *transcript) probe(key, value string) error {
	s := &t.system
	fields := map[string]*string{
		"uname": &s.Uname, "kernel": &s.Kernel, "arch": &s.Arch, "family": &s.Family, "id": &s.ID,
		"version_id": &s.VersionID, "name": &s.Name, "init": &s.Init, "initramfs": &s.Initramfs,
		"loaders": &s.Loaders, "login": &s.Login,
	}
	field, ok := fields[key]
	if !ok {
		return fmt.Errorf("unknown probe %q", key)
	}
	*field = value
	return nil
}

func (t *transcript) openFinding(p phase, id, verdict string) error {
	if err := t.closeFinding(); err != nil {
		return err
	}
	if !slices.Contains(t.expected, requirement.ID(id)) {
		return fmt.Errorf("a finding of %q, which nobody asked for", id)
	}
	v, err := requirement.ParseVerdict(verdict)
	if err != nil {
		return err
	}
	same := func(f requirement.Finding) bool { return f.ID == requirement.ID(id) }
	if slices.ContainsFunc(t.findings[p], same) {
		return fmt.Errorf("a second %q finding of %s", p, id)
	}
	t.findings[p] = append(t.findings[p], requirement.Finding{
		ID: requirement.ID(id), Side: requirement.Guest, Verdict: v,
	})
	t.open = &t.findings[p][len(t.findings[p])-1]
	return nil
}

// closeFinding makes sure that the last finding said why.
func (t *transcript) closeFinding() error {
	if t.open != nil && len(t.open.Evidence) == 0 {
		return fmt.Errorf("a finding of %s without evidence", t.open.ID)
	}
	t.open = nil
	return nil
}

func (t *transcript) addEvidence(id, text string) error {
	if t.open == nil || t.open.ID != requirement.ID(id) {
		return fmt.Errorf("evidence of %q outside its finding", id)
	}
	if len(t.open.Evidence) >= maxEvidence {
		return fmt.Errorf("more than %d pieces of evidence of %s", maxEvidence, id)
	}
	t.open.Evidence = append(t.open.Evidence, text)
	return nil
}

func (t *transcript) setRemedy(id, text string) error {
	if t.open == nil || t.open.ID != requirement.ID(id) {
		return fmt.Errorf("a remedy of %q outside its finding", id)
	}
	t.open.Remedy = text
	return nil
}

func (t *transcript) addChange(id, text string) error {
	if requirement.ID(id) != report.Template && !slices.Contains(t.expected, requirement.ID(id)) {
		return fmt.Errorf("a change for %q, which nobody asked for", id)
	}
	if len(t.changes) >= maxChanges {
		return fmt.Errorf("more than %d changes", maxChanges)
	}
	t.changes = append(t.changes, report.Change{ID: requirement.ID(id), Text: text})
	return nil
}

func (t *transcript) end(args []string) error {
	if err := t.closeFinding(); err != nil {
		return err
	}
	t.ended = true
	switch args[0] {
	case "ok":
		return nil
	case "failed":
		t.failure = args[1]
		return nil
	}
	return fmt.Errorf("unknown end %q", args[0])
}

// report returns what was said, once the program has ended well.
func (t *transcript) report(mode report.Mode) (*report.Report, error) {
	r := &report.Report{Schema: report.Schema, Mode: mode, System: t.system, Changes: t.changes}
	var err error
	if r.Before, err = t.inOrder(before); err != nil {
		return nil, err
	}
	if mode == report.Check {
		if len(t.changes) > 0 {
			return nil, fmt.Errorf("the guest was only to be checked, but reports a change: %s", t.changes[0].Text)
		}
		r.Findings = r.Before
		return r, nil
	}
	if r.Findings, err = t.inOrder(after); err != nil {
		return nil, err
	}
	return r, nil
}

// inOrder returns the findings of a phase in catalogue order, every expected
// one.
func (t *transcript) inOrder(p phase) ([]requirement.Finding, error) {
	var list []requirement.Finding
	for _, id := range t.expected {
		i := slices.IndexFunc(t.findings[p], func(f requirement.Finding) bool { return f.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("the guest said nothing about %s (%s)", id, p)
		}
		list = append(list, t.findings[p][i])
	}
	return list, nil
}

// clean makes a line fit for a terminal and for JSON: valid UTF-8 without
// control characters but tabs.
func clean(line string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || (unicode.IsControl(r) && r != '\t') {
			return -1
		}
		return r
	}, line)
}

// unescape turns \t, \n and \\ of a field into what they stand for; a newline
// becomes a space, as every field is one line of text.
func unescape(field string) (string, error) {
	if !strings.Contains(field, `\`) {
		return field, nil
	}
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] != '\\' {
			b.WriteByte(field[i])
			continue
		}
		i++
		if i == len(field) {
			return "", errors.New("an unfinished escape")
		}
		switch field[i] {
		case '\\':
			b.WriteByte('\\')
		case 't', 'n':
			b.WriteByte(' ')
		default:
			return "", fmt.Errorf(`unknown escape \%c`, field[i])
		}
	}
	return b.String(), nil
}

// cut shortens text to at most n bytes, at a character's end.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
