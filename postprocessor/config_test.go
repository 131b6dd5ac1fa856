package postprocessor

import (
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	var c Config
	if err := c.decode(map[string]any{"packer_build_name": "debian"}); err != nil {
		t.Fatal(err)
	}
	if c.OnUnmet != "fail" || c.Visibility != "private" || c.ImageName != "debian" || c.Timeout != 2*time.Hour {
		t.Errorf("defaults = %q, %q, %q, %s", c.OnUnmet, c.Visibility, c.ImageName, c.Timeout)
	}
}

func TestUploadsOnlyWhereATemplateWantsIt(t *testing.T) {
	cases := map[string]struct {
		options map[string]any
		want    bool
	}{
		"nothing set":                 {map[string]any{}, false},
		"a cloud":                     {map[string]any{"cloud": clouds("c")}, true},
		"a cloud, but no upload":      {map[string]any{"cloud": clouds("c"), "upload": false}, false},
		"upload by OS_* variables":    {map[string]any{"upload": true}, true},
		"a cloud of the environment":  {map[string]any{"cloud": clouds("")}, true},
		"upload set to false, nobody": {map[string]any{"upload": false}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			c.options["image_name"] = "x"
			var config Config
			if err := config.decode(c.options); err != nil {
				t.Fatal(err)
			}
			if got := config.uploads(); got != c.want {
				t.Errorf("uploads = %t, want %t", got, c.want)
			}
		})
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"cloud": clouds("c"), "image_name": strings.Repeat("n", 256), "visibility": "everybody",
		"require": []string{"no-such"}, "on_unmet": "maybe", "min_ram": -1, "min_disk": -2,
		"timeout": "-1s", "disk_file": "../disk.qcow2",
		"properties": map[string]string{"os_glance_secret": "x", "a/b": "y"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"image name", "visibility", `"everybody"`, "require", "known are: root-resize", "on_unmet",
		"min_ram", "min_disk", "timeout", "disk_file", "os_glance_secret", "a/b",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%s", want, err)
		}
	}
}

func TestAnUnknownOptionIsAMistake(t *testing.T) {
	var c Config
	if err := c.decode(map[string]any{"imagename": "x"}); err == nil || !strings.Contains(err.Error(), "imagename") {
		t.Errorf("error = %v, want one that names the option", err)
	}
}

func TestASecondConfigureForgetsTheFirst(t *testing.T) {
	var p PostProcessor
	first := map[string]any{"properties": map[string]string{"old": "1"}, "require": []string{"guest-agent"}, "on_unmet": "warn"}
	for _, options := range []map[string]any{first, {"properties": map[string]string{"new": "2"}}} {
		if err := p.Configure(options); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := p.config.Properties["old"]; ok || len(p.config.require) != 0 || p.config.OnUnmet != onUnmetFail {
		t.Errorf("after a second Configure: properties = %v, require = %v, on_unmet = %q", p.config.Properties, p.config.require, p.config.OnUnmet)
	}
}

// clouds are the blocks of a template that publishes in the named clouds.
func clouds(names ...string) []map[string]any {
	var blocks []map[string]any
	for _, name := range names {
		blocks = append(blocks, map[string]any{"name": name})
	}
	return blocks
}
