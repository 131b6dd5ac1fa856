package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/document"
)

// The formats that a report can be written in.
const (
	FormatTable = "table"
	FormatHTML  = "html"
	FormatJSON  = "json"
	FormatJUnit = "junit"
	FormatSARIF = "sarif"
)

// Formats lists the formats.
func Formats() []string {
	return []string{FormatTable, FormatHTML, FormatJSON, FormatJUnit, FormatSARIF}
}

// IsFormat reports whether name is one of Formats.
func IsFormat(name string) bool { return slices.Contains(Formats(), name) }

// Write writes the report to w in one of Formats.
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case FormatTable:
		return r.WriteTable(w)
	case FormatHTML:
		return r.WritePage(w)
	case FormatJSON:
		return r.WriteJSON(w)
	case FormatJUnit:
		return r.WriteJUnit(w)
	case FormatSARIF:
		return r.WriteSARIF(w)
	}
	return fmt.Errorf("report format %q: want one of %s", format, strings.Join(Formats(), ", "))
}

// WriteJSON writes the document to w.
func (r *Report) WriteJSON(w io.Writer) error { return document.Write(w, r) }

// Save writes the report to the file at path, whole or not at all: as a page
// where its name ends in .html or .htm, as SARIF where it ends in .sarif, as
// JUnit's XML where it ends in .xml, else as the document.
func (r *Report) Save(path string) error { return r.SaveAs(path, formatByName(path)) }

// SaveAs writes the report in one of Formats to the file at path, whole or not
// at all.
func (r *Report) SaveAs(path, format string) error {
	return document.SaveFrom(path, func(w io.Writer) error { return r.Write(w, format) })
}

func formatByName(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".html", ".htm":
		return FormatHTML
	case ".sarif":
		return FormatSARIF
	case ".xml":
		return FormatJUnit
	}
	return FormatJSON
}
