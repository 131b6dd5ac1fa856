package secret

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestNoVerbShowsASecret(t *testing.T) {
	type config struct {
		Password Secret
		Nested   *struct{ Token Secret }
	}
	value := config{Password: "hunter2", Nested: &struct{ Token Secret }{"hunter2"}}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"JSON":              string(encoded),
		"error":             fmt.Errorf("sign in with %v: %w", value.Password, fmt.Errorf("%s", value.Nested.Token)).Error(),
		"%v of the struct":  fmt.Sprintf("%v", value),
		"%+v of the struct": fmt.Sprintf("%+v", value),
		"%#v of the struct": fmt.Sprintf("%#v", value),
		"%x":                fmt.Sprintf("%x %X", value.Password, value.Password),
		"%q":                fmt.Sprintf("%q", value.Password),
		"%d":                fmt.Sprintf("%d", value.Password),
	}
	for name, got := range tests {
		t.Run(name, func(t *testing.T) {
			for _, leak := range []string{"hunter2", "68756e74657232", "68756E74657232"} {
				if strings.Contains(got, leak) {
					t.Errorf("got %q, which shows the secret", got)
				}
			}
			if !strings.Contains(got, Redacted) {
				t.Errorf("got %q, want it to contain %q", got, Redacted)
			}
		})
	}
}

func TestRevealReturnsTheSecret(t *testing.T) {
	if got, want := Secret("hunter2").Reveal(), "hunter2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("an empty secret prints as %q, want nothing", got)
	}
}
