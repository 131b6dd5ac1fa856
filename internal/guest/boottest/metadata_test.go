//go:build linux

package boottest

const (
	instance  = "d8e02d56-2648-49a3-bf97-6be8f1204f38"
	firstKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1ps0rGQt0P9yWcC8+9iJZbG1yKpNqAcUAJrpZVYxQ9 first@example"
	secondKey = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPa8v7v9 second"
)

// metaData is what Nova 2023.2 says of an instance.
const metaData = `{"uuid": "` + instance + `", "admin_pass": "kL9\"\\x", "public_keys": {"my key": "` + firstKey + `\n", "other": "` + secondKey + `"},
 "keys": [{"name": "my key", "type": "ssh", "data": "` + firstKey + `\n"}], "hostname": "vm1.novalocal", "name": "vm1",
 "launch_index": 0, "availability_zone": "nova", "random_seed": "dGVzdA==", "project_id": "0123", "devices": [], "dedicated_cpus": []}`
