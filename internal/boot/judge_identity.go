package boot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// clockSlack is by how many seconds a guest's clock may have been set right
// since it started.
const clockSlack = 120

// identityReset judges one run by the age of what must be new: it was made at
// this boot or is the image's.
func identityReset(s *sight) proof {
	if s.told == nil {
		return unknown(s.notThere())
	}
	booted, err := strconv.ParseInt(s.told.one("boot-time"), 10, 64)
	if err != nil {
		return unknown("the guest did not tell when it started")
	}
	old := olderThan(s.told, booted-clockSlack)
	switch {
	case len(old) > 0:
		return unmet(old...)
	case len(s.told["host-key"]) == 0 && s.ssh.hostKey == "":
		return unknown("the guest has no SSH host key")
	case s.reboot != nil && s.reboot.err == nil && s.reboot.hostKey != s.ssh.hostKey:
		return unmet("the SSH host key was another one after a reboot")
	}
	return met(fmt.Sprintf("machine-id %s and %d SSH host keys were made at this boot", quote(machineID(s.told)), len(s.told["host-key"])))
}

// olderThan names what was there before the boot, by the times of its files.
func olderThan(told facts, booted int64) []string {
	var old []string
	for _, stamped := range slices.Concat(told["machine-id"], told["host-key"]) {
		at, value, _ := strings.Cut(stamped, " ")
		if made, err := strconv.ParseInt(at, 10, 64); err == nil && made < booted {
			old = append(old, fmt.Sprintf("%s is %d s older than the boot", quote(value), booted-made))
		}
	}
	return old
}

func machineID(told facts) string {
	_, id, _ := strings.Cut(told.one("machine-id"), " ")
	return id
}

// differs judges two runs, whose disks are two copies of the image, by whether
// they have anything of their identity in common.
func differs(sights []*sight) []proof {
	if len(sights) < 2 {
		return nil
	}
	a, b := sights[0], sights[1]
	switch {
	case a.ssh.hostKey == "" || b.ssh.hostKey == "":
		return nil // Each run tells why by itself.
	case a.ssh.hostKey == b.ssh.hostKey:
		return []proof{unmet("two instances show the same SSH host key " + quote(a.ssh.hostKey))}
	case a.told != nil && b.told != nil && machineID(a.told) == machineID(b.told):
		return []proof{unmet("two instances have the same machine-id " + quote(machineID(a.told)))}
	}
	return []proof{{requirement.Met, []string{"two instances show different SSH host keys"}}}
}
