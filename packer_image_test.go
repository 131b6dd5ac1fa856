package main

import (
	"encoding/json"
	"fmt"
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
	realClouds(t, "to find an image by the real Packer")
	packer := findPacker(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/image.pkr.hcl", []byte(imageTemplate), 0o600); err != nil {
		t.Fatal(err)
	}
	installPlugin(t, packer, dir)
	tag := "found " + filepath.Base(filepath.Dir(dir))
	older := createImage(t, dir, tag+" a", tag, "older")
	time.Sleep(time.Second) // Glance tells ages in seconds.
	newer := createImage(t, dir, tag+" b", tag, "newer")
	build := func(options string) []string {
		return []string{"build", "-color=false", "-var", "dir=" + dir, "-var", "tag=" + tag, "-var", "options={" + options + "}", dir + "/image.pkr.hcl"}
	}

	for options, want := range map[string]glanceImage{
		`name = "` + tag + ` a"`:                         older,
		`name_pattern = "^found .* b$"`:                  newer,
		`newest = true`:                                  newer,
		`hash = "` + strings.ToUpper(older.hash()) + `"`: older,
		`name = "` + tag + ` b", status = "active"`:      newer,
		`name_pattern = "` + tag + `", newest = true`:    newer,
		`name = "` + tag + ` a", os_distro = "debian"`:   older,
		`name_pattern = "[a]$", newest = true`:           older,
	} {
		run(t, dir, packer, build(options)...)
		compareWithPacker(t, dir, want)
	}
	for options, parts := range map[string][]string{
		`newest = false`:               {"2 match", "newest = true", older.id(), newer.id()},
		`name = "` + tag + ` c"`:       {"none matches", older.id(), newer.id(), "differs in name"},
		`os_distro = "ubuntu"`:         {"none matches", older.id(), "differs in property os_distro"},
		`status = "queued"`:            {"none matches", newer.id(), "active", "differs in status"},
		`hidden = true, newest = true`: {"none matches", newer.id(), "differs in hidden"},
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
	installPlugin(t, packer, dir)
	run(t, dir, packer, "validate", dir+"/cloud.pkr.hcl")
	said := runRefused(t, dir, packer, "validate", "-evaluate-datasources", dir+"/cloud.pkr.hcl")
	for _, part := range []string{"sign in to Keystone at http://127.0.0.1:9/v3", `user "nobody"`, "connection refused"} {
		if !strings.Contains(said, part) {
			t.Errorf("Packer does not say %q:\n%s", part, said)
		}
	}
}

// glanceImage is what the openstack client says of an image, as JSON.
type glanceImage map[string]any

func (i glanceImage) id() string { return fmt.Sprint(i["id"]) }

func (i glanceImage) properties() map[string]any {
	properties, _ := i["properties"].(map[string]any)
	return properties
}

func (i glanceImage) hash() string { return fmt.Sprint(i.properties()["os_hash_value"]) }

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
	t.Cleanup(func() { openstack("delete", name) })
	var image glanceImage
	if err := json.Unmarshal([]byte(openstack("show", "-f", "json", name)), &image); err != nil {
		t.Fatal(err)
	}
	return image
}

// compareWithPacker compares what reached the template with what the openstack
// client shows, which has some of it among the properties.
func compareWithPacker(t *testing.T, dir string, want glanceImage) {
	t.Helper()
	b, err := os.ReadFile(dir + "/image.json")
	if err != nil {
		t.Fatal(err)
	}
	var got glanceImage
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	for _, name := range []string{
		"id", "name", "status", "visibility", "owner", "protected", "disk_format", "container_format",
		"size", "min_disk", "min_ram", "checksum", "tags", "created_at", "updated_at",
	} {
		if want[name] == nil || !reflect.DeepEqual(got[name], want[name]) {
			t.Errorf("%s: the template has %v, the openstack client shows %v", name, got[name], want[name])
		}
	}
	others := want.properties()
	for name, other := range map[string]any{
		"hash": others["os_hash_value"], "hash_algorithm": others["os_hash_algo"], "hidden": others["os_hidden"],
		"stores": []any{others["stores"]}, "roomy": true,
	} {
		if !reflect.DeepEqual(got[name], other) {
			t.Errorf("%s: the template has %v, the openstack client shows %v", name, got[name], other)
		}
	}
	if len(got.properties()) == 0 {
		t.Error("no property reached the template")
	}
	for name, value := range got.properties() {
		if value != others[name] {
			t.Errorf("property %s: the template has %v, the openstack client shows %v", name, value, others[name])
		}
	}
}
