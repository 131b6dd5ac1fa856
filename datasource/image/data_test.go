package image

import (
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
