package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// The elements and attributes that the readers of JUnit's XML agree on: Jenkins,
// GitLab, GitHub's actions and Azure.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitTrouble `xml:"failure"`
	Error   *junitTrouble `xml:"error"`
	Skipped *junitTrouble `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitTrouble struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as JUnit's XML: a suite a side, a test case a
// requirement. One that keeps the image from being ready is a failure when it
// is unmet and an error when it could not be looked at. What does not apply,
// or is not asked for, is skipped.
func (r *Report) WriteJUnit(w io.Writer) error {
	var suites junitSuites
	for _, side := range sidesOf(r.Findings) {
		suites.Suites = append(suites.Suites, r.junitSuite(side))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suites); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Report) junitSuite(side requirement.Side) junitSuite {
	suite := junitSuite{Name: "openstack-ready: the " + string(side) + " side"}
	for _, f := range r.Findings {
		if f.Side != side {
			continue
		}
		c := r.junitCase(f)
		suite.Tests++
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Error != nil:
			suite.Errors++
		case c.Skipped != nil:
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}

func (r *Report) junitCase(f requirement.Finding) junitCase {
	c := junitCase{Class: "openstack-ready." + string(f.Side), Name: string(f.ID), Output: printableLines(f.Evidence)}
	trouble := &junitTrouble{Message: messageOf(f)}
	if !f.Verdict.OK() {
		trouble.Text = troubleText(f)
	}
	switch {
	case f.Verdict == requirement.Met:
	case f.Verdict == requirement.NotApplicable || !r.counts(f):
		c.Skipped = trouble
	case f.Verdict == requirement.Unmet:
		c.Failure = trouble
	default:
		c.Error = trouble
	}
	return c
}

// messageOf is a finding in one line.
func messageOf(f requirement.Finding) string {
	text := fmt.Sprintf("%s (%s)", f.Verdict, f.Requirement().Level)
	if len(f.Evidence) > 0 {
		text += ": " + printable(f.Evidence[0])
	}
	return text
}

// troubleText is all that is known of a finding that is not OK.
func troubleText(f requirement.Finding) string {
	req := f.Requirement()
	return fmt.Sprintf("%s.\n%s\nWhat to do: %s\nAsked for by %s\n", req.Title, printableLines(f.Evidence), printable(f.RemedyText()), req.Source)
}

func printableLines(lines []string) string {
	clean := make([]string, len(lines))
	for i, line := range lines {
		clean[i] = "- " + printable(line)
	}
	return strings.Join(clean, "\n")
}
