// Package secret keeps passwords and tokens out of logs, errors and reports.
package secret

import (
	"fmt"
	"io"
)

// Redacted is what a secret looks like wherever it is printed.
const Redacted = "[redacted]"

// Secret is a text that no verb of fmt and no encoder shows. The empty secret
// prints as empty, so that it can be seen that none was given.
type Secret string

// Reveal returns the text itself, for the one place that must send it.
func (s Secret) Reveal() string {
	return string(s)
}

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Redacted
}

// Format implements fmt.Formatter, because %x and %#v ask no Stringer.
func (s Secret) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, s.String())
}

// MarshalText implements encoding.TextMarshaler, which JSON and YAML use too.
func (s Secret) MarshalText() ([]byte, error) {
	return []byte(s.String()), nil
}
