package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// TestExistingImageExample runs the example with the real Packer on a disk that
// it did not build.
func TestExistingImageExample(t *testing.T) {
	packer := findPacker(t)
	dir := t.TempDir()
	installPlugin(t, packer, dir)
	disk, page := disktest.Debian(t), filepath.Join(dir, "ready.html")
	build := []string{"build", "-color=false", "-var", "disk=" + disk, "-var", "report=" + page, "example/existing-image"}

	said := runRefused(t, dir, packer, build...)
	if !strings.Contains(said, "the image is not ready for OpenStack: ") {
		t.Errorf("an unready image was not refused:\n%s", said)
	}
	if b, err := os.ReadFile(page); err != nil || !bytes.Contains(b, []byte("Not ready")) {
		t.Errorf("the page of a refused image: %v, %.60q", err, b)
	}
	said = run(t, dir, packer, append([]string{build[0], "-var", "on_unmet=warn"}, build[1:]...)...)
	if !strings.Contains(said, "Written: "+page) {
		t.Errorf("the build did not tell of its page:\n%s", said)
	}
	if _, err := os.Stat(disk); err != nil {
		t.Errorf("the disk is gone: %s", err)
	}
}

func TestExistingImageExamplePublishes(t *testing.T) {
	clouds := realClouds(t, "to publish an image that Packer did not build")
	packer := findPacker(t)
	dir := t.TempDir()
	installPlugin(t, packer, dir)
	t.Setenv("PACKER_LOG", "1")
	t.Setenv("PACKER_LOG_PATH", filepath.Join(dir, "packer.log"))
	said := run(t, dir, packer, "build", "-color=false", "-var", "disk="+disktest.Debian(t), "-var", "cloud=demo-member",
		"-var", "image_name=existing "+filepath.Base(dir), "-var", "on_unmet=warn", "-var", "report="+dir+"/ready.html", "example/existing-image")
	if !regexp.MustCompile(`Image existing \S+ \([0-9a-f-]{36}, raw\) is active in cloud demo-member`).MatchString(said) {
		t.Errorf("the build did not tell of an active image:\n%s", said)
	}
	if b, err := os.ReadFile(dir + "/ready.html"); err != nil || !bytes.Contains(b, []byte("Published in Glance")) {
		t.Errorf("the page lacks the published image: %v", err)
	}
	expectRequestsLogged(t, filepath.Join(dir, "packer.log"), clouds)
}

// expectRequestsLogged wants each request of a publication with its status and
// time, and none of the secrets of the clouds.
func expectRequestsLogged(t *testing.T, logFile, clouds string) {
	t.Helper()
	b, err := os.ReadFile(logFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{
		`POST \S+ /v3/auth/tokens: 201`, `POST \S+ /v2/images: 201`, `PUT \S+ /v2/images/[0-9a-f-]{36}/file: 204`,
		`GET \S+ /v2/images/[0-9a-f-]{36}: 200`, `PATCH \S+ /v2/images/[0-9a-f-]{36}: 200`,
	} {
		if !regexp.MustCompile(request + ` \(req-\S+\) in [\d.]+m?s`).Match(b) {
			t.Errorf("the log has no %q", request)
		}
	}
	settings, err := os.ReadFile(clouds)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range regexp.MustCompile(`(?m)^ *(?:password|application_credential_secret): (\S+)$`).FindAllSubmatch(settings, -1) {
		if bytes.Contains(b, secret[1]) {
			t.Errorf("the log has the secret %q", secret[1])
		}
	}
	if fernet := regexp.MustCompile(`gAAAA[A-Za-z0-9_-]+`).Find(b); fernet != nil {
		t.Errorf("the log has the token %q", fernet)
	}
}

// TestTwoCloudsExample publishes three disks one after the other in two real
// clouds, and lets the openstack client say what is there then.
func TestTwoCloudsExample(t *testing.T) {
	realClouds(t, "to publish in two clouds")
	packer := findPacker(t)
	dir := t.TempDir()
	installPlugin(t, packer, dir)
	name := "two clouds " + filepath.Base(filepath.Dir(dir))
	for range 3 {
		// Each disk has file systems of its own UUIDs.
		run(t, dir, packer, "build", "-color=false", "-var", "disk="+disktest.Debian(t), "-var", "ceph=demo-member", "-var", "files=second-member",
			"-var", "image_name="+name, "-var", "on_unmet=warn", "example/two-clouds")
		time.Sleep(time.Second) // Glance tells ages in seconds.
	}
	for cloud, format := range map[string]string{"demo-member": "raw", "second-member": "qcow2"} {
		shown := listImages(t, dir, cloud, name)
		if want := name + " " + format; !slices.Equal(shown, []string{want, want}) {
			t.Errorf("cloud %s shows %q, want %q twice", cloud, shown, want)
		}
		hidden := listImages(t, dir, cloud, name, "--hidden")
		t.Logf("openstack --os-cloud %s image list --hidden: %q", cloud, hidden)
		if len(hidden) != 1 || !regexp.MustCompile(`^`+regexp.QuoteMeta(name)+` \(\d{4}-\d\d-\d\dT\d{6}Z\) `+format+`$`).MatchString(hidden[0]) {
			t.Errorf("cloud %s hides %q, want the oldest with its date", cloud, hidden)
		}
	}
}

// listImages has the openstack client list names and formats.
func listImages(t *testing.T, dir, cloud, name string, more ...string) []string {
	t.Helper()
	args := append([]string{"--os-cloud", cloud, "image", "list", "--private", "-f", "value", "-c", "Name", "-c", "Disk Format", "--long"}, more...)
	var lines []string
	for line := range strings.Lines(run(t, dir, "openstack", args...)) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
