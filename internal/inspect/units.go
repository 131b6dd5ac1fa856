package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// unitDirs are systemd's directories of units, the strongest first
// (systemd.unit(5)); /run is empty in a disk image.
var unitDirs = []string{
	"/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
}

// maxUnits bounds the units that are followed from default.target.
const maxUnits = 5000

// units knows which systemd units a guest starts at boot.
type units struct {
	t *tree
	// files: unit name to its strongest file.
	files map[string]string
	// pulls: unit name to what it pulls in by links in its .wants and
	// .requires directories.
	pulls map[string][]pull
	// dropIns: unit name to the files of its .d directories.
	dropIns map[string][]string
	// scripts: unit name to the link of a runlevel that starts its init script.
	scripts map[string]string
	// started: unit name to what starts it at boot.
	started map[string]string
	// off: unit name to the kernel argument that masks it.
	off     map[string]string
	presets []preset
}

// pull is one unit that another one pulls in, and the link or line that says so.
type pull struct{ unit, via string }

// loadUnits reads the units of a guest and follows them from default.target
// and from extra, the units that generators add.
func loadUnits(t *tree, n *notes, entries []BootEntry, extra ...pull) *units {
	u := &units{
		t: t, files: map[string]string{}, pulls: map[string][]pull{}, dropIns: map[string][]string{},
		scripts: map[string]string{}, started: map[string]string{}, off: map[string]string{},
	}
	for _, dir := range u.directories() {
		u.index(n, dir)
	}
	u.presets = loadPresets(t, n)
	if u.files["default.target"] == "" {
		n.unknown("%v", errNoUnits)
	}
	start := append(u.kernelUnits(entries), extra...)
	u.follow(n, append(append(start, u.sysvScripts(n)...), u.udevUnits(n)...))
	return u
}

// kernelUnits returns what the kernel's arguments start, and notes what they
// mask, where every boot entry says so (kernel-command-line(7);
// systemd-debug-generator(8)).
func (u *units) kernelUnits(entries []BootEntry) []pull {
	start := []pull{{"default.target", "default.target"}}
	for _, arg := range commonArguments(entries) {
		key, unit, _ := strings.Cut(arg, "=")
		switch key {
		case "systemd.unit":
			start[0] = pull{unit, "the kernel argument " + quote(arg)}
		case "systemd.wants":
			start = append(start, pull{unitName(unit), "the kernel argument " + quote(arg)})
		case "systemd.mask":
			u.off[unitName(unit)] = "the kernel argument " + quote(arg)
		}
	}
	return start
}

// commonArguments returns the arguments that every normal entry has.
func commonArguments(entries []BootEntry) []string {
	var common []string
	for i, e := range (Boot{Entries: entries}).normal() {
		args := e.args()
		if i == 0 {
			common = args
		}
		common = slices.DeleteFunc(common, func(arg string) bool { return !slices.Contains(args, arg) })
	}
	return common
}

// unitName completes the name of a service.
func unitName(service string) string {
	switch path.Ext(service) {
	case ".service", ".socket", ".target", ".path", ".timer", ".mount", ".device", ".slice", ".scope", ".swap", ".automount":
		return service
	}
	return service + ".service"
}

func (u *units) label(service string) string { return unitName(service) }

func (u *units) places() []string { return unitDirs }

// directories returns unitDirs without those that are links to another one:
// /lib is a link to /usr/lib where the guest has merged them.
func (u *units) directories() []string {
	var dirs, seen []string
	for _, dir := range unitDirs {
		target, err := u.t.real(dir)
		if err == nil && slices.Contains(seen, target) {
			continue
		}
		seen = append(seen, target)
		dirs = append(dirs, dir)
	}
	return dirs
}

func (u *units) index(n *notes, dir string) {
	for _, name := range u.t.names(n, dir) {
		file := path.Join(dir, name)
		unit, kind := strings.TrimSuffix(name, path.Ext(name)), path.Ext(name)
		switch kind {
		case ".wants", ".requires", ".upholds":
			for _, wanted := range u.t.names(n, file) {
				u.pulls[unit] = append(u.pulls[unit], pull{wanted, path.Join(file, wanted)})
			}
		case ".d":
			u.dropIns[unit] = append(u.dropIns[unit], u.t.glob(n, file, "*.conf")...)
		default:
			if u.files[name] == "" {
				u.files[name] = file
			}
		}
	}
}

// follow marks everything that the units in queue pull in as started.
func (u *units) follow(n *notes, queue []pull) {
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		if u.started[next.unit] != "" {
			continue
		}
		if len(u.started) >= maxUnits {
			n.unknown("more than %d units are started", maxUnits)
			return
		}
		if _, off := u.masked(next.unit); off || !u.installed(next.unit) {
			continue
		}
		u.started[next.unit] = next.via
		if unit := u.alias(next.unit); unit != "" {
			queue = append(queue, pull{unit, next.via})
		}
		queue = append(queue, u.pulls[next.unit]...)
		queue = append(queue, u.wantedByFile(n, next.unit)...)
	}
}

// file returns the file of a unit, or of the template that it is made from.
func (u *units) file(unit string) string {
	if f := u.files[unit]; f != "" {
		return f
	}
	if name, _, ok := strings.Cut(unit, "@"); ok {
		return u.files[name+"@"+path.Ext(unit)]
	}
	return ""
}

