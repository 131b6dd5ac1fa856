package inspect

import (
	"bytes"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// maxAccounts bounds the accounts of /etc/passwd whose homes are looked at.
const maxAccounts = 1000

// noSecrets looks for what lets a builder in, or tells what a builder knew. No
// secret is quoted.
func noSecrets(g *guest) requirement.Finding {
	n := &notes{}
	homes := g.accounts(n)
	for _, a := range homes {
		authorizedKeys(g, n, a)
		homeSecrets(g, n, a)
	}
	passwords(g, n)
	leftovers(g, n, secretFiles)
	journals(g, n)
	n.met("no key, shell history or credential in the homes of %d accounts", len(homes))
	return n.finding(requirement.NoSecrets)
}

// account is one account and its home.
type account struct{ name, home string }

// accounts returns the accounts of /etc/passwd, with root's home and every
// folder of /home among them, whoever's it is.
func (g *guest) accounts(n *notes) []account {
	found := []account{{"root", "/root"}}
	seen := map[string]bool{"/": true, "/root": true, "/nonexistent": true, "/dev/null": true}
	text, ok := g.text(n, "/etc/passwd")
	if !ok {
		n.unknown("/etc/passwd could not be read: its accounts are not known")
	}
	for _, line := range settings(text) {
		fields := strings.Split(line, ":")
		if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") || seen[path.Clean(fields[5])] {
			continue
		}
		seen[path.Clean(fields[5])] = true
		found = append(found, account{fields[0], path.Clean(fields[5])})
	}
	for _, name := range g.names(n, "/home") {
		if home := path.Join("/home", name); !seen[home] {
			found = append(found, account{name, home})
		}
	}
	if len(found) > maxAccounts {
		n.unknown("more than %d accounts", maxAccounts)
		found = found[:maxAccounts]
	}
	return found
}

// authorizedKeys notes each key that opens an account, by its type and comment.
func authorizedKeys(g *guest, n *notes, a account) {
	for _, name := range []string{"authorized_keys", "authorized_keys2"} {
		file := path.Join(a.home, ".ssh", name)
		text, _ := g.text(n, file)
		for line, key := range settings(text) {
			n.unmet("%s: opens the account %s", at(file, line, describeKey(key)), quote(a.name))
		}
	}
}

// keyTypes finds the type of a public key; options may stand before it
// (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
var keyTypes = regexp.MustCompile(`(?:^|\s)((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+)\s+\S+\s*(.*)$`)

func describeKey(line string) string {
	m := keyTypes.FindStringSubmatch(line)
	switch {
	case m == nil:
		return "a line that is no key"
	case m[2] == "":
		return m[1] + " key without a comment"
	}
	return m[1] + " key " + m[2]
}

// homePatterns are files of a home that tell what its owner typed or may do.
var homePatterns = []kindOfFile{
	{"shell history", ".", []string{
		".*_history", ".lesshst", ".viminfo", ".wget-hsts", ".histfile", ".zhistory",
	}},
	{"credential", ".", []string{".netrc", ".git-credentials", ".pgpass", ".my.cnf"}},
	{"credential", ".config/openstack", []string{"clouds.yaml", "secure.yaml", "clouds.yml", "secure.yml"}},
	{"credential", ".aws", []string{"credentials"}},
	{"credential", ".azure", []string{"*.json", "*.bin"}},
	{"credential", ".config/gcloud", []string{"credentials.db", "access_tokens.db", "application_default_credentials.json"}},
	{"credential", ".docker", []string{"config.json"}},
	{"credential", ".kube", []string{"config"}},
}

// homeSecrets notes histories, credentials and private keys in one home.
func homeSecrets(g *guest, n *notes, a account) {
	for _, k := range homePatterns {
		holding(g, n, k, path.Join(a.home, k.dir))
	}
	// OpenRC's own program /sbin/openrc is in the home of the account daemon.
	for _, file := range g.glob(n, a.home, "*openrc*.sh", "openrc", "*-openrc") {
		if !isBinary(g, file) {
			holds(g, n, "credential", file)
		}
	}
	for _, dir := range []string{a.home, path.Join(a.home, ".ssh")} {
		privateKeys(g, n, dir)
	}
}

