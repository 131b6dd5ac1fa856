package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

//go:embed page/page.html page/page.css page/page.js
var pageFiles embed.FS

// WritePage writes the report as one HTML file that needs no other and asks no
// server for anything.
func (r *Report) WritePage(w io.Writer) error {
	style, err := pageFiles.ReadFile("page/page.css")
	if err != nil {
		return err
	}
	script, err := pageFiles.ReadFile("page/page.js")
	if err != nil {
		return err
	}
	t, err := template.ParseFS(pageFiles, "page/page.html")
	if err != nil {
		return err
	}
	p := newPage(r)
	// Both are files of this package and hold nothing of the image.
	p.Style, p.Script = template.CSS(style), template.JS(script)
	p.Policy = policy(style, script)
	return t.Execute(w, p)
}

// policy lets a browser run and style by the page's own files alone, whatever
// else got into the page.
func policy(style, script []byte) string {
	hash := func(b []byte) string {
		sum := sha256.Sum256(b)
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return fmt.Sprintf("default-src 'none'; img-src data:; style-src %s; script-src %s; base-uri 'none'; form-action 'none'", hash(style), hash(script))
}

// page is what page.html shows.
type page struct {
	Policy, Name, Path, Schema string
	Style                      template.CSS
	Script                     template.JS

	Verdict    outcome
	Facts      []named
	Layout     []slice
	Filters    []pageFilter
	Sides      []string
	Columns    int
	Rows       []pageRow
	Properties []property.Property
	Published  [][]named
	Proof      *pageProof
	Timings    *bars
}

type named struct{ Name, Value string }

func newPage(r *Report) *page {
	sides := sidesOf(r.Findings)
	p := &page{
		Name: filepath.Base(r.Image.Path), Path: r.Image.Path, Schema: r.Schema,
		Verdict: r.outcome(), Facts: glance(r), Layout: layout(r),
		Columns: len(sides) + 2, Rows: pageRows(r, sides),
		Properties: r.Properties, Published: publishedFacts(r),
		Proof: newPageProof(r.Proof), Timings: newBars(r.Timings),
	}
	for _, side := range sides {
		p.Sides = append(p.Sides, strings.ToUpper(string(side[:1]))+string(side[1:]))
	}
	p.Filters = pageFilters(p.Rows)
	return p
}

// pageFilter is a choice of what rows to show.
type pageFilter struct {
	Value, Name string
	Count       int
}

// The states that the rows are filtered by.
const (
	stateWork          = "work"
	stateMet           = "met"
	stateNotApplicable = "not-applicable"
)

func pageFilters(rows []pageRow) []pageFilter {
	filters := []pageFilter{{"all", "all", len(rows)}, {stateWork, "needs work", 0}, {stateMet, "met", 0}, {stateNotApplicable, "not applicable", 0}}
	for i := range filters[1:] {
		for _, row := range rows {
			if row.State == filters[i+1].Value {
				filters[i+1].Count++
			}
		}
	}
	return filters
}

// pageRow is one requirement.
type pageRow struct {
	requirement.Requirement
	Optional bool
	State    string
	Cells    []cell
	Telling  string
	Sides    []seen
}

// seen is what one side found.
type seen struct {
	Side     requirement.Side
	Cell     cell
	Evidence []string
	Remedy   string
}

func pageRows(r *Report, sides []requirement.Side) []pageRow {
	var rows []pageRow
	for _, req := range requirement.All() {
		found := bySide(r.Findings, req.ID)
		if len(found) == 0 {
			continue
		}
		row := pageRow{
			Requirement: req, Telling: telling(sides, found), State: state(found),
			Optional: !r.counts(requirement.Finding{ID: req.ID}),
		}
		for _, side := range sides {
			c := cellOf(found, side)
			row.Cells = append(row.Cells, c)
			if f, ok := found[side]; ok {
				row.Sides = append(row.Sides, seen{side, c, f.Evidence, f.RemedyText()})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// state is work where a side found something to do, and met where one side saw
// it met and none saw otherwise.
func state(found map[requirement.Side]requirement.Finding) string {
	state := stateNotApplicable
	for _, f := range found {
		switch {
		case !f.Verdict.OK():
			return stateWork
		case f.Verdict == requirement.Met:
			state = stateMet
		}
	}
	return state
}

// cell is a verdict in the words, the sign and the colour of a table.
type cell struct{ Text, Mark, Class string }

func cellOf(found map[requirement.Side]requirement.Finding, side requirement.Side) cell {
	f, looked := found[side]
	if !looked {
		return cell{Text: "not looked", Class: "none"}
	}
	marks := map[requirement.Verdict]string{
		requirement.Met: "✓", requirement.Unmet: "✗", requirement.Unknown: "?", requirement.NotApplicable: "–",
	}
	return cell{verdictText(found, side), marks[f.Verdict], classOf(f.Verdict)}
}

// classOf is what a verdict is coloured by; empty for none.
func classOf(v requirement.Verdict) string {
	return map[requirement.Verdict]string{
		requirement.Met: "good", requirement.Unmet: "bad", requirement.Unknown: "unsure", requirement.NotApplicable: "off",
	}[v]
}

func publishedFacts(r *Report) [][]named {
	var all [][]named
	for _, p := range r.Published {
		all = append(all, publishedIn(p))
	}
	return all
}

func publishedIn(p Published) []named {
	facts := []named{{"Name", p.Name}, {"ID", p.ID}, {"Cloud", p.Cloud}, {"Region", p.Region}, {"Error", p.Error}, {"Status", p.Status}, {"Format", p.DiskFormat}}
	if p.ID != "" {
		facts = append(facts, named{"Size", Bytes(p.Size)}, named{p.HashAlgorithm, p.HashValue})
	}
	for _, r := range p.Retired {
		facts = append(facts, named{"Older image", r.inWords()})
	}
	for _, warning := range p.Warnings {
		facts = append(facts, named{"Warning", warning})
	}
	return known(facts)
}

func (r Retired) inWords() string {
	became := slices.Clone(r.Done)
	if r.Left != "" {
		became = append(became, "left alone, since "+r.Left)
	}
	return fmt.Sprintf("%s (%s): %s", r.Name, r.ID, strings.Join(became, ", "))
}