// masked reports whether a unit is switched off by a link to /dev/null or an
// empty file, and which.
func (u *units) masked(unit string) (string, bool) {
	unit = unitName(unit)
	if by := u.off[unit]; by != "" {
		return by, true
	}
	file := u.files[unit]
	if file == "" {
		return "", false
	}
	if target, err := u.t.readLink(file); err == nil && target == "/dev/null" {
		return file, true
	}
	info, err := u.t.stat(file)
	return file, err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// alias returns the unit that a unit's file is a link to, where it is one.
func (u *units) alias(unit string) string {
	target, err := u.t.readLink(u.files[unit])
	if err != nil || path.Base(target) == unit {
		return ""
	}
	return path.Base(target)
}

// wantedByFile returns what a unit's own file and drop-ins pull in.
func (u *units) wantedByFile(n *notes, unit string) []pull {
	var pulls []pull
	for _, file := range append([]string{u.file(unit)}, u.dropIns[unit]...) {
		if file == "" {
			continue
		}
		text, _ := u.t.text(n, file)
		for line, setting := range settings(text) {
			key, value, _ := strings.Cut(setting, "=")
			switch strings.TrimSpace(key) {
			case "Wants", "Requires", "BindsTo", "Upholds":
				for _, wanted := range strings.Fields(value) {
					pulls = append(pulls, pull{wanted, at(file, line, setting)})
				}
			}
		}
	}
	return pulls
}

// sysvScripts returns the init scripts that systemd-sysv-generator(8) turns
// into units: those started in a runlevel that have no unit of their own.
func (u *units) sysvScripts(n *notes) []pull {
	var pulls []pull
	for _, dir := range []string{"/etc/rcS.d", "/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"} {
		for _, link := range u.t.glob(n, dir, "S[0-9][0-9]*") {
			name := path.Base(link)[3:]
			if u.files[name+".service"] == "" && u.t.has(n, "/etc/init.d/"+name) {
				u.scripts[name+".service"] = link
				pulls = append(pulls, pull{name + ".service", link})
			}
		}
	}
	return pulls
}

// udevUnits returns the units that udev rules start when a device appears
// (systemd.device(5), SYSTEMD_WANTS).
func (u *units) udevUnits(n *notes) []pull {
	var pulls []pull
	for _, file := range u.t.udevRules(n) {
		text, _ := u.t.text(n, file)
		for line, rule := range settings(text) {
			_, value, ok := strings.Cut(rule, "{SYSTEMD_WANTS}")
			if !ok {
				continue
			}
			if parts := strings.SplitN(value, `"`, 3); len(parts) == 3 {
				for _, unit := range strings.Fields(parts[1]) {
					pulls = append(pulls, pull{unit, at(file, line, rule)})
				}
			}
		}
	}
	return pulls
}

// udevRules returns the files of udev's rules, a file in /etc replacing one of
// the same name (udev(7)).
func (t *tree) udevRules(n *notes) []string {
	files := map[string]string{}
	for _, dir := range []string{"/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/etc/udev/rules.d"} {
		for _, file := range t.glob(n, dir, "*.rules") {
			files[path.Base(file)] = file
		}
	}
	return sortedValues(files)
}

// installed reports whether there is a unit: its file, or an init script that a
// runlevel starts.
func (u *units) installed(unit string) bool {
	unit = unitName(unit)
	return u.file(unit) != "" || u.scripts[unit] != ""
}

// enabled reports whether the guest starts unit at boot, and what starts it.
func (u *units) enabled(unit string) (string, bool) {
	via := u.started[unitName(unit)]
	return via, via != ""
}

// why says why a unit is not started at boot.
func (u *units) why(unit string) string {
	unit = unitName(unit)
	if file, off := u.masked(unit); off {
		return fmt.Sprintf("%s is masked by %s", unit, file)
	}
	if !u.installed(unit) {
		return fmt.Sprintf("%s is in none of %s", unit, strings.Join(unitDirs, ", "))
	}
	return fmt.Sprintf("%s: nothing that starts at boot pulls it in", u.file(unit))
}

// installable reports whether a unit has an [Install] section with something
// to enable, which is what presets act on.
func (u *units) installable(unit string) bool {
	file := u.file(unit)
	if file == "" {
		return false
	}
	text, _ := u.t.text(&notes{}, file)
	for _, setting := range settings(text) {
		key, _, _ := strings.Cut(setting, "=")
		switch strings.TrimSpace(key) {
		case "WantedBy", "RequiredBy", "UpheldBy", "Also", "Alias":
			return true
		}
	}
	return false
}

// comesBack reports whether systemd enables a unit at the first boot: presets
// act on what is installed, installable and not masked.
func (u *units) comesBack(unit string) bool {
	_, masked := u.masked(unit)
	enable, _ := u.presetEnables(unit)
	return !masked && enable && u.installable(unit)
}

// preset is one line of a preset file (systemd.preset(5)).
type preset struct {
	enable  bool
	pattern string
	where   string
}

// loadPresets reads the preset lines in the order in which they count.
func loadPresets(t *tree, n *notes) []preset {
	files := map[string]string{}
	for _, dir := range slices.Backward(unitDirs) {
		for _, file := range t.glob(n, strings.TrimSuffix(dir, "system")+"system-preset", "*.preset") {
			files[path.Base(file)] = file
		}
	}
	var presets []preset
	for _, file := range sortedValues(files) {
		text, _ := t.text(n, file)
		for line, setting := range settings(text) {
			words := strings.Fields(setting)
			if len(words) < 2 || (words[0] != "enable" && words[0] != "disable") {
				continue
			}
			presets = append(presets, preset{words[0] == "enable", words[1], at(file, line, setting)})
		}
	}
	return presets
}

// presetEnables reports whether `systemctl preset` enables the unit, and which
// line says so; without a line it does.
func (u *units) presetEnables(unit string) (bool, string) {
	for _, p := range u.presets {
		if ok, err := path.Match(p.pattern, unit); ok && err == nil {
			return p.enable, p.where
		}
	}
	return true, "no preset file names it"
}

// sortedValues returns the values in the order of their keys.
func sortedValues(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = m[k]
	}
	return values
}
