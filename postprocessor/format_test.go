package postprocessor

import (
	"context"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func TestFormatIsKeptOrChosen(t *testing.T) {
	raw, qcow2, vmdk := disk.Info{Format: disk.FormatRaw}, disk.Info{Format: disk.FormatQCOW2}, disk.Info{Format: disk.FormatVMDK}
	packed := disk.Info{Format: disk.FormatRaw, Wrapping: []disk.Wrapping{disk.WrappingGzip}}
	cases := map[string]struct {
		disk      disk.Info
		all, here FormatConfig
		want      form
	}{
		"raw stays raw":                 {raw, FormatConfig{}, FormatConfig{}, form{format: "raw"}},
		"qcow2 stays qcow2":             {qcow2, FormatConfig{DiskFormat: "auto"}, FormatConfig{}, form{format: "qcow2"}},
		"others become qcow2":           {vmdk, FormatConfig{}, FormatConfig{}, form{format: "qcow2"}},
		"packed raw becomes qcow2":      {packed, FormatConfig{}, FormatConfig{}, form{format: "qcow2"}},
		"compressed raw is qcow2":       {raw, FormatConfig{Compression: "zstd"}, FormatConfig{}, form{"qcow2", convert.Zstd}},
		"a cloud's format wins":         {qcow2, FormatConfig{DiskFormat: "qcow2"}, FormatConfig{DiskFormat: "raw"}, form{format: "raw"}},
		"raw has nobody's compression":  {qcow2, FormatConfig{Compression: "zlib"}, FormatConfig{DiskFormat: "raw"}, form{format: "raw"}},
		"a cloud's compression wins":    {qcow2, FormatConfig{Compression: "zlib"}, FormatConfig{Compression: "none"}, form{format: "qcow2"}},
		"a cloud can have it as it was": {raw, FormatConfig{DiskFormat: "qcow2"}, FormatConfig{DiskFormat: "auto"}, form{format: "raw"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.all.override(c.here).of(c.disk); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestFormatMistakesNameTheirOption(t *testing.T) {
	for want, c := range map[string]FormatConfig{
		`disk_format: "vmdk"`: {DiskFormat: "vmdk"},
		`compression: "lzma"`: {Compression: "lzma"},
		"compression: a raw":  {DiskFormat: "raw", Compression: "zlib"},
	} {
		if err := c.mistakes(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
	}
}

func TestAConvertedDiskIsNotDownloaded(t *testing.T) {
	disktest.Need(t, "no qcow2 is published", "qemu-img")
	raw := disktest.Debian(t)
	disktest.Run(t, "qemu-img", "convert", "-O", "qcow2", raw, raw+".qcow2")
	for _, test := range []struct{ path, format string }{{raw, "qcow2"}, {raw + ".qcow2", "raw"}} {
		_, _, err := process(t, test.path, map[string]any{
			"image_name": "download", "on_unmet": "warn", "cloud": clouds("none"),
			"web_download_url": "https://mirror.example.org/debian.img", "disk_format": test.format,
		})
		if want := "web_download_url: cloud none is to have the disk as " + test.format; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestEachCloudHasItsFormat uses two real Keystones and Glances, and a packed
// disk.
func TestEachCloudHasItsFormat(t *testing.T) {
	realCloud(t)
	disktest.Need(t, "no packed disk is published", "gzip", "qemu-img")
	path := disktest.Debian(t)
	disktest.Run(t, "gzip", path)
	artifact, _, err := process(t, path+".gz", map[string]any{
		"image_name": "formats", "on_unmet": "warn",
		"cloud": []map[string]any{{"name": "demo", "disk_format": "raw"}, {"name": "second", "compression": "zlib"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer destroy(t, artifact)
	ids := strings.Split(artifact.Id(), ",")
	if len(ids) != 2 {
		t.Fatalf("artifact = %q, want two IDs", artifact.Id())
	}
	for i, want := range map[int][2]string{0: {"demo", "raw"}, 1: {"second", "qcow2"}} {
		image, err := signIn(t, want[0]).Get(context.Background(), ids[i])
		if err != nil {
			t.Fatal(err)
		}
		if image.Status != "active" || image.DiskFormat != want[1] {
			t.Errorf("in cloud %s: %s, %s, want %s", want[0], image.Status, image.DiskFormat, want[1])
		}
		if raw := want[1] == "raw"; raw != (image.Size == image.VirtualSize) && image.VirtualSize != 0 {
			t.Errorf("in cloud %s: %d bytes of a disk of %d", want[0], image.Size, image.VirtualSize)
		}
	}
}
