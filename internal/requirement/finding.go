package requirement

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Verdict is the outcome of looking at one requirement from one side.
type Verdict string

// The verdicts. A verdict is never guessed: what could not be looked at is
// Unknown, with the reason as evidence.
const (
	Met           Verdict = "met"
	Unmet         Verdict = "unmet"
	NotApplicable Verdict = "not-applicable"
	Unknown       Verdict = "unknown"
)

// ParseVerdict returns the verdict named s.
func ParseVerdict(s string) (Verdict, error) {
	switch v := Verdict(s); v {
	case Met, Unmet, NotApplicable, Unknown:
		return v, nil
	}
	return "", fmt.Errorf("verdict %q: want met, unmet, not-applicable or unknown", s)
}

// OK reports whether the verdict lets the image pass: the requirement is met,
// or does not apply to this image.
func (v Verdict) OK() bool { return v == Met || v == NotApplicable }

// Finding is what one side saw of one requirement.
type Finding struct {
	ID      ID
	Side    Side
	Verdict Verdict
	// Evidence says what was seen: which file, which line, which value.
	// There is always at least one entry, the most telling one first.
	Evidence []string
	// Remedy says what to do about an Unmet or Unknown verdict. Empty means
	// the catalogue's own.
	Remedy string
}

// Requirement returns the finding's row of the catalogue.
func (f Finding) Requirement() Requirement {
	r, _ := ByID(f.ID)
	return r
}

// RemedyText returns the finding's remedy, or the catalogue's where it has
// none; nothing when the verdict lets the image pass.
func (f Finding) RemedyText() string {
	switch {
	case f.Verdict.OK():
		return ""
	case f.Remedy != "":
		return f.Remedy
	}
	return f.Requirement().Remedy
}

type findingJSON struct {
	ID       ID       `json:"id"`
	Title    string   `json:"title"`
	Side     Side     `json:"side"`
	Level    Level    `json:"level"`
	Verdict  Verdict  `json:"verdict"`
	Evidence []string `json:"evidence"`
	Remedy   string   `json:"remedy,omitempty"`
	Source   string   `json:"source"`
}

// MarshalJSON writes the finding together with its row of the catalogue, so
// that a report can be read without the catalogue.
func (f Finding) MarshalJSON() ([]byte, error) {
	r := f.Requirement()
	return json.Marshal(findingJSON{
		ID: f.ID, Title: r.Title, Side: f.Side, Level: r.Level, Verdict: f.Verdict,
		Evidence: f.Evidence, Remedy: f.RemedyText(), Source: r.Source,
	})
}

// UnmarshalJSON reads a finding of a report and refuses an ID, side or verdict
// that is not of this catalogue.
func (f *Finding) UnmarshalJSON(b []byte) error {
	var j findingJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if _, err := ParseIDs([]string{string(j.ID)}); err != nil {
		return err
	}
	if !slices.Contains(Sides(), j.Side) {
		return fmt.Errorf("finding %s: unknown side %q", j.ID, j.Side)
	}
	verdict, err := ParseVerdict(string(j.Verdict))
	if err != nil {
		return fmt.Errorf("finding %s: %w", j.ID, err)
	}
	*f = Finding{ID: j.ID, Side: j.Side, Verdict: verdict, Evidence: j.Evidence, Remedy: j.Remedy}
	return nil
}

// Failing returns the findings that stop an image from being ready: those of
// Required requirements, and of the ones in also, whose verdict is not OK.
// An Unknown verdict fails: nobody has seen that the image is ready.
func Failing(findings []Finding, also ...ID) []Finding {
	var failing []Finding
	for _, f := range findings {
		required := f.Requirement().Level == Required || slices.Contains(also, f.ID)
		if required && !f.Verdict.OK() {
			failing = append(failing, f)
		}
	}
	return failing
}
