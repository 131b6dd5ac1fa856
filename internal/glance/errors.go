package glance

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/gophercloud/gophercloud/v2"
)

// ServerError is an answer that refuses what was asked.
type ServerError struct {
	// Service is Keystone or Glance.
	Service string
	// Code is the HTTP status.
	Code int
	// Words is what the server says itself, without markup, at most 500
	// characters long; it may be empty.
	Words string
	// RetryAfter is how long the server asks to be left alone, 0 if it does not.
	RetryAfter time.Duration
}

// Error implements error.
func (e *ServerError) Error() string {
	text := fmt.Sprintf("%s answers %d", e.Service, e.Code)
	if name := http.StatusText(e.Code); name != "" {
		text += " (" + name + ")"
	}
	if e.Words != "" {
		text += fmt.Sprintf(", in its words %q", e.Words)
	}
	return text
}

const (
	maxWordsBytes = 64 << 10
	maxWords      = 500
)

func newServerError(service string, code int, header http.Header, body []byte) *ServerError {
	return &ServerError{Service: service, Code: code, Words: words(body, code), RetryAfter: retryAfter(header.Get("Retry-After"))}
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); what is neither,
// or lies in the past, is 0.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// translated turns gophercloud's errors into ours. It returns nil for nil.
func translated(service string, err error) error {
	var answer gophercloud.ErrUnexpectedResponseCode
	var renewal *gophercloud.ErrUnableToReauthenticate
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer):
		return newServerError(service, answer.Actual, answer.ResponseHeader, answer.Body)
	case errors.As(err, &renewal):
		return fmt.Errorf("sign in again, since the token is no longer valid: %w", translated("Keystone", renewal.ErrReauth))
	}
	return unwrapURL(err)
}

// unwrapURL leaves out the method and URL that net/http puts before an error,
// since ours say already what was being done, and gives one name to all the
// ways in which a connection ends early.
func unwrapURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("no answer in time (%w)", err)
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return fmt.Errorf("the connection broke (%w)", err)
		}
	}
	return err
}

var markup = regexp.MustCompile(`(?s)<(title|h1|head|style)\b.*?</(title|h1|head|style)>|<[^>]*>`)

// words takes the sentence out of an answer of Keystone or Nova
// ({"error":{"message"}}, with many names for error), of Glance (HTML or
// {"message"}) or of a proxy between (anything).
func words(body []byte, code int) string {
	text := string(body)
	var direct struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &direct) == nil {
		text = direct.Message
	}
	var below map[string]struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &below) == nil && len(below) == 1 {
		for _, inner := range below {
			text = inner.Message
		}
	}
	text = html.UnescapeString(markup.ReplaceAllString(text, " "))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	text = strings.TrimPrefix(text, fmt.Sprintf("%d %s ", code, http.StatusText(code)))
	if short := []rune(text); len(short) > maxWords {
		return string(short[:maxWords]) + "…"
	}
	return text
}

// codeOf returns the status that a server refused with, 0 if none did.
func codeOf(err error) int {
	var answer *ServerError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// passing tells whether the same request may succeed a little later: the
// server is overloaded, or was not reached at all.
func passing(err error) bool {
	var answer *ServerError
	if !errors.As(err, &answer) {
		return true
	}
	switch answer.Code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// refused tells that the server clearly did not do what was asked. Any other
// answer may come from something between that had passed the request on, or, as
// a cancel races with the answer, be only the beginning of one.
func refused(err error) bool {
	code := codeOf(err)
	return code >= 400 && code < 500 && code != http.StatusRequestTimeout
}

// unsent tells that a request can not have had any effect.
func unsent(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}

// gone tells whether the image is no longer there.
func gone(err error) bool {
	code := codeOf(err)
	return code == http.StatusNotFound || code == http.StatusGone
}
