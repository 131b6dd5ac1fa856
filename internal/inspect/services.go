package inspect

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// services knows which services a guest starts at boot, whatever init does it.
// A service is asked for by the name of its script or job, such as sshd, which
// for systemd means sshd.service; other units have their full name.
type services struct {
	initSystem
	// err says why not all of it could be read.
	err error
}

// initSystem is what each init tells of its services.
type initSystem interface {
	// label is what people call the service: sshd.service, or sshd.
	label(service string) string
	// installed: the init could start it.
	installed(service string) bool
	// masked reports a service that is kept from ever starting, and by what.
	masked(service string) (by string, off bool)
	// enabled reports whether it is started at boot, and by what.
	enabled(service string) (via string, on bool)
	// why says why a service is not started at boot.
	why(service string) string
	// places are where services are looked up.
	places() []string
}

// The names of inits, as in OS.Init.
const (
	initSystemd  = "systemd"
	initUpstart  = "upstart"
	initOpenRC   = "openrc"
	initSysvinit = "sysvinit"
)

// loadServices reads the services of the init that the guest has. The units are
// set only where that is systemd.
func loadServices(t *tree, kind string, entries []BootEntry, extra ...pull) (*services, *units) {
	n := &notes{}
	var s initSystem
	var u *units
	switch kind {
	case initOpenRC:
		s = loadOpenRC(t, n)
	case initUpstart:
		s = loadUpstart(t, n)
	case initSysvinit:
		s = loadSysvinit(t, n)
	case initSystemd:
		u = loadUnits(t, n, entries, extra...)
		s = u
	default:
		n.unknown("what starts services in the guest is not known: /sbin/init is %s, and there is neither systemd, OpenRC, Upstart nor /etc/inittab", orNothing(kind))
		s = noInit{}
	}
	return &services{s, n.err()}, u
}

func orNothing(name string) string {
	if name == "" {
		return "not there"
	}
	return quote(name)
}

// findInit names the init of a guest: systemd, openrc, upstart, sysvinit, or
// else what the kernel starts first is called. The kernel argument init= counts
// where every entry has it.
func findInit(t *tree, entries []BootEntry) string {
	first := initProgram(t, initArgument(entries))
	switch {
	case first == initSystemd:
		return initSystemd
	case first == "" && t.exists("/usr/lib/systemd/system/default.target"):
		return initSystemd
	case t.exists("/etc/runlevels") && (t.exists("/sbin/openrc") || t.exists("/usr/sbin/openrc") || t.exists("/usr/bin/openrc")):
		return initOpenRC
	case t.exists("/sbin/initctl") && t.exists("/etc/init"):
		return initUpstart
	case first != "busybox" && t.exists("/etc/inittab") && t.exists("/etc/init.d"):
		return initSysvinit
	}
	return first
}

// initArgument returns the program that the argument init= of every entry
// names; "/sbin/init" without one.
func initArgument(entries []BootEntry) string {
	program := ""
	for i, e := range (Boot{Entries: entries}).normal() {
		value, ok := e.arg("init")
		if !ok || (i > 0 && value != program) {
			return "/sbin/init"
		}
		program = value
	}
	if program == "" {
		return "/sbin/init"
	}
	return program
}

// exists reports whether something is there, and takes what can not be looked
// at for missing: for what only tells kinds of guests apart.
func (t *tree) exists(name string) bool {
	_, err := t.stat(name)
	return err == nil
}

// firstEnabled returns the first of the services that is started at boot, by
// its label.
func (s *services) firstEnabled(names ...string) (label, via string, ok bool) {
	for _, name := range names {
		if via, ok := s.enabled(name); ok {
			return s.label(name), via, true
		}
	}
	return "", "", false
}

// firstInstalled returns the first of the services that is installed, or else
// the first of all.
func (s *services) firstInstalled(names ...string) string {
	for _, name := range names {
		if s.installed(name) {
			return name
		}
	}
	return names[0]
}

// isEnabled reports whether a service is started at boot.
func (s *services) isEnabled(name string) bool {
	_, ok := s.enabled(name)
	return ok
}

// noInit stands for an init that is not known.
type noInit struct{}

