package property

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Profile is a published standard for the properties of an image.
type Profile string

// The profiles. Both are of the Sovereign Cloud Stack
// (https://docs.scs.community/standards/iaas/scs-0102).
const (
	// SCS0102v1 is SCS-0102 version 1.1, stable.
	SCS0102v1 Profile = "scs-0102-v1"
	// SCS0102v2 is SCS-0102 version 2.0, a draft, which demands os_purpose too.
	SCS0102v2 Profile = "scs-0102-v2"
)

// Validate returns an error that lists the profiles where p is none of them.
func (p Profile) Validate() error {
	return oneOf(string(SCS0102v1), string(SCS0102v2)).check(string(p))
}

// Built is what an image's build says of it, beside its derived properties.
type Built struct {
	// At is when the disk was last written.
	At time.Time
	// VirtioDisk is whether the image boots from virtio-blk.
	VirtioDisk bool
}

// Complete returns the derived properties with those that the profile wants
// besides and that they and the build settle, sorted by name.
func (p Profile) Complete(derived []Property, built Built) []Property {
	all := append([]Property{{
		Name: "image_build_date", Value: built.At.UTC().Format(time.DateOnly),
		Reason: "the disk was last written then",
	}}, derived...)
	if user, ok := Find(derived, "os_admin_user"); ok {
		all = append(all, Property{Name: "image_original_user", Value: user, Reason: "cloud-init's default user"})
	}
	if built.VirtioDisk {
		all = append(all, Property{Name: "hw_disk_bus", Value: "virtio", Reason: "Nova's own default; the disk has the driver for it"})
	}
	return Override(all, nil, "")
}

// CheckSaid returns every mistake in what people said of the image: what breaks
// the profile, and what it demands and nothing can derive.
func (p Profile) CheckSaid(said map[string]string) error {
	return p.check(said, func(name string, r rule) bool {
		_, emptied := said[name]
		return r.mandatory && (emptied || !r.derived)
	})
}

// Check returns every mistake in all properties of an image: what breaks the
// profile, and what it demands and is missing.
func (p Profile) Check(properties map[string]string) error {
	return p.check(properties, func(_ string, r rule) bool { return r.mandatory })
}

func (p Profile) check(properties map[string]string, needed func(string, rule) bool) error {
	var mistakes []error
	for _, r := range p.rules() {
		value := properties[r.name]
		switch {
		case value != "":
			if err := r.check(value); err != nil {
				mistakes = append(mistakes, fmt.Errorf("%s = %w", r.name, err))
			}
		case needed(r.name, r):
			mistakes = append(mistakes, fmt.Errorf("%s is missing: want %s", r.name, r.want))
		}
	}
	if included, required := "license_included", "license_required"; isTrue(properties[included]) && isTrue(properties[required]) {
		mistakes = append(mistakes, fmt.Errorf("%s and %s exclude each other", included, required))
	}
	if err := errors.Join(mistakes...); err != nil {
		return fmt.Errorf("profile %s: %w", p, err)
	}
	return nil
}

// rule is what a profile says of one property.
type rule struct {
	name string
	kind
	mandatory bool
	// derived is whether Derive and Complete may find it out.
	derived bool
}

// rules are those of the standard's text, in its order. Of the values that the
// text leaves open, architecture and the hardware's are judged by Check.
func (p Profile) rules() []rule {
	const dateWant = "a date such as 2026-01-31"
	day := date(dateWant, time.DateOnly)
	days := date(dateWant+" or 2026-01-31 12:00 or 2026-01-31 12:00:59, in UTC", time.DateOnly, "2006-01-02 15:04", time.DateTime)
	return []rule{
		{"architecture", text("the machine that the image is for, such as x86_64"), true, true},
		{MinDisk, number(1, math.MaxInt32), true, true},
		{MinRAM, number(1, math.MaxInt32), true, false},
		{"os_version", text("the system's version, such as 24.04"), true, true},
		{"os_distro", text("the system's name, such as ubuntu"), true, true},
		{"os_purpose", oneOf("generic", "minimal", "k8snode", "gpu", "network", "custom"), p == SCS0102v2, false},
		{"hw_disk_bus", text("scsi (recommended, with hw_scsi_model = virtio-scsi) or virtio"), true, true},
		{"replace_frequency", oneOf("yearly", "quarterly", "monthly", "weekly", "daily", "critical_bug", "never"), true, false},
		{"hotfix_hours", number(0, math.MaxInt32), false, false},
		{"provided_until", day.or(oneOf("none", "notice")), true, false},
		{"uuid_validity", day.or(oneOf("none", "notice", "forever")).or(pattern("last-N with a number N", "last-[0-9]+")), true, false},
		{"image_source", pattern("a URL (http, https, ftp or ftps)", `(?:https?|ftps?)://\S+`).or(oneOf("private")), true, false},
		{"image_description", text("a URL or a text about the image"), true, false},
		{"image_build_date", days, true, true},
		{"image_original_user", text("the user to log in as, or none"), true, true},
		{"license_included", flag(), false, false},
		{"license_required", flag(), false, false},
		{"subscription_included", flag(), false, false},
		{"subscription_required", flag(), false, false},
		{"maintained_until", day, false, false},
		{"l1_support_contact", pattern("a URI", `[A-Za-z][A-Za-z0-9+.-]*:\S+`), false, false},
	}
}
