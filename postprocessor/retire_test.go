package postprocessor

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func TestRetireNeedsSomethingToDo(t *testing.T) {
	tests := map[string]struct {
		block map[string]any
		want  string
	}{
		"hide":            {map[string]any{"hide": true}, ""},
		"keep and rename": {map[string]any{"keep": 2, "rename": true}, ""},
		"nothing":         {map[string]any{}, "retire: nothing is asked for"},
		"keep less":       {map[string]any{"keep": -1, "hide": true}, "retire: keep is -1"},
		"hide and delete": {map[string]any{"hide": true, "delete": true}, "retire: delete leaves nothing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var c Config
			err := c.decode(map[string]any{"image_name": "debian", "retire": test.block})
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestEachCloudKeepsTwoImagesAndHidesTheOldest(t *testing.T) {
	realCloud(t)
	path := disktest.Debian(t)
	name := "generations " + time.Now().Format(time.RFC3339Nano)
	var all []*Artifact
	for range 3 {
		artifact, _, err := process(t, path, map[string]any{
			"cloud": clouds("demo", "second"), "image_name": name, "on_unmet": "warn", "on_duplicate": "upload",
			"retire": map[string]any{"keep": 2, "rename": true, "hide": true},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer destroy(t, artifact)
		all = append(all, artifact.(*Artifact))
		time.Sleep(time.Second) // Glance tells ages in seconds.
	}
	for generation, artifact := range all {
		for _, d := range artifact.deliveries {
			image, err := signIn(t, d.cloud.Name).Get(context.Background(), d.image.ID)
			if err != nil {
				t.Fatal(err)
			}
			if oldest := generation == 0; image.Hidden != oldest || (image.Name != name) != oldest {
				t.Errorf("generation %d in cloud %s is %q, hidden %v", generation, d.cloud.Name, image.Name, image.Hidden)
			}
		}
	}
	if last := all[2].String(); strings.Count(last, "is renamed, hidden") != 2 {
		t.Errorf("the artifact does not list what was retired in both clouds:\n%s", last)
	}
}
