package glance

import (
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// Image is an image as Glance describes it.
type Image struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	Visibility string `json:"visibility"`
	Owner      string `json:"owner"`
	Protected  bool   `json:"protected"`
	// Hidden keeps the image out of lists that do not ask for hidden ones.
	Hidden bool `json:"os_hidden"`
	// Size is that of the stored data, in bytes.
	Size int64 `json:"size"`
	// VirtualSize is that of the disk, in bytes; 0 where Glance does not say.
	VirtualSize int64 `json:"virtual_size"`
	// Checksum is the MD5 of the stored data, in hexadecimal digits.
	Checksum string `json:"checksum"`
	// HashAlgo and HashValue are Glance's secure hash, normally SHA-512.
	HashAlgo  string `json:"os_hash_algo"`
	HashValue string `json:"os_hash_value"`
	// Stores are the stores that keep the data, where Glance has several.
	Stores          []string `json:"stores,omitempty"`
	DiskFormat      string   `json:"disk_format"`
	ContainerFormat string   `json:"container_format"`
	// MinDisk is in GiB, MinRAM in MiB.
	MinDisk int      `json:"min_disk"`
	MinRAM  int      `json:"min_ram"`
	Tags    []string `json:"tags"`
	// Properties are the further ones that a user can set.
	Properties map[string]string `json:"properties"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	// Confirmed lists what was compared with what was sent: size, virtual_size
	// and the algorithms of the hashes. Only Publish fills it.
	Confirmed []string `json:"confirmed,omitempty"`
	// Reused tells that Publish sent nothing, as the image was there already.
	Reused bool `json:"reused,omitempty"`

	// importing and failed are the stores that an import has still to do, and
	// those that did not take the data.
	importing, failed []string
}

func imageOf(got *images.Image) *Image {
	image := &Image{
		ID: got.ID, Name: got.Name, Status: string(got.Status), Visibility: string(got.Visibility),
		Owner: got.Owner, Protected: got.Protected, Hidden: got.Hidden,
		Size: got.SizeBytes, VirtualSize: got.VirtualSize, Checksum: got.Checksum,
		DiskFormat: got.DiskFormat, ContainerFormat: got.ContainerFormat,
		MinDisk: got.MinDiskGigabytes, MinRAM: got.MinRAMMegabytes, Tags: got.Tags,
		Properties: map[string]string{}, CreatedAt: got.CreatedAt, UpdatedAt: got.UpdatedAt,
	}
	for name, value := range got.Properties {
		text, ok := value.(string)
		switch {
		case !ok:
			// Glance has no further properties but strings.
		case name == "os_hash_algo":
			image.HashAlgo = text
		case name == "os_hash_value":
			image.HashValue = text
		case name == "stores":
			image.Stores = list(text)
		case name == "os_glance_importing_to_stores":
			image.importing = list(text)
		case name == "os_glance_failed_import":
			image.failed = list(text)
		case !slices.Contains(ownedByGlance(), name) && !strings.HasPrefix(name, "os_glance"):
			image.Properties[name] = text
		}
	}
	return image
}

// list splits Glance's lists, which are empty texts when they are empty.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}