// privateKeys notes the files of a directory that start as a private key does
// (RFC 7468, and OpenSSH's own form).
func privateKeys(g *guest, n *notes, dir string) {
	for _, file := range g.glob(n, dir, "*") {
		info, err := g.stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxKeyFile || isBinary(g, file) {
			continue
		}
		text, _ := g.text(n, file)
		if strings.Contains(text, "-----BEGIN ") && strings.Contains(text, "PRIVATE KEY-----") {
			n.unmet("%s: a private key", quote(file))
		}
	}
}

// isBinary tells programs, which fill the homes of some accounts of the system,
// from what can be text. What cannot be read is told when all of it is.
func isBinary(g *guest, file string) bool {
	f, err := g.open(file)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // nothing was written
	start := make([]byte, 128)
	n, _ := io.ReadFull(f, start)
	return bytes.IndexByte(start[:n], 0) >= 0
}

// maxKeyFile is the size above which a file is no private key: the largest RSA
// key of OpenSSH takes 13 KiB.
const maxKeyFile = 64 << 10

// passwords notes each account that a password opens (shadow(5), crypt(5)).
func passwords(g *guest, n *notes) {
	for _, file := range []string{"/etc/shadow", "/etc/shadow-", "/etc/passwd", "/etc/passwd-"} {
		text, ok := g.text(n, file)
		if !ok && file == "/etc/shadow" {
			n.unknown("/etc/shadow could not be read: whether an account has a password is not known")
		}
		usable := 0
		for line, setting := range settings(text) {
			fields := strings.Split(setting, ":")
			if len(fields) < 2 {
				continue
			}
			if what := passwordKind(fields[1]); what != "" {
				n.unmet("%s:%d: the account %s has %s", file, line, quote(fields[0]), what)
				usable++
			}
		}
		if ok && usable == 0 {
			n.met("%s: no account has a usable password", file)
		}
	}
}

// passwordKind says what a password field holds, or "" where no password can
// match it: locked, none, or in the shadow file.
func passwordKind(field string) string {
	switch {
	case field == "":
		return "an empty password"
	case strings.ContainsAny(field[:1], "!*"), field == "x":
		return ""
	case field[0] == '$', field[0] == '_', len(field) >= 13:
		return "a usable password"
	}
	return ""
}

// secretFiles are what builds leave outside of homes.
var secretFiles = []kindOfFile{
	{"cloud credential", "/etc/openstack", []string{"clouds.yaml", "secure.yaml"}},
	{"subscription's key", "/etc/pki/consumer", []string{"*.pem"}},
	{"subscription's key", "/etc/pki/entitlement", []string{"*.pem"}},
	{"subscription's credential", "/etc/sysconfig/rhn", []string{"systemid"}},
	{"subscription's credential", "/etc/zypp/credentials.d", []string{"*"}},
	{"subscription's credential", "/var/lib/ubuntu-advantage/private", []string{"machine-token.json"}},
	{"installer's log", "/var/log/installer", []string{"*"}},
	{"installer's log", "/var/log/anaconda", []string{"*"}},
	{"installer's log", "/var/log/YaST2", []string{"*"}},
	{"build log", "/var/log", []string{
		"cloud-init*.log", "cloud-init*.log.*", "dpkg.log*", "bootstrap.log", "alternatives.log*",
		"anaconda.*", "dnf*.log*", "hawkey.log*", "yum.log*",
	}},
	{"build log", "/var/log/apt", []string{"*.log*"}},
	{"build log", "/var/log/unattended-upgrades", []string{"*"}},
	{"installer's answers", "/root", []string{"*-ks.cfg", "preseed*.cfg", "install.log*"}},
	{"installer's answers", "/var/lib/preseed", []string{"*"}},
}

// journals notes the persistent journals of the build.
func journals(g *guest, n *notes) {
	const dir = "/var/log/journal"
	found := false
	for _, id := range g.names(n, dir) {
		for _, file := range g.glob(n, path.Join(dir, id), "*.journal*") {
			n.unmet("%s: a journal of the build", quote(file))
			found = true
		}
	}
	if !found {
		n.met("no journal in %s", dir)
	}
}
