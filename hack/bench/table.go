//go:build linux

package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// table is what was measured, a row each, and what was not.
type table struct {
	rows    []string
	leftOut []string
}

// add adds a row: what was measured, of inspect and of what it is beside, how
// they compare, and what is to be reached.
func (t *table) add(cells ...string) {
	t.rows = append(t.rows, strings.Join(cells, "\t"))
}

func (t *table) leaveOut(format string, args ...any) {
	t.leftOut = append(t.leftOut, fmt.Sprintf(format, args...))
}

func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([]string{"WHAT\tINSPECT\tBESIDE\tTAKES\tRATIO\tTO REACH"}, t.rows...) {
		_, _ = fmt.Fprintln(w, row) // to memory
	}
	_ = w.Flush()
	for _, reason := range t.leftOut {
		fmt.Fprintf(&b, "Left out: %s\n", reason)
	}
	return b.String()
}

func atLeast(ratio, target float64) string {
	return fmt.Sprintf("%.0f times or more: %s", target, reached(ratio >= target))
}

func upTo(bytes, target int64) string {
	return fmt.Sprintf("under %d MB: %s", target/1_000_000, reached(bytes < target))
}

func reached(ok bool) string {
	if ok {
		return "reached"
	}
	return "missed"
}
