package postprocessor

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	registryimage "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

func TestACloudOverridesThePostProcessor(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"image_name": "debian", "visibility": "private", "stores": []string{"a"},
		"properties": map[string]string{"hw_disk_bus": "virtio", "os_type": "linux"},
		"cloud": []map[string]any{
			{"name": "one"},
			{
				"name": "two", "image_name": "other", "visibility": "community", "stores": []string{"b"},
				"properties": map[string]string{"hw_disk_bus": "scsi", "os_type": "", "own": "1"},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	one, two := c.Clouds[0].override(c.spec()), c.Clouds[1].override(c.spec())
	if one.Name != "debian" || one.Visibility != "private" || one.Sending.Stores[0] != "a" || len(one.Properties) != 2 {
		t.Errorf("without overrides: got %+v", one)
	}
	if two.Name != "other" || two.Visibility != "community" || two.Sending.Stores[0] != "b" {
		t.Errorf("with overrides: got %+v", two)
	}
	if got := two.Properties; len(got) != 2 || got["hw_disk_bus"] != "scsi" || got["own"] != "1" {
		t.Errorf("with overrides: properties are %v", got)
	}
}

func TestMistakesOfACloudNameIt(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"image_name": "debian", "on_cloud_error": "ignore",
		"cloud": []map[string]any{{"name": "one"}, {"name": "one"}, {"name": "two", "visibility": "all"}, {"name": "three", "interface": "x"}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"on_cloud_error", "one is there twice", "cloud two: visibility", "cloud three: interface"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%s", want, err)
		}
	}
}

// TestPublishInTwoClouds uses two real Keystones and Glances.
func TestPublishInTwoClouds(t *testing.T) {
	realCloud(t)
	path := disktest.Debian(t)
	artifact, said, err := process(t, path, map[string]any{
		"cloud": clouds("demo", "second"), "image_name": "two clouds", "on_unmet": "warn",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer destroy(t, artifact)
	metadata, ok := artifact.State(registryimage.ArtifactStateURI).([]*registryimage.Image)
	if !ok || len(metadata) != 2 {
		t.Fatalf("HCP metadata = %+v, want one of each cloud", metadata)
	}
	for i, cloud := range []string{"demo", "second"} {
		if got := metadata[i].Labels["cloud"]; got != cloud || !strings.Contains(artifact.Id(), metadata[i].ImageID) {
			t.Errorf("image %d is of cloud %q and the artifact is %s, want %s", i, got, artifact.Id(), cloud)
		}
		image, err := signIn(t, cloud).Get(context.Background(), metadata[i].ImageID)
		if err != nil || image.Status != "active" || image.Name != "two clouds" {
			t.Errorf("in cloud %s: image %+v, %v", cloud, image, err)
		}
		if !strings.Contains(said, cloud+": Published image "+metadata[i].ImageID) {
			t.Errorf("the user is not told of the image of cloud %s:\n%s", cloud, said)
		}
	}
}

func TestOneCloudsFailureIsThatClouds(t *testing.T) {
	realCloud(t)
	path := disktest.Debian(t)
	closed := []map[string]any{{"name": "demo"}, {"name": "demo", "region": "Closed"}}
	for onError, wantError := range map[string]string{"continue": "", "fail": "whole and kept: image "} {
		t.Run(onError, func(t *testing.T) {
			saved := filepath.Join(t.TempDir(), "report.json")
			artifact, _, err := process(t, path, map[string]any{
				"cloud": closed, "image_name": "one of two", "on_unmet": "warn", "on_cloud_error": onError, "report": saved,
			})
			if (err == nil) != (wantError == "") || (err != nil && !strings.Contains(err.Error(), wantError)) {
				t.Errorf("error = %v, want %q", err, wantError)
			}
			if artifact != nil {
				defer destroy(t, artifact)
			}
			var rep report.Report
			readJSON(t, saved, &rep)
			if len(rep.Published) != 2 || rep.Published[0].ID == "" || rep.Published[0].Error != "" || rep.Published[1].ID != "" || rep.Published[1].Error == "" {
				t.Fatalf("the report has %+v, want the image of one cloud and the error of the other", rep.Published)
			}
			image, err := signIn(t, "demo").Get(context.Background(), rep.Published[0].ID)
			if err != nil || image.Status != "active" {
				t.Errorf("the whole image is %+v, %v, want it kept", image, err)
			}
			if artifact == nil {
				remove(t, "demo", rep.Published[0].ID)
			}
		})
	}
}

func signIn(t *testing.T, cloud string) *glance.Client {
	t.Helper()
	client, err := glance.SignIn(context.Background(), glance.Access{Cloud: cloud})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func destroy(t *testing.T, artifact interface{ Destroy() error }) {
	t.Helper()
	if err := artifact.Destroy(); err != nil {
		t.Error(err)
	}
}

func remove(t *testing.T, cloud, id string) {
	t.Helper()
	if err := signIn(t, cloud).Delete(context.Background(), id); err != nil {
		t.Error(err)
	}
}

func TestAnImageThatIsThereIsReusedAndKept(t *testing.T) {
	realCloud(t)
	path := disktest.Debian(t)
	options := map[string]any{"cloud": clouds("demo"), "image_name": "again " + time.Now().Format(time.RFC3339Nano), "on_unmet": "warn"}
	first, _, err := process(t, path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer destroy(t, first)
	again, _, err := process(t, path, options)
	if err != nil {
		t.Fatal(err)
	}
	if first.Id() != again.Id() || !again.(*Artifact).report.Published[0].Reused {
		t.Errorf("got image %s, want %s reused", again.Id(), first.Id())
	}
	if err := again.Destroy(); err != nil {
		t.Error(err)
	}
	if _, err := signIn(t, "demo").Get(t.Context(), first.Id()); err != nil {
		t.Errorf("the image of an earlier build is gone with the artifact of a later one: %s", err)
	}
}
