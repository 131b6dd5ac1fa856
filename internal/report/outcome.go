package report

import (
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// outcome is the report in one sentence.
type outcome struct{ Title, Sentence, Mark, Class string }

// outcome tells how many requirements keep the image from being ready; one that
// several sides look at counts once.
func (r *Report) outcome() outcome {
	worst := map[requirement.ID]requirement.Verdict{}
	for _, f := range r.Failing() {
		if worst[f.ID] != requirement.Unmet {
			worst[f.ID] = f.Verdict
		}
	}
	unmet := 0
	for _, verdict := range worst {
		if verdict == requirement.Unmet {
			unmet++
		}
	}
	unknown := len(worst) - unmet
	switch {
	case len(worst) == 0:
		return outcome{"Ready", "Every required requirement is met.", "✓", "good"}
	case unmet == 0:
		return outcome{"Not known to be ready", fmt.Sprintf("%s could not be looked at.", r.ofRequired(unknown)), "?", "unsure"}
	}
	sentence := fmt.Sprintf("%s %s not met", r.ofRequired(unmet), isOrAre(unmet))
	if unknown > 0 {
		sentence += fmt.Sprintf(", and %d could not be looked at", unknown)
	}
	return outcome{"Not ready", sentence + ".", "✗", "bad"}
}

func (r *Report) ofRequired(n int) string {
	required := map[requirement.ID]bool{}
	for _, f := range r.Findings {
		if r.counts(f) {
			required[f.ID] = true
		}
	}
	return fmt.Sprintf("%d of %d required requirements", n, len(required))
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
