package postprocessor

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

func TestEveryWrongPropertyIsNamedAtOnce(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"image_name": "x",
		"properties": map[string]string{"hw_disk_bus": "nvme", "hw_vif_model": "", "hw_pmu": "maybe", "mine": "x"},
		"cloud":      []map[string]any{{"name": "north", "properties": map[string]string{"hw_video_ram": "big"}}},
	})
	for _, want := range []string{
		`properties: hw_disk_bus = "nvme": want one of fdc`, `properties: hw_pmu = "maybe": want true or false`,
		`cloud north: properties: hw_video_ram = "big": want a whole number`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q in it", err, want)
		}
	}
	for _, good := range []string{"hw_vif_model", "mine"} {
		if err != nil && strings.Contains(err.Error(), good) {
			t.Errorf("error %v names %s, which is no mistake", err, good)
		}
	}
}

// scs is what people must say of an image of the profile scs-0102-v2.
func scs() map[string]string {
	return map[string]string{
		"os_purpose": "generic", "replace_frequency": "monthly", "provided_until": "none", "uuid_validity": "forever",
		"image_source": "private", "image_description": "a test", "image_original_user": "none", "hw_disk_bus": "scsi",
	}
}

func TestProfileIsCheckedAtValidate(t *testing.T) {
	without := func(name string) map[string]string {
		properties := scs()
		delete(properties, name)
		return properties
	}
	cases := map[string]struct {
		options map[string]any
		// want is in the error; empty where there is none.
		want string
	}{
		"whole":           {map[string]any{"properties": scs(), "min_ram": 512}, ""},
		"without min_ram": {map[string]any{"properties": scs()}, "min_ram is missing"},
		"without purpose": {map[string]any{"properties": without("os_purpose"), "min_ram": 512}, "os_purpose is missing: want one of generic"},
		"said for the only cloud": {map[string]any{
			"properties": without("os_purpose"), "min_ram": 512, "image_name": "x",
			"cloud": []map[string]any{{"name": "a", "properties": map[string]string{"os_purpose": "gpu"}}},
		}, ""},
		"said for one of two clouds": {map[string]any{
			"properties": without("os_purpose"), "min_ram": 512, "image_name": "x",
			"cloud": []map[string]any{{"name": "a", "properties": map[string]string{"os_purpose": "gpu"}}, {"name": "b"}},
		}, "cloud b: profile scs-0102-v2: os_purpose is missing"},
		"a file may say it": {map[string]any{"properties_from": "not-read-yet.json"}, ""},
		"no such profile":   {map[string]any{"profile": "scs"}, `profile: "scs": want one of scs-0102-v1, scs-0102-v2`},
		"version 1 is less": {map[string]any{"profile": "scs-0102-v1", "properties": without("os_purpose"), "min_ram": 512}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			options := map[string]any{"profile": "scs-0102-v2"}
			maps.Copy(options, c.options)
			var config Config
			err := config.decode(options)
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestPropertiesOfAFileAreBelowThoseOfTheTemplate(t *testing.T) {
	path := disktest.Debian(t)
	from := filepath.Join(t.TempDir(), "common.json")
	write(t, from, `{"os_distro": "mine", "hw_disk_bus": "scsi", "hw_pmu": "true", "min_disk": "7"}`)
	_, _, err := process(t, path, map[string]any{
		"on_unmet": "warn", "properties_from": from, "properties": map[string]string{"hw_disk_bus": "virtio", "hw_pmu": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	var saved struct{ Properties []property.Property }
	readJSON(t, path+".properties.json", &saved)
	for name, want := range map[string]string{"os_distro": "mine", "hw_disk_bus": "virtio", "hw_pmu": "", "min_disk": "7", "os_type": "linux"} {
		if got, _ := property.Find(saved.Properties, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	// What one build wrote is what another reads.
	loaded, err := report.LoadProperties(path + ".properties.json")
	if err != nil || loaded["os_distro"] != "mine" || len(loaded) != len(saved.Properties) {
		t.Errorf("read again = %v, %v, want the %d that were written", loaded, err, len(saved.Properties))
	}
}

func TestMistakesOfAPropertiesFileEndTheBuildBeforeTheInspection(t *testing.T) {
	cases := map[string]struct {
		content string
		options map[string]any
		want    string
	}{
		"a wrong value":       {`{"hw_disk_bus": "nvme"}`, nil, "want one of fdc"},
		"no strings":          {`{"hw_video_ram": 64}`, nil, "want a JSON object of strings"},
		"a wrong limit":       {`{"min_disk": "-1"}`, nil, `min_disk = "-1": want a whole number`},
		"a name of Glance's":  {`{"os_hash_value": "0"}`, map[string]any{"upload": true, "image_name": "x"}, "only Glance itself sets it"},
		"less than a profile": {`{"min_ram": "64"}`, map[string]any{"profile": "scs-0102-v1"}, "replace_frequency is missing"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			from := filepath.Join(t.TempDir(), "p.json")
			write(t, from, c.content)
			options := map[string]any{"properties_from": from}
			maps.Copy(options, c.options)
			_, said, err := process(t, "never-opened.qcow2", options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q in it", err, c.want)
			}
			if strings.Contains(said, "Inspecting") {
				t.Errorf("the disk was inspected first:\n%s", said)
			}
		})
	}
}

func TestProfileIsFilledInFromTheDisk(t *testing.T) {
	path := disktest.Debian(t)
	written := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
	said := scs()
	said["architecture"] = "x86_64" // The disk has no program that tells it.
	options := map[string]any{"on_unmet": "warn", "profile": "scs-0102-v2", "min_ram": 256, "properties": said}
	if _, _, err := process(t, path, options); err != nil {
		t.Fatal(err)
	}
	var saved struct{ Properties []property.Property }
	readJSON(t, path+".properties.json", &saved)
	for name, want := range map[string]string{"image_build_date": "2026-01-31", "os_distro": "debian", "image_original_user": "none"} {
		if got, _ := property.Find(saved.Properties, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	// This disk has no drivers, and nobody says which bus it boots from.
	delete(said, "hw_disk_bus")
	_, _, err := process(t, path, options)
	if err == nil || !strings.Contains(err.Error(), "profile scs-0102-v2: hw_disk_bus is missing: want scsi") {
		t.Errorf("error = %v, want that hw_disk_bus is missing", err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
