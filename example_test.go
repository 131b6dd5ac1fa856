package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// TestExistingImageExample runs the example with the real Packer on a disk that
// it did not build.
func TestExistingImageExample(t *testing.T) {
	packer := findPacker(t)
	dir := t.TempDir()
	run(t, dir, packer, "plugins", "install", "--path", buildPlugin(t), "github.com/openstack-ready/openstack-ready")
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
	clouds := os.Getenv("OPENSTACK_READY_TEST_CLOUD")
	if clouds == "" {
		t.Skip("needs a cloud in OPENSTACK_READY_TEST_CLOUD (hack/cloud.sh): to publish an image that Packer did not build is left out")
	}
	packer := findPacker(t)
	dir := t.TempDir()
	run(t, dir, packer, "plugins", "install", "--path", buildPlugin(t), "github.com/openstack-ready/openstack-ready")
	t.Setenv("OS_CLIENT_CONFIG_FILE", clouds)
	said := run(t, dir, packer, "build", "-color=false", "-var", "disk="+disktest.Debian(t), "-var", "cloud=demo-member",
		"-var", "image_name=existing "+filepath.Base(dir), "-var", "on_unmet=warn", "-var", "report="+dir+"/ready.html", "example/existing-image")
	if !regexp.MustCompile(`Image existing \S+ \([0-9a-f-]{36}\) is active in Glance`).MatchString(said) {
		t.Errorf("the build did not tell of an active image:\n%s", said)
	}
	if b, err := os.ReadFile(dir + "/ready.html"); err != nil || !bytes.Contains(b, []byte("Published in Glance")) {
		t.Errorf("the page lacks the published image: %v", err)
	}
}
