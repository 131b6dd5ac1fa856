//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
)

// FormatConfig says what becomes of the disk's format on its way.
type FormatConfig struct {
	// The format of the image in Glance: `raw`, `qcow2` or `auto`. `auto`
	// (default) sends a raw or qcow2 disk as it is, and makes qcow2 of all
	// others, and of packed ones (gzip, xz, zstd, OVA): every hypervisor of Nova
	// takes it, and what is empty is not sent. Say `raw` where Ceph keeps the
	// images: only of raw ones it makes copy-on-write volumes. The conversion is
	// made while the disk is sent, without a temporary file.
	DiskFormat string `mapstructure:"disk_format"`
	// How the clusters of a qcow2 image are compressed: `none` (default), `zlib`,
	// which every QEMU reads, or `zstd`, for QEMU 5.1 and later. A compressed
	// image is made in a temporary file first, which its size is known from;
	// its folder is what `TMPDIR` names. Where qcow2 is sent, a disk that is
	// qcow2 already is compressed too.
	Compression string `mapstructure:"compression"`
}

// formatAuto leaves raw and qcow2 as they are.
const formatAuto = "auto"

// mistakes returns what is wrong, each naming its option.
func (c FormatConfig) mistakes() error {
	var mistakes []error
	if !slices.Contains([]string{"", formatAuto, string(disk.FormatRaw), string(disk.FormatQCOW2)}, c.DiskFormat) {
		mistakes = append(mistakes, fmt.Errorf("disk_format: %q: want auto, raw or qcow2", c.DiskFormat))
	}
	if !slices.Contains([]string{"", "none", string(convert.Zlib), string(convert.Zstd)}, c.Compression) {
		mistakes = append(mistakes, fmt.Errorf("compression: %q: want none, zlib or zstd", c.Compression))
	}
	if c.DiskFormat == string(disk.FormatRaw) && c.compression() != convert.None {
		mistakes = append(mistakes, errors.New("compression: a raw image is not compressed: leave it out, or set disk_format to qcow2"))
	}
	return errors.Join(mistakes...)
}

func (c FormatConfig) compression() convert.Compression {
	if c.Compression == "none" {
		return convert.None
	}
	return convert.Compression(c.Compression)
}

// override replaces what the cloud says itself.
func (c FormatConfig) override(own FormatConfig) FormatConfig {
	format := FormatConfig{DiskFormat: cmp.Or(own.DiskFormat, c.DiskFormat), Compression: cmp.Or(own.Compression, c.Compression)}
	if own.DiskFormat == string(disk.FormatRaw) && own.Compression == "" {
		// The others' compression is none of a raw image's.
		format.Compression = ""
	}
	return format
}

// form is what one or several clouds get the disk as.
type form struct {
	format      disk.Format
	compression convert.Compression
}

// asIs reports whether the file is of the form already.
func (f form) asIs(image *convert.Disk) bool {
	return f.compression == convert.None && image.Is(f.format)
}

// of decides for a disk.
func (c FormatConfig) of(d disk.Info) form {
	format := disk.Format(c.DiskFormat)
	if c.DiskFormat == "" || c.DiskFormat == formatAuto {
		format = disk.FormatQCOW2
		if d.Format == disk.FormatRaw && len(d.Wrapping) == 0 && c.compression() == convert.None {
			format = disk.FormatRaw
		}
	}
	if format == disk.FormatRaw {
		return form{format: format}
	}
	return form{format, c.compression()}
}

// prepare gives every delivery its share of a stream: the disk is read and
// converted once for each form, whatever the number of clouds.
func (p *PostProcessor) prepare(ctx context.Context, ui packersdk.Ui, image *convert.Disk, deliveries []*delivery) error {
	byForm := map[form][]*delivery{}
	for _, d := range deliveries {
		wanted := p.config.FormatConfig.override(d.cloud.FormatConfig).of(image.Image().Info())
		d.spec.DiskFormat = string(wanted.format)
		if d.spec.Sending.URL != "" && !wanted.asIs(image) {
			return fmt.Errorf("web_download_url: cloud %s is to have the disk as %s, but Glance downloads a file as it is: leave disk_format and compression out, or upload the disk", d.cloud.label(), wanted.format)
		}
		byForm[wanted] = append(byForm[wanted], d)
	}
	for wanted, all := range byForm {
		source, err := source(ctx, ui, image, wanted)
		if err != nil {
			return err
		}
		for i, part := range convert.Share(source, len(all), p.config.shareWait()) {
			all[i].source = part
		}
	}
	return nil
}

// source is the disk in the form.
func source(ctx context.Context, ui packersdk.Ui, image *convert.Disk, wanted form) (convert.Source, error) {
	switch {
	case wanted.format == disk.FormatRaw:
		return image.Raw(), nil
	case wanted.asIs(image):
		return image.AsIs(), nil
	}
	told := startWork(ui, "converted")
	if wanted.compression == convert.None {
		ui.Say("Converting to qcow2: looking for what is empty")
		return image.QCOW2(ctx, told.progress)
	}
	ui.Sayf("Converting to qcow2, compressed with %s", wanted.compression)
	return image.CompressedQCOW2(ctx, wanted.compression, told.progress)
}

// shareWait is how long one cloud waits for the others, in which it must not
// pass for stalled.
func (c *Config) shareWait() time.Duration {
	const enough = 10 * time.Second
	if c.IdleTimeout > 0 {
		return min(enough, c.IdleTimeout/3)
	}
	return enough
}
