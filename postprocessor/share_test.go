package postprocessor

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

func TestMembersNeedTheVisibilityShared(t *testing.T) {
	member := []map[string]any{{"project_id": "a"}}
	tests := map[string]struct {
		options map[string]any
		want    string
	}{
		"shared":                     {map[string]any{"visibility": "shared", "member": member, "cloud": clouds("c")}, ""},
		"private":                    {map[string]any{"member": member, "cloud": clouds("c")}, `cloud c: members are there, but visibility is "private"`},
		"a cloud that shares":        {map[string]any{"cloud": []map[string]any{{"name": "c", "visibility": "shared", "member": member}}}, ""},
		"a cloud that does not":      {map[string]any{"cloud": []map[string]any{{"name": "c", "member": member}}}, `cloud c: members are there, but visibility is "private"`},
		"a cloud that stops sharing": {map[string]any{"visibility": "shared", "member": member, "cloud": []map[string]any{{"name": "c", "visibility": "public"}}}, `cloud c: members are there, but visibility is "public"`},
		"no project":                 {map[string]any{"visibility": "shared", "member": []map[string]any{{"cloud": "x"}}, "cloud": clouds("c")}, "member is empty"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.options["image_name"] = "debian"
			var c Config
			err := c.decode(test.options)
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestACloudSharesByItsOwnOptions(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"image_name": "debian", "visibility": "shared", "member": []map[string]any{{"project_id": "a"}}, "precache_aggregates": []string{"x"},
		"cloud": []map[string]any{{"name": "one"}, {"name": "two", "member": []map[string]any{{"project_id": "b"}, {"project_id": "c"}}, "precache_aggregates": []string{"y"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ members, aggregates []string }{{[]string{"a"}, []string{"x"}}, {[]string{"b", "c"}, []string{"y"}}} {
		cloud := c.Clouds[i]
		if got := cloud.override(c.spec()).Members; !slices.Equal(got, want.members) {
			t.Errorf("cloud %s invites %v, want %v", cloud.Name, got, want.members)
		}
		sharing := c.sharing(cloud)
		if !slices.Equal(sharing.projects(), want.members) || !slices.Equal(sharing.PrecacheAggregates, want.aggregates) {
			t.Errorf("cloud %s shares by %+v, want %+v", cloud.Name, sharing, want)
		}
	}
}

// projectOf returns the ID of the project that a cloud's entry signs in to.
func projectOf(t *testing.T, cloud string) string {
	t.Helper()
	project, err := signIn(t, cloud).Project()
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestAMemberHasTheImage uses two projects of a real Keystone and Glance, which
// have no Nova beside them: that is a warning.
func TestAMemberHasTheImage(t *testing.T) {
	realCloud(t)
	saved := filepath.Join(t.TempDir(), "report.json")
	options := map[string]any{
		"cloud": clouds("demo"), "image_name": "shared " + time.Now().Format(time.RFC3339Nano), "on_unmet": "warn", "on_duplicate": "upload",
		"visibility": "shared", "member": []map[string]any{{"project_id": projectOf(t, "demo-guest"), "cloud": "demo-guest"}},
		"precache_aggregates": []string{"all"}, "report": saved, "retire": map[string]any{"hide": true},
	}
	path := disktest.Debian(t)
	older, _, err := process(t, path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer destroy(t, older)
	time.Sleep(time.Second) // Glance tells ages in seconds.
	artifact, said, err := process(t, path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer destroy(t, artifact)
	if want := "is accepted by 1 of its 1 members"; !strings.Contains(said, want) {
		t.Errorf("the user is not told %q:\n%s", want, said)
	}
	image, err := signIn(t, "demo-guest").Get(context.Background(), artifact.Id())
	if err != nil || image.Visibility != "shared" {
		t.Errorf("the guest gets %+v, %v", image, err)
	}
	var rep report.Report
	readJSON(t, saved, &rep)
	entry := rep.Published[0]
	if len(entry.Warnings) != 1 || !strings.Contains(entry.Warnings[0], "no public endpoint of type compute") {
		t.Errorf("the report warns of %q, want of the missing Nova", entry.Warnings)
	}
	if len(entry.Retired) != 1 || entry.Retired[0].ID != older.Id() || !slices.Equal(entry.Retired[0].Done, []string{"hidden"}) {
		t.Errorf("the report has retired %+v, want image %s hidden", entry.Retired, older.Id())
	}
}

func TestAGuestThatCannotAcceptEndsTheBuildBeforeTheUpload(t *testing.T) {
	realCloud(t)
	guest, owner := projectOf(t, "demo-guest"), projectOf(t, "demo")
	tests := map[string]struct {
		member map[string]any
		want   string
	}{
		"no such cloud":   {map[string]any{"project_id": guest, "cloud": "no-such"}, `"no-such"`},
		"another project": {map[string]any{"project_id": "other", "cloud": "demo-guest"}, "member other: cloud demo-guest signs in to project " + guest},
		"the owner":       {map[string]any{"project_id": owner, "cloud": "demo-member"}, "member " + owner + ": it owns the image"},
	}
	path := disktest.Debian(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, said, err := process(t, path, map[string]any{
				"cloud": clouds("demo"), "image_name": "x", "on_unmet": "warn", "visibility": "shared", "member": []map[string]any{test.member},
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
			if strings.Contains(said, "creating image") {
				t.Errorf("an image was created all the same:\n%s", said)
			}
		})
	}
}
