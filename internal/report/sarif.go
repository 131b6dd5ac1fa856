package report

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/document"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// The part of SARIF 2.1.0 (OASIS, errata 01) that a report needs; code scanning
// of GitHub and GitLab reads it.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID                   string             `json:"id"`
	ShortDescription     sarifText          `json:"shortDescription"`
	FullDescription      sarifText          `json:"fullDescription"`
	Help                 sarifText          `json:"help"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID              string            `json:"ruleId"`
	Level               string            `json:"level"`
	Message             sarifText         `json:"message"`
	Locations           []sarifLocation   `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	PhysicalLocation struct {
		ArtifactLocation struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
	} `json:"physicalLocation"`
}

const project = "https://github.com/openstack-ready/packer-plugin-openstack-ready"

// WriteSARIF writes the report as SARIF 2.1.0: a rule a requirement, and a
// result for each finding that is not OK. Its level is error where the finding
// keeps the image from being ready, else note.
func (r *Report) WriteSARIF(w io.Writer) error {
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "openstack-ready", InformationURI: project, Rules: sarifRules()}},
		Results: []sarifResult{},
	}
	for _, f := range r.Findings {
		if !f.Verdict.OK() {
			run.Results = append(run.Results, r.sarifResult(f))
		}
	}
	return document.Write(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func sarifRules() []sarifRule {
	var rules []sarifRule
	for _, req := range requirement.All() {
		full := req.Title
		if req.Quote != "" {
			full = req.Quote
		}
		level := "note"
		if req.Level == requirement.Required {
			level = "error"
		}
		rules = append(rules, sarifRule{
			ID: string(req.ID), ShortDescription: sarifText{req.Title}, FullDescription: sarifText{full},
			Help:                 sarifText{"What to do: " + req.Remedy + ". Asked for by " + req.Source + "."},
			DefaultConfiguration: sarifConfiguration{level},
		})
	}
	return rules
}

func (r *Report) sarifResult(f requirement.Finding) sarifResult {
	level := "note"
	if r.counts(f) {
		level = "error"
	}
	var place sarifLocation
	place.PhysicalLocation.ArtifactLocation.URI = uriOf(r.Image.Path)
	return sarifResult{
		RuleID: string(f.ID), Level: level,
		Message:             sarifText{messageOf(f) + "\n" + troubleText(f)},
		Locations:           []sarifLocation{place},
		PartialFingerprints: map[string]string{"requirementAndSide/v1": string(f.ID) + "/" + string(f.Side)},
	}
}

// uriOf is a relative reference where the path is one: readers put it below the
// checkout.
func uriOf(path string) string {
	uri := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		uri.Scheme = "file"
		if !strings.HasPrefix(uri.Path, "/") {
			uri.Path = "/" + uri.Path
		}
	}
	return uri.String()
}
