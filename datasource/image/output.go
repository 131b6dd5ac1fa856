//go:generate packer-sdc struct-markdown

package image

import (
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// DatasourceOutput is what a template can read from the data source.
type DatasourceOutput struct {
	// The image's ID, such as for `source_image`.
	ID string `mapstructure:"id"`
	// The image's name.
	Name string `mapstructure:"name"`
	// The image's status, such as `active`.
	Status string `mapstructure:"status"`
	// Who sees the image: `private`, `shared`, `community` or `public`.
	Visibility string `mapstructure:"visibility"`
	// The ID of the project that owns the image.
	Owner string `mapstructure:"owner"`
	// Whether Glance refuses to delete the image.
	Protected bool `mapstructure:"protected"`
	// Whether the image is hidden from lists.
	Hidden bool `mapstructure:"hidden"`
	// The format of the data, such as `qcow2`.
	DiskFormat string `mapstructure:"disk_format"`
	// What is around the data, mostly `bare`.
	ContainerFormat string `mapstructure:"container_format"`
	// The length of the data in bytes.
	Size int64 `mapstructure:"size"`
	// The size of the disk in bytes; 0 where Glance does not say.
	VirtualSize int64 `mapstructure:"virtual_size"`
	// The smallest flavor disk in GiB.
	MinDisk int `mapstructure:"min_disk"`
	// The least memory of a flavor in MiB.
	MinRAM int `mapstructure:"min_ram"`
	// The MD5 of the data.
	Checksum string `mapstructure:"checksum"`
	// The algorithm of `hash`, mostly `sha512`.
	HashAlgorithm string `mapstructure:"hash_algorithm"`
	// Glance's `os_hash_value`.
	Hash string `mapstructure:"hash"`
	// The stores that keep the data, where the cloud has several.
	Stores []string `mapstructure:"stores"`
	// The image's tags.
	Tags []string `mapstructure:"tags"`
	// The image's further properties.
	Properties map[string]string `mapstructure:"properties"`
	// When the image was created, as `2026-01-31T12:00:00Z`.
	CreatedAt string `mapstructure:"created_at"`
	// When the image was last changed.
	UpdatedAt string `mapstructure:"updated_at"`
}

func outputOf(i *glance.Image) DatasourceOutput {
	return DatasourceOutput{
		ID: i.ID, Name: i.Name, Status: i.Status, Visibility: i.Visibility, Owner: i.Owner,
		Protected: i.Protected, Hidden: i.Hidden, DiskFormat: i.DiskFormat, ContainerFormat: i.ContainerFormat,
		Size: i.Size, VirtualSize: i.VirtualSize, MinDisk: i.MinDisk, MinRAM: i.MinRAM,
		Checksum: i.Checksum, HashAlgorithm: i.HashAlgo, Hash: i.HashValue,
		Stores: append([]string{}, i.Stores...), Tags: append([]string{}, i.Tags...), Properties: i.Properties,
		CreatedAt: i.CreatedAt.UTC().Format(time.RFC3339), UpdatedAt: i.UpdatedAt.UTC().Format(time.RFC3339),
	}
}
