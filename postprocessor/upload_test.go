package postprocessor

import (
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

func TestUploadOptionsReachGlance(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"cloud": clouds("demo"), "image_name": "debian", "upload_method": "import", "stores": []string{"fast", "cold"},
		"all_stores_must_succeed": false, "copy_to_stores": []string{"far"}, "idle_timeout": "30s", "import_timeout": "2h", "upload_attempts": 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	sending := c.spec().Sending
	if sending.Method != glance.MethodImport || len(sending.Stores) != 2 || !sending.SomeStoresSuffice || len(sending.CopyTo) != 1 {
		t.Errorf("got %+v, want what the template says", sending)
	}
	if got, want := c.patience(), (glance.Patience{Idle: 30 * time.Second, Import: 2 * time.Hour, Attempts: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (&UploadConfig{}).sending(); got.SomeStoresSuffice {
		t.Error("without all_stores_must_succeed some stores suffice, want all")
	}
}

func TestUploadMistakesAreToldAtOnce(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{
		"cloud": clouds("demo"), "image_name": "debian", "upload_method": "post", "stores": []string{"a", "a"},
		"web_download_url": "ftp://x", "idle_timeout": "-1s", "upload_attempts": -1,
	})
	if err == nil {
		t.Fatal("got no mistake")
	}
	for _, want := range []string{"upload_method", "stores:", "web_download_url", "idle_timeout: -1s", "upload_attempts: -1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}
