package property

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// scs are properties that follow both profiles.
func scs() map[string]string {
	return map[string]string{
		"architecture": "x86_64", "min_disk": "5", "min_ram": "512", "os_version": "12", "os_distro": "debian",
		"os_purpose": "generic", "hw_disk_bus": "scsi", "replace_frequency": "monthly", "provided_until": "2027-06-30",
		"uuid_validity": "last-3", "image_source": "https://images.example.org/debian.qcow2",
		"image_description": "Debian 12 for everybody", "image_build_date": "2026-01-31", "image_original_user": "debian",
	}
}

func TestProfileChecksValues(t *testing.T) {
	cases := []struct {
		name, value string
		// want is in the error; empty where the value is good.
		want string
	}{
		{"replace_frequency", "critical_bug", ""},
		{"replace_frequency", "hourly", "yearly, quarterly, monthly, weekly, daily, critical_bug, never"},
		{"uuid_validity", "none", ""},
		{"uuid_validity", "forever", ""},
		{"uuid_validity", "2027-06-30", ""},
		{"uuid_validity", "last-N", "last-N with a number N"},
		{"uuid_validity", "2027-13-01", "2026-01-31"},
		{"provided_until", "notice", ""},
		{"provided_until", "forever", "none, notice"},
		{"provided_until", "30.06.2027", "a date such as 2026-01-31"},
		{"image_build_date", "2026-01-31 23:59", ""},
		{"image_build_date", "2026-01-31 23:59:59", ""},
		{"image_build_date", "2026-01-31 3:59", "2026-01-31 12:00"},
		{"image_build_date", "2026-02-30", "a date"},
		{"image_source", "private", ""},
		{"image_source", "see the wiki", "a URL"},
		{"hotfix_hours", "0", ""},
		{"hotfix_hours", "two days", "a whole number"},
		{"min_ram", "0", "min_ram"},
		{"os_purpose", "oldgeneric", "generic, minimal"},
		{"maintained_until", "never", "a date"},
		{"license_included", "perhaps", "true or false"},
		{"l1_support_contact", "mailto:help@example.org", ""},
		{"l1_support_contact", "ask Bob", "a URI"},
	}
	for _, c := range cases {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			properties := scs()
			properties[c.name] = c.value
			for _, profile := range []Profile{SCS0102v1, SCS0102v2} {
				err := profile.Check(properties)
				if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
					t.Errorf("%s: error = %v, want %q in it", profile, err, c.want)
				}
			}
		})
	}
}

func TestProfileNamesWhatIsMissing(t *testing.T) {
	for name := range scs() {
		t.Run(name, func(t *testing.T) {
			properties := scs()
			delete(properties, name)
			for _, profile := range []Profile{SCS0102v1, SCS0102v2} {
				// Version 1.1 only recommends os_purpose.
				want := name != "os_purpose" || profile == SCS0102v2
				err := profile.Check(properties)
				if got := err != nil && strings.Contains(err.Error(), name+" is missing: want "); got != want {
					t.Errorf("%s: error = %v, want one: %t", profile, err, want)
				}
			}
		})
	}
}

func TestProfileLeavesToTheDiskWhatItCanTell(t *testing.T) {
	derivable := []string{"architecture", "min_disk", "os_version", "os_distro", "hw_disk_bus", "image_build_date", "image_original_user"}
	said := scs()
	for _, name := range derivable {
		delete(said, name)
	}
	if err := SCS0102v2.CheckSaid(said); err != nil {
		t.Errorf("error although only derivable properties are missing: %v", err)
	}
	for _, name := range derivable {
		emptied := maps.Clone(said)
		emptied[name] = ""
		if err := SCS0102v2.CheckSaid(emptied); err == nil || !strings.Contains(err.Error(), name+" is missing") {
			t.Errorf("error for an empty %s = %v, want one that names it", name, err)
		}
	}
	err := SCS0102v1.CheckSaid(nil)
	for _, want := range []string{"profile scs-0102-v1", "min_ram", "replace_frequency", "provided_until", "uuid_validity", "image_source", "image_description"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error where nothing is said = %v, want %q in it", err, want)
		}
	}
}

func TestProfileRefusesContraryLicences(t *testing.T) {
	properties := scs()
	properties["license_included"], properties["license_required"] = "true", "yes"
	if err := SCS0102v1.Check(properties); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("error = %v, want that they exclude each other", err)
	}
}

func TestProfileCompletesWhatTheBuildSettles(t *testing.T) {
	// Past midnight in Berlin, and still the day before in UTC.
	at := time.Date(2026, 2, 1, 0, 30, 0, 0, time.FixedZone("CET", 3600))
	cases := map[string]struct {
		derived []Property
		built   Built
		want    map[string]string
	}{
		"all": {
			[]Property{{Name: "os_admin_user", Value: "debian"}},
			Built{At: at, VirtioDisk: true},
			map[string]string{"image_build_date": "2026-01-31", "image_original_user": "debian", "hw_disk_bus": "virtio"},
		},
		"no cloud-init, no driver": {
			nil,
			Built{At: at},
			map[string]string{"image_build_date": "2026-01-31", "image_original_user": "", "hw_disk_bus": ""},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := SCS0102v1.Complete(c.derived, c.built)
			for property, want := range c.want {
				if value, _ := Find(got, property); value != want {
					t.Errorf("%s = %q, want %q", property, value, want)
				}
			}
			for _, p := range got {
				if p.Reason == "" && p.Name != "os_admin_user" {
					t.Errorf("%s has no reason", p.Name)
				}
			}
		})
	}
}

func TestProfileIsOneOfTwo(t *testing.T) {
	if err := Profile("scs-0102").Validate(); err == nil || !strings.Contains(err.Error(), "scs-0102-v1, scs-0102-v2") {
		t.Errorf("error = %v, want the profiles in it", err)
	}
	if err := SCS0102v2.Validate(); err != nil {
		t.Error(err)
	}
}
