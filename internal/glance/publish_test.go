package glance

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func ext4(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	run(t, "e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext4", path, "24M")
	return path
}

func qcow2(t *testing.T) string {
	t.Helper()
	raw := ext4(t)
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	run(t, "qemu-utils", "qemu-img", "convert", "-O", "qcow2", raw, path)
	return path
}

func open(t *testing.T, path string) *File {
	t.Helper()
	file, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func removeLater(t *testing.T, client *Client, id string) {
	t.Cleanup(func() {
		if err := client.Delete(context.Background(), id); err != nil {
			t.Error(err)
		}
	})
}

func TestPublishLandsTheFileAsItIs(t *testing.T) {
	client := signIn(t, realCloud(t))
	tests := map[string]struct {
		make func(*testing.T) string
		spec Spec
	}{
		"qcow2": {qcow2, Spec{DiskFormat: "qcow2", Visibility: "shared", MinDisk: 1, VirtualSize: 24 << 20}},
		"raw":   {ext4, Spec{DiskFormat: "raw", Visibility: "public", MinRAM: 64, VirtualSize: 24 << 20, Tags: []string{"os:debian"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := test.make(t)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			spec := test.spec
			spec.Name = "test " + name
			spec.Properties = map[string]string{"os_distro": "debian", "auto_disk_config": "True"}
			progress := &recorder{}
			image, err := client.Publish(t.Context(), spec, open(t, path), progress)
			if err != nil {
				t.Fatal(err)
			}
			removeLater(t, client, image.ID)
			got, err := client.Get(t.Context(), image.ID)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%x", sha512.Sum512(content)); got.HashAlgo != "sha512" || got.HashValue != want {
				t.Errorf("got %s %s, want sha512 %s", got.HashAlgo, got.HashValue, want)
			}
			if want := fmt.Sprintf("%x", md5.Sum(content)); got.Checksum != want {
				t.Errorf("got checksum %s, want %s", got.Checksum, want)
			}
			if got.Status != "active" || got.Size != int64(len(content)) {
				t.Errorf("got status %s and %d bytes, want active and %d", got.Status, got.Size, len(content))
			}
			if err := spec.differences(got); err != nil {
				t.Error(err)
			}
			t.Log(image.Confirmed, progress.all(), progress.sent, image.Properties, image.VirtualSize)
		})
	}
}
