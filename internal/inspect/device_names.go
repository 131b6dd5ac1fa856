package inspect

import (
	"regexp"
	"slices"
	"strings"
)

// buildDisk is a name of a disk that an instance need not have: there it is
// /dev/vda, with another serial number and in another place. Volumes keep theirs.
var (
	buildDisk = regexp.MustCompile(`^/dev/((sd|hd|xvd)[a-z]+[0-9]*|disk/by-(id|path)/.*)$`)
	ofVolume  = regexp.MustCompile(`^/dev/disk/by-id/(dm|lvm|md)-`)
)

func isBuildDisk(name string) bool { return buildDisk.MatchString(name) && !ofVolume.MatchString(name) }

// deviceNames notes where such names are waited for at boot, or are what GRUB's
// programs take for the disks of the machine (grub-mkdevicemap).
func deviceNames(g *guest, n *notes) {
	fstabDevices(g, n)
	for _, e := range g.facts.Boot.normal() {
		for _, key := range []string{"root", "resume"} {
			if value, _ := e.arg(key); isBuildDisk(value) {
				n.unmet("%s: %s=%s is another disk in an instance", e.at(), key, quote(value))
			}
		}
	}
	for _, file := range []string{"/boot/grub/device.map", "/boot/grub2/device.map"} {
		text, _ := g.text(n, file)
		for line, setting := range settings(text) {
			if words := strings.Fields(setting); len(words) > 1 && strings.HasPrefix(words[0], "(hd") && isBuildDisk(words[1]) {
				n.unmet("%s: is another disk in an instance", at(file, line, setting))
			}
		}
	}
}

// fstabDevices: a line with noauto or nofail holds up no boot (fstab(5)).
func fstabDevices(g *guest, n *notes) {
	const file = "/etc/fstab"
	text, _ := g.text(n, file)
	for line, setting := range settings(text) {
		words := strings.Fields(setting)
		if len(words) < 3 || !isBuildDisk(words[0]) {
			continue
		}
		if len(words) > 3 {
			options := strings.Split(words[3], ",")
			if slices.Contains(options, "noauto") || slices.Contains(options, "nofail") {
				continue
			}
		}
		n.unmet("%s: is another disk in an instance", at(file, line, setting))
	}
}