func (noInit) label(service string) string   { return service }
func (noInit) installed(string) bool         { return false }
func (noInit) masked(string) (string, bool)  { return "", false }
func (noInit) enabled(string) (string, bool) { return "", false }
func (noInit) why(service string) string     { return service + ": the guest's init is not known" }
func (noInit) places() []string              { return nil }

// scripts are services that are init scripts, as OpenRC and sysvinit have them.
type scripts struct {
	t *tree
	// started: name of a script to what starts it at boot.
	started map[string]string
	// levels names where a link would start it.
	levels string
}

const initScripts = "/etc/init.d"

// maxScripts bounds the scripts that are started.
const maxScripts = 2000

func (s *scripts) label(service string) string { return strings.TrimSuffix(service, ".service") }

func (s *scripts) file(service string) string { return path.Join(initScripts, s.label(service)) }

func (s *scripts) installed(service string) bool { return s.t.exists(s.file(service)) }

// masked: scripts know no masks.
func (s *scripts) masked(string) (string, bool) { return "", false }

func (s *scripts) enabled(service string) (string, bool) {
	via := s.started[s.label(service)]
	return via, via != ""
}

func (s *scripts) why(service string) string {
	if !s.installed(service) {
		return fmt.Sprintf("%s is not in %s", s.label(service), initScripts)
	}
	return fmt.Sprintf("%s: nothing in %s starts it", s.file(service), s.levels)
}

func (s *scripts) places() []string { return []string{initScripts} }

// start notes what starts a script, the first that does.
func (s *scripts) start(n *notes, name, via string) {
	switch {
	case s.started[name] != "":
	case len(s.started) >= maxScripts:
		n.unknown("more than %d services are started", maxScripts)
	default:
		s.started[name] = via
	}
}

// loadSysvinit reads the links of the runlevel that sysvinit starts.
func loadSysvinit(t *tree, n *notes) *scripts {
	s := &scripts{t: t, started: map[string]string{}}
	s.links(n, defaultLevels(t, n))
	return s
}

// links reads the links of runlevels, in the folders of Debian, Red Hat and
// SUSE, and of what is started before any of them.
func (s *scripts) links(n *notes, levels []string) {
	s.levels = "the runlevel " + strings.Join(levels, ", ")
	dirs := []string{"/etc/rcS.d", "/etc/init.d/boot.d"}
	for _, level := range levels {
		for _, form := range []string{"/etc/rc%s.d", "/etc/rc.d/rc%s.d", "/etc/init.d/rc%s.d"} {
			dirs = append(dirs, fmt.Sprintf(form, level))
		}
	}
	for _, dir := range dirs {
		for _, link := range s.t.glob(n, dir, "S[0-9][0-9]*") {
			if s.t.has(n, link) {
				s.start(n, path.Base(link)[3:], link)
			}
		}
	}
}

// defaultLevels returns the runlevel that /etc/inittab names (inittab(5)), or
// all of those for several users.
func defaultLevels(t *tree, n *notes) []string {
	text, _ := t.text(n, "/etc/inittab")
	for _, setting := range settings(text) {
		fields := strings.Split(setting, ":")
		if len(fields) > 2 && fields[2] == "initdefault" && len(fields[1]) == 1 && fields[1] >= "2" && fields[1] <= "5" {
			return []string{fields[1]}
		}
	}
	return []string{"2", "3", "4", "5"}
}

// openRC starts what runlevels link to, and what that needs.
type openRC struct{ scripts }

// loadOpenRC reads the runlevels that a normal boot goes through (openrc(8)),
// and those that the last of them contains.
func loadOpenRC(t *tree, n *notes) *openRC {
	s := &openRC{scripts{t: t, started: map[string]string{}, levels: "/etc/runlevels"}}
	levels := []string{"sysinit", "boot", "default"}
	for i := 0; i < len(levels) && i < maxScripts; i++ {
		dir := path.Join("/etc/runlevels", levels[i])
		for _, name := range t.names(n, dir) {
			link := path.Join(dir, name)
			info, err := t.stat(link)
			switch {
			case err != nil && !absent(err):
				n.unknown("%s: %v", quote(link), err)
			case err == nil && info.IsDir() && !slices.Contains(levels, name):
				levels = append(levels, name)
			case err == nil && info.Mode().IsRegular():
				s.start(n, name, link)
			}
		}
	}
	s.followNeeds(n)
	return s
}

