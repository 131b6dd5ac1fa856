package guest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// two is what the tests' guests are asked about.
var two = []requirement.ID{requirement.SSHServer, requirement.DHCP}

// lines makes output of the guest: each line gets the prefix, and | is a tab.
func lines(said ...string) string {
	var b strings.Builder
	for _, s := range said {
		b.WriteString(prefix + strings.ReplaceAll(s, "|", "\t") + "\n")
	}
	return b.String()
}

func heard(output string) *transcript {
	t := newTranscript(two, func(string) {})
	_, _ = t.Write([]byte(output))
	return t
}

func TestTranscriptBecomesReport(t *testing.T) {
	output := "Welcome to Debian\r\n" + lines(
		"stage|probe", "probe|id|debian", "probe|uname|Linux",
		"before|ssh-server|met", "evidence|ssh-server|ssh.service is enabled",
		"before|dhcp|unmet", `evidence|dhcp|a\tb\\c\nd`, "remedy|dhcp|do it",
		"change|dhcp|edited x",
		"after|dhcp|met", "evidence|dhcp|fine",
		"after|ssh-server|met", "evidence|ssh-server|ssh.service is enabled",
		"end|ok",
	)
	tr := heard(output)
	rep, err := tr.report(report.Mend)
	if err != nil || tr.err != nil {
		t.Fatalf("got %v, %v", tr.err, err)
	}
	if got, want := rep.Before[1].Evidence[0], `a b\c d`; got != want {
		t.Errorf("evidence: got %q, want %q", got, want)
	}
	if got, want := rep.Before[1].Remedy, "do it"; got != want {
		t.Errorf("remedy: got %q, want %q", got, want)
	}
	ids := []requirement.ID{rep.Findings[0].ID, rep.Findings[1].ID}
	if !slices.Equal(ids, two) {
		t.Errorf("findings are in the order %v, want the catalogue's %v", ids, two)
	}
	if got, want := fmt.Sprint(rep.Changes), "[{dhcp edited x}]"; got != want {
		t.Errorf("changes: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(tr.log), "[Welcome to Debian]"; got != want {
		t.Errorf("log: got %s, want %s", got, want)
	}
}

func TestBrokenProtocolIsRefused(t *testing.T) {
	finding := []string{"before|dhcp|met", "evidence|dhcp|fine"}
	for _, test := range []struct {
		name, output, want string
	}{
		{"unknown word", lines("shout|x"), "not a word of the protocol"},
		{"missing field", lines("before|dhcp"), "1 fields, want 2"},
		{"extra field", lines("stage|a|b"), "2 fields, want 1"},
		{"unknown requirement", lines("before|no-such|met"), "nobody asked for"},
		{"requirement that was skipped", lines("before|virtio|met"), "nobody asked for"},
		{"unknown verdict", lines("before|dhcp|perfect"), `verdict "perfect"`},
		{"finding without evidence", lines("before|dhcp|met", "before|ssh-server|met"), "without evidence"},
		{"last finding without evidence", lines("before|dhcp|met", "end|ok"), "without evidence"},
		{"second finding", lines(append(finding, finding...)...), "a second"},
		{"evidence of another", lines("before|dhcp|met", "evidence|ssh-server|x"), "outside its finding"},
		{"evidence of nothing", lines("evidence|dhcp|x"), "outside its finding"},
		{"remedy of nothing", lines("remedy|dhcp|x"), "outside its finding"},
		{"change for nobody", lines("change|virtio|x"), "nobody asked for"},
		{"unknown probe", lines("probe|shoe size|43"), "unknown probe"},
		{"unknown end", lines("end|perhaps"), "unknown end"},
		{"failed end without reason", lines("end|failed"), "1 fields, want 2"},
		{"line after the end", lines("end|ok", "stage|x"), "after the end"},
		{"unknown escape", lines(`stage|\x`), "unknown escape"},
		{"unfinished escape", lines(`stage|a\`), "unfinished escape"},
		{"endless line", strings.Repeat("x", maxLine+1), "a line of more than"},
		{"too many lines", strings.Repeat("\n", maxLines+1), "more than 20000 lines"},
		{"too much", strings.Repeat(strings.Repeat("x", maxLine-1)+"\n", maxOutput/maxLine+1), "more than 4194304 bytes"},
		{"too much evidence", lines(append(finding, slices.Repeat(finding[1:], maxEvidence)...)...), "more than 100 pieces"},
		{"too many changes", lines(slices.Repeat([]string{"change|dhcp|x"}, maxChanges+1)...), "more than 5000 changes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := heard(test.output).err
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestReportNeedsEveryFinding(t *testing.T) {
	only := []string{"before|dhcp|met", "evidence|dhcp|fine"}
	other := []string{"before|ssh-server|met", "evidence|ssh-server|fine"}
	for _, test := range []struct {
		name string
		mode report.Mode
		said []string
		want string
	}{
		{"one missing", report.Check, only, "nothing about ssh-server (before)"},
		{"no second look", report.Mend, append(only, other...), "nothing about ssh-server (after)"},
		{"change in a check", report.Check, append(append(only, other...), "change|dhcp|x"), "only to be checked"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := heard(lines(append(test.said, "end|ok")...))
			_, err := tr.report(test.mode)
			if tr.err != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got errors %v, %v, want one with %q", tr.err, err, test.want)
			}
		})
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add([]byte(lines("before|dhcp|met", "evidence|dhcp|fine", "end|ok")), 7)
	f.Add([]byte(lines("change|dhcp|x", `probe|id|\\`, "log|x", "end|failed|y")), 1)
	f.Add([]byte("\xff\x00\x1b[31m\r\n"+prefix), 3)
	f.Fuzz(func(t *testing.T, output []byte, size int) {
		whole := heard(string(output))
		pieces := newTranscript(two, func(string) {})
		for piece := range slices.Chunk(output, max(1, size%4096)) {
			if n, err := pieces.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("Write: got %d, %v", n, err)
			}
		}
		if fmt.Sprint(whole.err) != fmt.Sprint(pieces.err) || whole.ended != pieces.ended {
			t.Errorf("in one piece: %v; in several: %v", whole.err, pieces.err)
		}
		for _, list := range whole.findings {
			for _, finding := range list {
				if !slices.Contains(two, finding.ID) || len(finding.Evidence) > maxEvidence {
					t.Errorf("took in %+v", finding)
				}
			}
		}
		if rep, err := whole.report(report.Mend); err == nil && len(rep.Findings) != len(two) {
			t.Errorf("report with %d findings", len(rep.Findings))
		}
	})
}
