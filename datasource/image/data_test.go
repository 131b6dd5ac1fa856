package image

import (
	"net"
	"strings"
	"testing"
)

func TestConfigureNamesEveryMistake(t *testing.T) {
	tests := map[string]struct {
		options map[string]any
		want    []string
	}{
		"name":    {map[string]any{"name": "debian"}, nil},
		"nothing": {map[string]any{"cloud": "one"}, []string{"nothing says which image"}},
		"several": {map[string]any{"name_pattern": "(", "visibility": "all", "timeout": "-1s", "interface": "x"}, []string{"name_pattern", "visibility", "timeout", "interface"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := new(Datasource).Configure(test.options)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q: %v", want, err)
				}
			}
		})
	}
}

// TestTheTimeLimitEndsTheSearch uses a server that never answers, as no real
// Keystone does.
func TestTheTimeLimitEndsTheSearch(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	d := new(Datasource)
	err = d.Configure(map[string]any{
		"auth_url": "http://" + silent.Addr().String() + "/v3", "username": "nobody", "password": "unused", "project_name": "none",
		"name": "debian", "timeout": "200ms",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Execute()
	if err == nil {
		t.Fatal("a server that never answers is no error")
	}
	for _, want := range []string{"sign in to Keystone at http://" + silent.Addr().String(), `timeout = "200ms"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}