// followNeeds starts what the scripts that are started need or want
// (openrc-run(8)).
func (s *openRC) followNeeds(n *notes) {
	queue := sortedNames(s.started)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		text, _ := s.t.text(n, path.Join(initScripts, name))
		for line, setting := range settings(text) {
			words := strings.Fields(setting)
			if words[0] != "need" && words[0] != "want" {
				continue
			}
			for _, needed := range words[1:] {
				if s.started[needed] == "" && !strings.Contains(needed, "/") && s.t.exists(path.Join(initScripts, needed)) {
					s.start(n, needed, at(path.Join(initScripts, name), line, setting))
					queue = append(queue, needed)
				}
			}
		}
	}
}

// upstart starts jobs on events, and init scripts by the links of runlevels.
type upstart struct {
	scripts
	off map[string]string // jobs that are not started, and why
}

const jobFolder = "/etc/init"

// loadUpstart reads the jobs; one that has the name of a script stands in for
// it (Debian's and Ubuntu's upstart-job).
func loadUpstart(t *tree, n *notes) *upstart {
	s := &upstart{scripts{t: t, started: map[string]string{}}, map[string]string{}}
	levels := upstartLevels(t, n)
	s.links(n, levels)
	s.levels += " and no event"
	for _, file := range t.glob(n, jobFolder, "*.conf") {
		name := strings.TrimSuffix(path.Base(file), ".conf")
		delete(s.started, name)
		if via, off := s.job(n, file, levels); off == "" {
			s.start(n, name, via)
		} else {
			s.off[name] = off
		}
	}
	return s
}

// upstartLevels returns the runlevel that the job rc-sysinit sets where there is
// no /etc/inittab.
func upstartLevels(t *tree, n *notes) []string {
	text, _ := t.text(n, path.Join(jobFolder, "rc-sysinit.conf"))
	for _, setting := range settings(text) {
		level, ok := strings.CutPrefix(setting, "env DEFAULT_RUNLEVEL=")
		if _, err := t.stat("/etc/inittab"); ok && absent(err) && len(level) == 1 {
			return []string{level}
		}
	}
	return defaultLevels(t, n)
}

// job reads the stanzas of a job and of its override that decide whether it is
// started; the last of them counts (init(5), "manual").
func (s *upstart) job(n *notes, file string, levels []string) (via, off string) {
	off = fmt.Sprintf("%s: no event starts it", quote(file))
	for _, part := range []string{file, strings.TrimSuffix(file, ".conf") + ".override"} {
		text, _ := s.t.text(n, part)
		for line, setting := range settings(text) {
			words := strings.Fields(setting)
			switch {
			case words[0] == "manual":
				via, off = "", at(part, line, setting)
			case len(words) > 2 && words[0] == "start" && words[1] == "on" && !otherLevels(words[2:], levels):
				via, off = at(part, line, setting), ""
			}
		}
	}
	return via, off
}

// otherLevels reports whether a job waits for nothing but runlevels that are
// not reached at boot.
func otherLevels(event, levels []string) bool {
	if len(event) < 2 || event[0] != "runlevel" {
		return false
	}
	set, ok := strings.CutPrefix(strings.TrimSuffix(strings.TrimPrefix(event[1], "RUNLEVEL="), "]"), "[")
	if !ok {
		return false
	}
	listed, not := strings.CutPrefix(set, "!")
	return !slices.ContainsFunc(levels, func(level string) bool { return strings.Contains(listed, level) != not })
}

func (s *upstart) jobFile(service string) string {
	return path.Join(jobFolder, s.label(service)+".conf")
}

func (s *upstart) installed(service string) bool {
	return s.t.exists(s.jobFile(service)) || s.scripts.installed(service)
}

func (s *upstart) why(service string) string {
	if off := s.off[s.label(service)]; off != "" {
		return off
	}
	if !s.installed(service) {
		return fmt.Sprintf("%s is neither in %s nor in %s", s.label(service), jobFolder, initScripts)
	}
	return s.scripts.why(service)
}

func (s *upstart) places() []string { return []string{jobFolder, initScripts} }

// errNoUnits says that systemd's own units are missing.
var errNoUnits = errors.New("there is no systemd unit default.target, though the guest starts with systemd")

// sortedNames returns the keys in order.
func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
