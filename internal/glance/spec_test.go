package glance

import (
	"strings"
	"testing"
)

func TestValidateChecksProperties(t *testing.T) {
	tests := map[string]struct {
		name, value string
		want        string
	}{
		"ordinary":             {"os_distro", "debian", ""},
		"trait with a colon":   {"trait:HW_CPU_X86_AVX2", "required", ""},
		"empty value":          {"os_version", "", ""},
		"longest value":        {"k", strings.Repeat("v", 65535), ""},
		"255 characters":       {strings.Repeat("é", 255), "v", ""},
		"256 characters":       {strings.Repeat("é", 256), "v", "256 characters"},
		"no name":              {"", "v", "property name is empty"},
		"slash":                {"a/b", "v", `"a/b" holds / or ~`},
		"tilde":                {"a~b", "v", `"a~b" holds / or ~`},
		"reserved":             {"os_glance_failed_import", "v", "os_glance"},
		"Glance's own":         {"os_hash_value", "v", "only Glance itself"},
		"has its own option":   {"min_disk", "1", "option of its own"},
		"too long a value":     {"k", strings.Repeat("v", 65536), "65536 bytes"},
		"NUL in the name":      {"a\x00", "v", "NUL"},
		"value that is binary": {"k", "\xff\xfe", "not UTF-8"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := Spec{Name: "n", DiskFormat: "raw", Properties: map[string]string{test.name: test.value}}.Validate()
			if test.want == "" {
				checkError(t, err, nil)
				return
			}
			checkError(t, err, []string{test.want})
		})
	}
}

func TestTemporaryNameKeepsToTheLimit(t *testing.T) {
	tests := map[string]struct{ name, want string }{
		"short": {"debian", "debian (uploading "},
		"long":  {strings.Repeat("é", 255), strings.Repeat("é", 236) + " (uploading "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := temporaryName(test.name)
			if !strings.HasPrefix(got, test.want) || len([]rune(got)) > 255 {
				t.Errorf("got %q of %d characters, want at most 255 that begin with %q", got, len([]rune(got)), test.want)
			}
			if again := temporaryName(test.name); again == got {
				t.Errorf("got %q twice, want another name each time", got)
			}
		})
	}
}

func TestWordsAreTakenOutOfAnAnswer(t *testing.T) {
	tests := map[string]struct {
		body string
		want string
	}{
		"Keystone":          {`{"error":{"code":401,"message":"The request you have made requires authentication."}}`, "The request you have made requires authentication."},
		"Nova":              {`{"computeFault": {"code": 406, "message": "Version 2.81 is not supported by the API."}}`, "Version 2.81 is not supported by the API."},
		"Glance, JSON":      {`{"message": "You are not permitted.<br /><br />\n\n\n", "code": "413"}`, "You are not permitted."},
		"Glance, HTML":      {"<html>\n <head>\n  <title>413 Request Entity Too Large</title>\n </head>\n <body>\n  <h1>413 Request Entity Too Large</h1>\n  Denying attempt to upload image &amp; more<br /><br />\n </body>\n</html>", "Denying attempt to upload image & more"},
		"plain text":        {"413 Request Entity Too Large\n\nno space\n", "no space"},
		"terminal escapes":  {"bad \x1b[31mred\x07\x00 words", "bad [31mred words"},
		"nothing":           {"", ""},
		"JSON of no object": {"[1, 2]", "[1, 2]"},
		"far too much":      {strings.Repeat("x", 60000), strings.Repeat("x", 500) + "…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := words([]byte(test.body), 413); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
