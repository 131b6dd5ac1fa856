//go:build linux

package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

const diskTemplate = `
variable "image" { type = string }
variable "dir" { type = string }

data "openstack-ready" "image" {
  path = var.image
}

locals {
  image = data.openstack-ready.image
  unmet = [for f in local.image.findings : f.id if f.verdict == "unmet" && length(f.evidence) > 0]
  grown = local.image.partitions[0].size + 1048576 == local.image.virtual_size
}

source "null" "none" {
  communicator = "none"
}

build {
  sources = ["null.none"]

  provisioner "shell-local" {
    environment_vars = ["FACTS=${jsonencode(merge(local.image, { unmet = local.unmet, grown = local.grown, report = "" }))}"]
    inline           = ["printf '%s' \"$FACTS\" >'${var.dir}/facts.json'"]
  }
}
`

// TestPackerSwitchesOnWhatADiskIs: every fact reaches a template of the real
// Packer, with its type.
func TestPackerSwitchesOnWhatADiskIs(t *testing.T) {
	packer := findPacker(t)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/disk.pkr.hcl", []byte(diskTemplate), 0o600); err != nil {
		t.Fatal(err)
	}
	installPlugin(t, packer, dir)
	run(t, dir, packer, "build", "-color=false", "-var", "dir="+dir, "-var", "image="+disktest.Debian(t), dir+"/disk.pkr.hcl")
	b, err := os.ReadFile(dir + "/facts.json")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	for name, want := range map[string]any{
		"ready": false, "format": "raw", "virtual_size": float64(32 << 20), "file_size": float64(32 << 20), "partition_table": "mbr",
		"root_partition": 1.0, "root_volume": "", "root_file_system": "ext4", "root_size": float64(31 << 20), "root_clean": true,
		"os_id": "debian", "os_version": "12", "os_name": "Debian GNU/Linux 12 (bookworm)", "init": "init", "architecture": "",
		"package_manager": "", "bios": false, "uefi": false, "grown": true,
		"cloud_init_installed": false, "cloud_init_enabled": false, "cloud_init_version": "", "cloud_init_user": "",
		"guest_agent_installed": false, "guest_agent_enabled": false,
	} {
		if got[name] != want {
			t.Errorf("%s: got %#v, want %#v", name, got[name], want)
		}
	}
	for _, list := range []string{"failing", "findings", "partitions", "unmet"} {
		if values, ok := got[list].([]any); !ok || len(values) == 0 {
			t.Errorf("%s: got %#v, want a list", list, got[list])
		}
	}
	for _, name := range []string{"verdicts", "properties", "packages", "wrapping", "os_id_like", "root_uuid", "kernels", "boot_entries", "boot_loaders", "cloud_init_datasources"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s did not reach the template", name)
		}
	}
}
