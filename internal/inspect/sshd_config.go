package inspect

import (
	"path"
	"slices"
	"strings"
)

// sshdConfigs are where the settings of the SSH server are: SUSE keeps the
// distribution's below /usr, which count where /etc has none.
var sshdConfigs = []string{"/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config"}

// maxSSHDIncludes bounds files that include each other (openssh, servconf.c,
// SERVCONF_MAX_DEPTH).
const maxSSHDIncludes = 16

// sshdSetting is a setting of the SSH server.
type sshdSetting struct{ key, value, where string }

// sshdSettings are in the order in which the server reads them.
type sshdSettings []sshdSetting

// sshdSettings returns the settings that hold for every login, and the file that
// they come from, "" where there is none; of several for one key, the first
// counts (sshd_config(5)).
func (g *guest) sshdSettings(n *notes) (s sshdSettings, file string) {
	file, ok := g.first(n, sshdConfigs...)
	if !ok {
		return nil, ""
	}
	r := &sshdReader{g: g, n: n}
	r.read(file, 0)
	return r.settings, file
}

// sshdReader reads a file and what it includes.
type sshdReader struct {
	g        *guest
	n        *notes
	settings sshdSettings
	files    int
}

// read ends where settings for some logins only begin, which go on to the end of
// that file.
func (r *sshdReader) read(file string, depth int) {
	if r.files++; depth > maxSSHDIncludes || r.files > maxEntries {
		r.n.unknown("%s: files that include each other more than %d times", quote(file), maxSSHDIncludes)
		return
	}
	text, _ := r.g.text(r.n, file)
	for line, setting := range settings(text) {
		words := strings.Fields(strings.Replace(setting, "=", " ", 1))
		if len(words) < 2 {
			continue
		}
		switch key := strings.ToLower(words[0]); key {
		case "match":
			return
		case "include":
			for _, pattern := range words[1:] {
				r.include(pattern, path.Dir(file), depth)
			}
		default:
			r.settings = append(r.settings, sshdSetting{key, strings.Trim(words[1], `"`), at(file, line, setting)})
		}
	}
}

// include reads the files of a pattern.
func (r *sshdReader) include(pattern, dir string, depth int) {
	pattern = strings.Trim(pattern, `"`)
	if !path.IsAbs(pattern) {
		pattern = path.Join(dir, pattern)
	}
	for _, file := range r.g.glob(r.n, path.Dir(pattern), path.Base(pattern)) {
		r.read(file, depth+1)
	}
}

// first returns the setting that counts, and false where the server has its own
// default.
func (s sshdSettings) first(key string) (sshdSetting, bool) {
	i := slices.IndexFunc(s, func(setting sshdSetting) bool { return setting.key == strings.ToLower(key) })
	if i < 0 {
		return sshdSetting{}, false
	}
	return s[i], true
}
