// Package diskerr is the one set of errors with which every layer of a disk
// image says why it cannot be read.
package diskerr

import (
	"errors"
	"fmt"
)

// The kinds of refusal, to be told apart with errors.Is. Their texts are not
// part of the messages that people read.
var (
	// ErrUnsafe: reading the image whole would mean following something that
	// it names or hides, such as a backing file. Nothing was followed.
	ErrUnsafe = errors.New("unsafe disk image")
	// ErrUnsupported: a format or feature that is known, and not read here.
	ErrUnsupported = errors.New("unsupported disk image")
	// ErrCorrupt: truncated, impossible, or with a wrong checksum.
	ErrCorrupt = errors.New("corrupt disk image")
	// ErrNotFound: the structure that was looked for is not there at all.
	ErrNotFound = errors.New("structure not found")
)

// Unsafe returns an error that is ErrUnsafe, with the text that fmt.Errorf
// makes of format and args.
func Unsafe(format string, args ...any) error { return kindOf(ErrUnsafe, format, args) }

// Unsupported returns an error that is ErrUnsupported.
func Unsupported(format string, args ...any) error { return kindOf(ErrUnsupported, format, args) }

// Corrupt returns an error that is ErrCorrupt.
func Corrupt(format string, args ...any) error { return kindOf(ErrCorrupt, format, args) }

// NotFound returns an error that is ErrNotFound.
func NotFound(format string, args ...any) error { return kindOf(ErrNotFound, format, args) }

func kindOf(kind error, format string, args []any) error {
	return &kinded{kind: kind, text: fmt.Errorf(format, args...)}
}

// kinded is a sentence with a kind; the kind stays out of the sentence.
type kinded struct {
	kind error
	text error
}

func (e *kinded) Error() string   { return e.text.Error() }
func (e *kinded) Unwrap() []error { return []error{e.kind, e.text} }
