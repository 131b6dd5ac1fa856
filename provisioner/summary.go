package provisioner

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// width is what the table may take of a terminal; Packer puts the build's name
// before each line of its own accord.
const width = 80

// summary says in lines for a terminal what was found and what was changed.
func summary(rep *report.Report) []string {
	lines := []string{fmt.Sprintf("%s, kernel %s, %s", rep.System.Name, rep.System.Kernel, rep.System.Arch)}
	lines = append(lines, table(rep)...)
	return append(lines, changes(rep)...)
}

func table(rep *report.Report) []string {
	rows := [][3]string{{"REQUIREMENT", "VERDICT", "EVIDENCE"}}
	for i, f := range rep.Findings {
		rows = append(rows, [3]string{string(f.ID), verdict(rep, i), f.Evidence[0]})
	}
	first, second := columnWidth(rows, 0), columnWidth(rows, 1)
	lines := make([]string, len(rows))
	for i, row := range rows {
		line := fmt.Sprintf("%-*s  %-*s  %s", first, row[0], second, row[1], row[2])
		lines[i] = shorten(line, width)
	}
	return lines
}

// verdict names what the last look found, and the first one where it differs.
func verdict(rep *report.Report, i int) string {
	last := rep.Findings[i].Verdict
	if i < len(rep.Before) && rep.Before[i].Verdict != last {
		return fmt.Sprintf("%s → %s", short(rep.Before[i].Verdict), short(last))
	}
	return short(last)
}

func short(v requirement.Verdict) string {
	if v == requirement.NotApplicable {
		return "n/a"
	}
	return string(v)
}

func columnWidth(rows [][3]string, column int) int {
	widest := 0
	for _, row := range rows {
		widest = max(widest, utf8.RuneCountInString(row[column]))
	}
	return widest
}

// shorten cuts text to n characters, the last one an ellipsis.
func shorten(text string, n int) string {
	runes := []rune(strings.TrimRight(text, " "))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-1]) + "…"
}

func changes(rep *report.Report) []string {
	switch {
	case rep.Mode == report.Check:
		return []string{"Nothing was changed, as the mode is check"}
	case len(rep.Changes) == 0:
		return []string{"No change: already ready"}
	}
	lines := []string{fmt.Sprintf("Changes (%d):", len(rep.Changes))}
	for _, c := range rep.Changes {
		lines = append(lines, shorten(fmt.Sprintf("  %s: %s", c.ID, c.Text), 2*width))
	}
	return lines
}
