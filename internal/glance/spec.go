package glance

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Spec is what an image is to be called and how it is described.
type Spec struct {
	// Name is the image's name, 1 to 255 characters.
	Name string
	// DiskFormat is the format of the data, such as qcow2 or raw.
	DiskFormat string
	// ContainerFormat is bare when empty.
	ContainerFormat string
	// MinDisk is the smallest root disk that the image boots from, in GiB.
	MinDisk int
	// MinRAM is the least memory that the image boots with, in MiB.
	MinRAM int
	// Visibility is private (when empty), shared, community or public.
	Visibility string
	// Protected keeps the image from being deleted until it is lifted.
	Protected bool
	// Members are the IDs of the projects that a shared image is shared with.
	// They see it in their lists once they have accepted it.
	Members []string
	// Tags are set beside ManagedTag, each 1 to 255 characters.
	Tags []string
	// Properties are all further properties. Glance takes only strings.
	Properties map[string]string
	// VirtualSize is the disk's size in bytes, 0 when not known. It is not sent,
	// since Glance reads it from the data: it is compared with what Glance read.
	VirtualSize int64
	// OnDuplicate says what becomes of an image that is there already.
	OnDuplicate OnDuplicate
	// Sign, where it is set, returns further properties that depend on the hashes
	// of the data, such as a signature. The source is read for it before the
	// image is created, since Glance verifies a signature while it stores.
	Sign func(Sums) (map[string]string, error)
	// Sending says how the data get there and which stores keep them.
	Sending Sending
}

// ManagedTag marks every image that Publish made. It is a tag, not a property,
// because Nova copies an image's properties to the snapshots of its servers,
// and a snapshot must never be taken for one of our images.
const ManagedTag = "managed-by:packer-plugin-openstack-ready"

// maxText is Glance's limit for names, property names and tags, in characters
// (glance/api/v2/images.py, the columns of images, image_properties, image_tags).
const maxText = 255

// maxValueBytes is what the column of a property's value holds (TEXT of MySQL).
const maxValueBytes = 65535

// Validate returns every mistake at once. It asks no server, so that what a
// cloud forbids beyond Glance's own rules shows only when it is asked.
func (s Spec) Validate() error {
	mistakes := []error{
		checkText("image name", s.Name),
		checkOneOf("disk format", s.DiskFormat, diskFormats()),
		checkOneOf("container format", s.containerFormat(), []string{"bare", "ovf", "ova", "docker", "compressed", "ami", "ari", "aki"}),
		checkOneOf("visibility", s.visibility(), []string{"private", "shared", "community", "public"}),
		checkCount("min_disk", "GiB", s.MinDisk),
		checkCount("min_ram", "MiB", s.MinRAM),
		checkOneOf("on_duplicate", string(s.onDuplicate()), []string{string(DuplicateReuse), string(DuplicateUpload), string(DuplicateFail)}),
		s.Sending.Validate(),
		s.checkMembers(),
	}
	for _, tag := range s.Tags {
		mistakes = append(mistakes, checkText("tag", tag))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		mistakes = append(mistakes, checkProperty(name, s.Properties[name]))
	}
	return errors.Join(mistakes...)
}

func (s Spec) containerFormat() string {
	if s.ContainerFormat == "" {
		return "bare"
	}
	return s.ContainerFormat
}

func (s Spec) visibility() string {
	if s.Visibility == "" {
		return "private"
	}
	return s.Visibility
}

// tags returns the user's tags and ours, each once.
func (s Spec) tags() []string {
	all := append([]string{ManagedTag}, s.Tags...)
	slices.Sort(all)
	return slices.Compact(all)
}

// diskFormats are those of Glance's option image_format/disk_formats.
func diskFormats() []string {
	return []string{"qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso", "ploop", "ami", "ari", "aki"}
}

func checkText(what, text string) error {
	switch length := utf8.RuneCountInString(text); {
	case text == "":
		return fmt.Errorf("%s is empty", what)
	case length > maxText:
		return fmt.Errorf("%s %.40q… has %d characters; Glance takes at most %d", what, text, length, maxText)
	}
	return checkStorable(fmt.Sprintf("%s %q", what, text), text)
}

// checkStorable refuses what Glance's databases refuse, some with status 500.
func checkStorable(what, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Errorf("%s holds a NUL or is not UTF-8", what)
	}
	return nil
}

func checkOneOf(what, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q is not one of %s", what, value, strings.Join(allowed, ", "))
}

func checkCount(what, unit string, value int) error {
	if value < 0 || value > math.MaxInt32 {
		return fmt.Errorf("%s is %d; it must be from 0 to %d %s", what, value, math.MaxInt32, unit)
	}
	return nil
}

func checkProperty(name, value string) error {
	if err := checkText("property name", name); err != nil {
		return err
	}
	switch {
	case strings.ContainsAny(name, "/~"):
		return fmt.Errorf("property name %q holds / or ~, which Glance's updates can not name", name)
	case strings.HasPrefix(name, "os_glance"):
		return fmt.Errorf("property %q can not be set: Glance keeps names that start with os_glance for itself", name)
	case slices.Contains(ownedByGlance(), name):
		return fmt.Errorf("property %q can not be set: only Glance itself sets it", name)
	case slices.Contains(ownedBySpec(), name):
		return fmt.Errorf("%q is no further property but has an option of its own", name)
	case len(value) > maxValueBytes:
		return fmt.Errorf("value of property %q has %d bytes; Glance takes at most %d", name, len(value), maxValueBytes)
	}
	return checkStorable(fmt.Sprintf("value of property %q", name), value)
}

// ownedByGlance lists what Glance answers with 403 (_disallowed_properties and
// _readonly_properties of glance/api/v2/images.py), and owner, which it takes
// from administrators only.
func ownedByGlance() []string {
	return []string{
		"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "id",
		"os_hash_algo", "os_hash_value", "location", "locations", "deleted", "deleted_at", "stores", "owner",
	}
}

func ownedBySpec() []string {
	return []string{"name", "visibility", "tags", "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden"}
}
