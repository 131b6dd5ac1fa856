package glance

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswerBytes bounds what is read of one answer. A page of images is about
// 140 KiB, a catalogue less.
const maxAnswerBytes = 8 << 20

// requestID is how all of OpenStack names a request in its own logs.
const requestID = "X-Openstack-Request-Id"

// wire logs each request and bounds each answer.
type wire struct {
	next http.RoundTripper
	log  func(string)
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	begin := time.Now()
	response, err := w.next.RoundTrip(request)
	w.say(request, response, err, time.Since(begin))
	if err == nil {
		response.Body = bounded{Reader: io.LimitReader(response.Body, maxAnswerBytes), Closer: response.Body}
	}
	return response, err
}

func (w *wire) say(request *http.Request, response *http.Response, err error, took time.Duration) {
	if w.log == nil {
		return
	}
	outcome := fmt.Sprint(err)
	if err == nil {
		outcome = fmt.Sprint(response.StatusCode)
	}
	if err == nil && response.Header.Get(requestID) != "" {
		outcome += fmt.Sprintf(" (%.64s)", response.Header.Get(requestID))
	}
	line := fmt.Sprintf("%s %s %s: %s in %v", request.Method, request.URL.Host, request.URL.EscapedPath(), outcome, took.Round(time.Millisecond))
	w.log(strings.ToValidUTF8(line, "?"))
}

type bounded struct {
	io.Reader
	io.Closer
}
