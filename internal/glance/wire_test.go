package glance

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestEachRequestIsLoggedWithoutASecret publishes in the real Glance.
func TestEachRequestIsLoggedWithoutASecret(t *testing.T) {
	access := realCloud(t)
	password := readAuth(t, access)["password"]
	var mutex sync.Mutex
	var lines []string
	access.Log = func(line string) {
		mutex.Lock()
		defer mutex.Unlock()
		lines = append(lines, line)
	}
	client := signIn(t, access)
	image, err := client.Publish(t.Context(), Spec{Name: "logged", DiskFormat: "raw", Sending: Sending{Method: MethodImport}}, open(t, sparse(t, 4096)), nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, image.ID)
	form := regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE) 127\.0\.0\.1:\d+ /\S* ?: \d{3} \(req-[0-9a-f-]{36}\) in [0-9.]+(ms|s|µs)$`)
	mutex.Lock()
	defer mutex.Unlock()
	for _, line := range lines {
		if !form.MatchString(strings.Replace(line, ": ", " : ", 1)) && !strings.Contains(line, "/v3") {
			t.Errorf("the log has %q, want method, address, status, request ID and time", line)
		}
		if strings.Contains(line, password) || strings.Contains(line, client.token()) {
			t.Errorf("the log shows a secret: %q", line)
		}
	}
	for _, want := range []string{"POST ", "/stage: 204", "/import: 202", "/v3/auth/tokens: 201", "PATCH "} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("the log has nothing of %q", want)
		}
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	tests := map[string]struct{ least, most time.Duration }{
		"":                     {},
		"7":                    {7 * time.Second, 7 * time.Second},
		"-7":                   {},
		"soon":                 {},
		"99999999999999999999": {},
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): {59 * time.Minute, time.Hour},
		"Mon, 02 Jan 2006 15:04:05 GMT":                         {},
	}
	for text, want := range tests {
		if got := retryAfter(text); got < want.least || got > want.most {
			t.Errorf("%q gives %v, want %v to %v", text, got, want.least, want.most)
		}
	}
}
