package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// width is that of a standard terminal.
const width = 80

// WriteTable writes the report for people: the image, a row a requirement,
// what to do about each that is not met, the properties, and the outcome.
func (r *Report) WriteTable(w io.Writer) error { return r.writeTable(w, false) }

// WriteColourTable is WriteTable for a terminal that shows colours.
func (r *Report) WriteColourTable(w io.Writer) error { return r.writeTable(w, true) }

func (r *Report) writeTable(w io.Writer, colours painter) error {
	var b strings.Builder
	writeImage(&b, r)
	b.WriteString("\n")
	writeFindings(&b, r.Findings, colours)
	writeRemedies(&b, r.Findings, colours)
	b.WriteString("\n")
	writeProperties(&b, r.Properties)
	b.WriteString("\n")
	writeOutcome(&b, r.outcome(), colours)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeOutcome(b *strings.Builder, o outcome, colours painter) {
	text := paragraph("", "", o.Title+": "+o.Sentence)
	b.WriteString(strings.Replace(text, o.Title, colours.paint(o.Title, o.Class), 1))
}

// painter puts colours around words, or leaves them as they are.
type painter bool

// paint colours text by the class that it has on the page.
func (p painter) paint(text, class string) string {
	colour := map[string]string{"good": "32", "bad": "1;31", "unsure": "33", "off": "2"}[class]
	if !p || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func writeImage(b *strings.Builder, r *Report) {
	fmt.Fprintf(b, "%s\n", printable(r.Image.Path))
	fmt.Fprintf(b, "%s, %s (%s on disk), %s, %s\n",
		formatInWords(r), Bytes(r.Image.VirtualSize), Bytes(r.Image.FileSize),
		orUnknown(r.Facts.OS.PrettyName), orUnknown(r.Facts.Architecture))
}

// formatInWords adds to the format what the image is packed in.
func formatInWords(r *Report) string {
	words := r.Image.Format
	for _, w := range slices.Backward(r.Facts.Disk.Wrapping) {
		words += fmt.Sprintf(" in %s", w)
	}
	return words
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return printable(s)
}

// Bytes writes n with the binary unit that keeps it below 1024.
func Bytes(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value < 1024 {
			break
		}
		value, unit = value/1024, next
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + unit
}

// WriteFindings writes the findings as a table of 80 columns, a row a
// requirement and a column a side, and the remedies below it.
func WriteFindings(w io.Writer, findings []requirement.Finding) error {
	var b strings.Builder
	writeFindings(&b, findings, false)
	writeRemedies(&b, findings, false)
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	idColumn      = 17
	verdictColumn = 9
)

func writeFindings(b *strings.Builder, findings []requirement.Finding, colours painter) {
	sides := sidesOf(findings)
	fmt.Fprintf(b, "%-*s", idColumn, "REQUIREMENT")
	for _, side := range sides {
		fmt.Fprintf(b, "%-*s", verdictColumn, strings.ToUpper(string(side)))
	}
	b.WriteString("EVIDENCE\n")
	for _, r := range requirement.All() {
		if row := bySide(findings, r.ID); len(row) > 0 {
			writeRow(b, r.ID, sides, row, colours)
		}
	}
}

func writeRow(b *strings.Builder, id requirement.ID, sides []requirement.Side, row map[requirement.Side]requirement.Finding, colours painter) {
	fmt.Fprintf(b, "%-*s", idColumn, id)
	for _, side := range sides {
		text := verdictText(row, side)
		b.WriteString(colours.paint(text, classOf(row[side].Verdict)) + strings.Repeat(" ", verdictColumn-len(text)))
	}
	room := width - idColumn - verdictColumn*len(sides)
	fmt.Fprintf(b, "%s\n", cut(telling(sides, row), room))
}

// verdictText shortens not-applicable to the width of its column.
func verdictText(row map[requirement.Side]requirement.Finding, side requirement.Side) string {
	finding, ok := row[side]
	switch {
	case !ok:
		return "-"
	case finding.Verdict == requirement.NotApplicable:
		return "n/a"
	}
	return string(finding.Verdict)
}

// telling is the evidence that a reader wants first: that of a side whose
// verdict is not OK, else that of the side that saw the finished image.
func telling(sides []requirement.Side, row map[requirement.Side]requirement.Finding) string {
	text := ""
	for _, side := range sides {
		finding, ok := row[side]
		if !ok || len(finding.Evidence) == 0 {
			continue
		}
		text = finding.Evidence[0]
		if !finding.Verdict.OK() {
			break
		}
	}
	return printable(text)
}

func sidesOf(findings []requirement.Finding) []requirement.Side {
	return slices.DeleteFunc(requirement.Sides(), func(s requirement.Side) bool {
		return !slices.ContainsFunc(findings, func(f requirement.Finding) bool { return f.Side == s })
	})
}

func bySide(findings []requirement.Finding, id requirement.ID) map[requirement.Side]requirement.Finding {
	row := map[requirement.Side]requirement.Finding{}
	for _, f := range findings {
		if f.ID == id {
			row[f.Side] = f
		}
	}
	return row
}

func writeRemedies(b *strings.Builder, findings []requirement.Finding, colours painter) {
	for _, f := range findings {
		if f.Verdict.OK() {
			continue
		}
		fmt.Fprintf(b, "\n%s: %s (%s, seen from the %s side)\n", f.ID, colours.paint(string(f.Verdict), classOf(f.Verdict)), f.Requirement().Level, f.Side)
		for _, evidence := range f.Evidence {
			b.WriteString(paragraph("  - ", "    ", evidence))
		}
		b.WriteString(paragraph("  What to do: ", "    ", f.RemedyText()))
	}
}

func writeProperties(b *strings.Builder, properties []property.Property) {
	nameColumn, valueColumn := len("PROPERTY")+2, len("VALUE")+2
	for _, p := range properties {
		nameColumn = max(nameColumn, len(p.Name)+2)
		valueColumn = max(valueColumn, min(len(p.Value), 20)+2)
	}
	fmt.Fprintf(b, "%-*s%-*s%s\n", nameColumn, "PROPERTY", valueColumn, "VALUE", "BECAUSE")
	hanging := strings.Repeat(" ", nameColumn+valueColumn)
	for _, p := range properties {
		head := fmt.Sprintf("%-*s%-*s", nameColumn, printable(p.Name), valueColumn, printable(p.Value))
		if utf8.RuneCountInString(head) > len(hanging) { // The value is wider than its column.
			b.WriteString(strings.TrimRight(head, " ") + "\n")
			head = hanging
		}
		b.WriteString(paragraph(head, hanging, p.Reason))
	}
}

// paragraph fills lines of the terminal's width with the words of text, the
// first behind first, the others behind hanging.
func paragraph(first, hanging, text string) string {
	var b strings.Builder
	line := first
	for i, word := range strings.Fields(printable(text)) {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			b.WriteString(line + "\n")
			line = hanging + word
		}
	}
	b.WriteString(line + "\n")
	return b.String()
}

// cut shortens text to n columns, with an ellipsis where something is missing.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// printable replaces what could steer a terminal: an image chooses its own
// strings.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
