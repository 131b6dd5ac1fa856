package inspect

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// maxEvidence is how many entries of one kind a finding lists.
const maxEvidence = 10

// notes gathers what one look at one requirement saw, and makes the verdict:
// one unmet entry makes it unmet, else one unknown entry makes it unknown, else
// one lacking entry makes it unmet. Without any entry nobody has looked.
type notes struct {
	bad, open, lacking, good, outside []string
}

func (n *notes) unmet(format string, a ...any) { n.bad = append(n.bad, fmt.Sprintf(format, a...)) }

func (n *notes) unknown(format string, a ...any) { n.open = append(n.open, fmt.Sprintf(format, a...)) }

// lacks notes that something needed was not found, which is no proof where
// something could not be read.
func (n *notes) lacks(format string, a ...any) {
	n.lacking = append(n.lacking, fmt.Sprintf(format, a...))
}

func (n *notes) met(format string, a ...any) { n.good = append(n.good, fmt.Sprintf(format, a...)) }

// notApplicable notes why the requirement does not concern this image; it
// decides only where nothing else was noted.
func (n *notes) notApplicable(format string, a ...any) {
	n.outside = append(n.outside, fmt.Sprintf(format, a...))
}

// finding turns the notes into the verdict on requirement id.
func (n *notes) finding(id requirement.ID) requirement.Finding {
	f := requirement.Finding{ID: id, Side: requirement.Disk, Verdict: n.verdict()}
	kinds := [][]string{n.bad, n.open, n.lacking, n.good, n.outside}
	if f.Verdict == requirement.Unmet {
		kinds = kinds[:3] // what is in order would only hide what is not
	}
	for _, kind := range kinds {
		f.Evidence = append(f.Evidence, cut(kind)...)
	}
	if len(f.Evidence) == 0 {
		f.Evidence = []string{"nothing was looked at"}
	}
	return f
}

func (n *notes) verdict() requirement.Verdict {
	switch {
	case len(n.bad) > 0:
		return requirement.Unmet
	case len(n.open) > 0:
		return requirement.Unknown
	case len(n.lacking) > 0:
		return requirement.Unmet
	case len(n.good) > 0:
		return requirement.Met
	case len(n.outside) > 0:
		return requirement.NotApplicable
	}
	return requirement.Unknown
}

// cut keeps a long list readable.
func cut(entries []string) []string {
	if len(entries) <= maxEvidence {
		return entries
	}
	return append(slices.Clone(entries[:maxEvidence]), fmt.Sprintf("and %d more", len(entries)-maxEvidence))
}

// quote makes a line of the guest safe and short enough to be shown.
func quote(line string) string {
	const most = 160
	line = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(line, "\uFFFD"))
	line = strings.TrimSpace(line)
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}

// at is the evidence for one line of a file.
func at(file string, line int, text string) string {
	return fmt.Sprintf("%s:%d: %s", quote(file), line, quote(text))
}

// add takes over what others noted.
func (n *notes) add(o *notes) {
	n.bad = append(n.bad, o.bad...)
	n.open = append(n.open, o.open...)
	n.lacking = append(n.lacking, o.lacking...)
	n.good = append(n.good, o.good...)
	n.outside = append(n.outside, o.outside...)
}
