// Package property derives the properties of a Glance image from what an
// inspection saw in it, each with its reason, and checks those that people set.
package property

import (
	"cmp"
	"maps"
	"slices"
)

// Property is one property of a Glance image.
type Property struct {
	Name string `json:"name"`
	// Value is a string, as Glance stores every property; min_disk is the
	// decimal number of GiB.
	Value string `json:"value"`
	// Reason says what in the image, or who, made it so.
	Reason string `json:"reason"`
}

// MinDisk names the one derived value that is an attribute of the image in
// Glance and not an extra property: the smallest flavor disk, in GiB. MinRAM,
// in MiB, is another, which nothing derives.
const (
	MinDisk = "min_disk"
	MinRAM  = "min_ram"
)

// Override returns the derived properties with the user's in their places, for
// the reason that tells where the user said so: the user's value always wins,
// and an empty one leaves the property out.
func Override(derived []Property, user map[string]string, reason string) []Property {
	kept := slices.DeleteFunc(slices.Clone(derived), func(p Property) bool {
		_, ok := user[p.Name]
		return ok
	})
	for _, name := range slices.Sorted(maps.Keys(user)) {
		if value := user[name]; value != "" {
			kept = append(kept, Property{Name: name, Value: value, Reason: reason})
		}
	}
	slices.SortStableFunc(kept, byName)
	return kept
}

// Find returns the value of the property called name.
func Find(properties []Property, name string) (string, bool) {
	for _, p := range properties {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

func byName(a, b Property) int { return cmp.Compare(a.Name, b.Name) }
