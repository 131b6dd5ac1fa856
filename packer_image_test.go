package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const imageTemplate = `
variable "options" { type = map(string) }
variable "tag" { type = string }
variable "dir" { type = string }

data "openstack-ready-image" "image" {
  cloud        = "demo-member"
  name         = lookup(var.options, "name", "")
  name_pattern = lookup(var.options, "name_pattern", "")
  status       = lookup(var.options, "status", "")
  hash         = lookup(var.options, "hash", "")
  tags         = [var.tag]
  properties   = { os_distro = lookup(var.options, "os_distro", "debian") }
  hidden       = lookup(var.options, "hidden", false)
  newest       = lookup(var.options, "newest", false)
  timeout      = "1m"
}

locals {
  image = data.openstack-ready-image.image
  roomy = local.image.min_disk > 1 && contains(local.image.tags, var.tag) && local.image.properties.os_distro == "debian"
}

source "null" "none" {
  communicator = "none"
}

build {
  sources = ["null.none"]

  provisioner "shell-local" {
    environment_vars = ["IMAGE=${jsonencode(merge(local.image, { roomy = local.roomy }))}"]
    inline           = ["printf '%s' \"$IMAGE\" >'${var.dir}/image.json'"]
  }
}
`

// TestPackerFindsAnImageInGlance: the real Packer, a real Glance, and images
// that the openstack client made and describes.
func TestPackerFindsAnImageInGlance(t *testing.T) {
	clouds := os.Getenv("OPENSTACK_READY_TEST_CLOUD")
	if clouds == "" {
		t.Skip("needs a cloud in OPENSTACK_READY_TEST_CLOUD (hack/cloud.sh): to find an image by the real Packer is left out")
	}
	packer := findPacker(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/image.pkr.hcl", []byte(imageTemplate), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, packer, "plugins", "install", "--path", buildPlugin(t), "github.com/openstack-ready/openstack-ready")
	t.Setenv("OS_CLIENT_CONFIG_FILE", clouds)
	tag := "found " + filepath.Base(filepath.Dir(dir))
	older := createImage(t, dir, tag+" a", tag, "older")
	time.Sleep(time.Second) // Glance tells ages in seconds.
	newer := createImage(t, dir, tag+" b", tag, "newer")
	build := func(options string) []string {
		return []string{"build", "-color=false", "-var", "dir=" + dir, "-var", "tag=" + tag, "-var", "options={" + options + "}", dir + "/image.pkr.hcl"}
	}

	for options, want := range map[string]glanceImage{
		`name = "` + tag + ` a"`:                       older,
		`name_pattern = "^found .* b$"`:                newer,
		`newest = true`:                                newer,
		`hash = "` + strings.ToUpper(older.Hash) + `"`: older,
		`name = "` + tag + ` b", status = "active"`:    newer,
		`name_pattern = "` + tag + `", newest = true`:  newer,
		`name = "` + tag + ` a", os_distro = "debian"`: older,
		`name_pattern = "[a]$", newest = true`:         older,
	} {
		said := run(t, dir, packer, build(options)...)
		compareWithPacker(t, dir, want, said)
	}
	for options, parts := range map[string][]string{
		`newest = false`:               {"2 match", "newest = true", older.ID, newer.ID},
		`name = "` + tag + ` c"`:       {"none matches", older.ID, newer.ID, "differs in name"},
		`os_distro = "ubuntu"`:         {"none matches", older.ID, "differs in property os_distro"},
		`status = "queued"`:            {"none matches", newer.ID, "active", "differs in status"},
		`hidden = true, newest = true`: {"none matches", newer.ID, "differs in hidden"},
	} {
		said := runRefused(t, dir, packer, build(options)...)
		for _, part := range parts {
			if !strings.Contains(said, part) {
				t.Errorf("%s: Packer does not say %q:\n%s", options, part, said)
			}
		}
	}
}

const unreachableTemplate = `
data "openstack-ready-image" "image" {
  auth_url     = "http://127.0.0.1:9/v3"
  username     = "nobody"
  password     = "unused"
  project_name = "none"
  name         = "debian"
}

source "null" "none" {
  communicator = "none"
}

build {
  sources = ["null.none"]

  post-processor "openstack-ready" {
    image_name = "after ${data.openstack-ready-image.image.name}"

    cloud {
      auth_url     = "http://127.0.0.1:9/v3"
      username     = "nobody"
      password     = "unused"
      project_name = "none"
    }
  }
}
`

// TestPackerAsksNoCloudToValidate: nothing listens where the template signs in.
func TestPackerAsksNoCloudToValidate(t *testing.T) {
	packer := findPacker(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/cloud.pkr.hcl", []byte(unreachableTemplate), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, packer, "plugins", "install", "--path", buildPlugin(t), "github.com/openstack-ready/openstack-ready")
	run(t, dir, packer, "validate", dir+"/cloud.pkr.hcl")
	said := runRefused(t, dir, packer, "validate", "-evaluate-datasources", dir+"/cloud.pkr.hcl")
	for _, part := range []string{"sign in to Keystone at http://127.0.0.1:9/v3", `user "nobody"`, "connection refused"} {
		if !strings.Contains(said, part) {
			t.Errorf("Packer does not say %q:\n%s", part, said)
		}
	}
}

// glanceImage is what the openstack client says of an image.
type glanceImage struct {
	ID              string         `json:"id"`
	Name            string         `json:"name"`
	Status          string         `json:"status"`
	Visibility      string         `json:"visibility"`
	Owner           string         `json:"owner"`
	Protected       bool           `json:"protected"`
	DiskFormat      string         `json:"disk_format"`
	ContainerFormat string         `json:"container_format"`
	Size            int64          `json:"size"`
	MinDisk         int            `json:"min_disk"`
	MinRAM          int            `json:"min_ram"`
	Checksum        string         `json:"checksum"`
	Tags            []string       `json:"tags"`
	CreatedAt       string         `json:"created_at"`
	UpdatedAt       string         `json:"updated_at"`
	Properties      map[string]any `json:"properties"`
	// Hash is among the properties there.
	Hash string `json:"-"`
}

// createImage has the openstack client make an image of the words, and removes
// it in the end.
func createImage(t *testing.T, dir, name, tag, words string) glanceImage {
	t.Helper()
	file := filepath.Join(dir, "image.raw")
	if err := os.WriteFile(file, []byte(strings.Repeat(words, 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	openstack := func(args ...string) string {
		return run(t, dir, "openstack", append([]string{"--os-cloud", "demo-member", "image"}, args...)...)
	}
	openstack("create", "--file", file, "--disk-format", "raw", "--private", "--min-disk", "2", "--min-ram", "512", "--tag", tag, "--property", "os_distro=debian", name)
	var image glanceImage
	if err := json.Unmarshal([]byte(openstack("show", "-f", "json", name)), &image); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { openstack("delete", image.ID) })
	image.Hash, _ = image.Properties["os_hash_value"].(string)
	if image.ID == "" || len(image.Hash) != 128 {
		t.Fatalf("the openstack client shows %+v", image)
	}
	return image
}

// compareWithPacker compares what reached the template with what the openstack
// client shows.
func compareWithPacker(t *testing.T, dir string, want glanceImage, said string) {
	t.Helper()
	b, err := os.ReadFile(dir + "/image.json")
	if err != nil {
		t.Fatalf("%v; Packer said:\n%s", err, said)
	}
	var got struct {
		glanceImage
		Hash          string   `json:"hash"`
		HashAlgorithm string   `json:"hash_algorithm"`
		Hidden        bool     `json:"hidden"`
		Roomy         bool     `json:"roomy"`
		Stores        []string `json:"stores"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if stores := strings.Join(got.Stores, ","); stores == "" || stores != want.Properties["stores"] {
		t.Errorf("the template has the stores %q, the openstack client shows %q", stores, want.Properties["stores"])
	}
	if got.Hash != want.Hash || got.HashAlgorithm != "sha512" || got.Hidden || !got.Roomy || got.Properties["os_distro"] != "debian" {
		t.Errorf("got %+v", got)
	}
	image := got.glanceImage
	image.Hash, image.Properties = want.Hash, want.Properties
	if !reflect.DeepEqual(image, want) {
		t.Errorf("the template has\n%+v, the openstack client shows\n%+v", image, want)
	}
}
