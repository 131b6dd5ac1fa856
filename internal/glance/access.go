package glance

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"go.yaml.in/yaml/v3"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/secret"
)

// Access says which cloud to sign in to. The zero value takes everything from
// the OS_* environment, as the openstack command does.
type Access struct {
	// Config is what the template says itself; it wins over everything else.
	access.Config
	// Cloud is the name of an entry of clouds.yaml; empty means OS_CLOUD and,
	// without that, the other OS_* variables alone.
	Cloud string
	// Patience bounds every wait; zero fields take the defaults.
	Patience Patience
	// Log receives a line for each request: method, path, status, duration,
	// request ID, never a secret or a body. It may be nil, and it may be called
	// from several goroutines at once.
	Log func(line string)
}

// maxConfigBytes bounds what is read of clouds.yaml and secure.yaml.
const maxConfigBytes = 1 << 20

// environmentName is the name under which the OS_* variables are parsed as if
// they were an entry of clouds.yaml.
const environmentName = "OS_* environment"

// settings is what a place of configuration says about one cloud, in the form
// in which gophercloud parses it.
type settings struct {
	label  string
	name   string
	clouds secret.Secret
	secure secret.Secret
	// entry is the cloud's own word on what the environment may say too.
	entry entry
}

// settings reads the configuration that Access points to.
func (a Access) settings() (settings, error) {
	name := cmp.Or(a.Cloud, os.Getenv("OS_CLOUD"))
	if name != "" {
		return a.fileSettings(name)
	}
	if cmp.Or(a.AuthURL, os.Getenv("OS_AUTH_URL")) == "" {
		return settings{}, errors.New("no cloud named and neither auth_url nor OS_AUTH_URL set: name an entry of clouds.yaml, or set OS_CLOUD, or set auth_url and a user, or the OS_* variables of an openrc file")
	}
	found, err := environmentSettings()
	if a.AuthURL != "" {
		found.label = "the template's options and " + found.label
	}
	return found, err
}

func (a Access) fileSettings(name string) (settings, error) {
	path, content, err := a.readCloudsFile()
	if err != nil {
		return settings{}, fmt.Errorf("look for cloud %q: %w", name, err)
	}
	hidden, err := readConfig(filepath.Join(filepath.Dir(path), "secure.yaml"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return settings{}, err
	}
	own, err := readEntry(name, path, content, hidden)
	if err != nil {
		return settings{}, err
	}
	label := fmt.Sprintf("cloud %q of %s", name, path)
	return settings{label: label, name: name, clouds: secret.Secret(content), secure: secret.Secret(hidden), entry: own}, nil
}

// readCloudsFile returns the first clouds.yaml that exists.
func (a Access) readCloudsFile() (string, []byte, error) {
	places, err := a.cloudsFiles()
	if err != nil {
		return "", nil, err
	}
	for _, place := range places {
		content, err := readConfig(place)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		return place, content, err
	}
	return "", nil, fmt.Errorf("no clouds.yaml found; searched %s", strings.Join(places, ", "))
}

// cloudsFiles lists where clouds.yaml may be, in openstacksdk's order: the
// current folder, the user's configuration, the machine's.
func (a Access) cloudsFiles() ([]string, error) {
	if file := cmp.Or(a.CloudsFile, os.Getenv("OS_CLIENT_CONFIG_FILE")); file != "" {
		return []string{file}, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the current folder: %w", err)
	}
	folders := []string{here}
	if user, err := os.UserConfigDir(); err == nil {
		folders = append(folders, filepath.Join(user, "openstack"))
	}
	folders = append(folders, "/etc/openstack")
	var files []string
	for _, folder := range folders {
		files = append(files, filepath.Join(folder, "clouds.yaml"), filepath.Join(folder, "clouds.yml"))
	}
	return files, nil
}

func readConfig(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(content) > maxConfigBytes {
		return nil, fmt.Errorf("read %s: larger than %d bytes, which no clouds.yaml is", path, maxConfigBytes)
	}
	return content, nil
}

// entries is as much of clouds.yaml as must be looked at before gophercloud
// parses it, which panics on an entry without auth, ignores auth_type, and lets
// the environment win over the entry.
type entries struct {
	Clouds map[string]entry `yaml:"clouds"`
}

type entry struct {
	Auth         map[string]any `yaml:"auth"`
	AuthType     string         `yaml:"auth_type"`
	Region       string         `yaml:"region_name"`
	Interface    string         `yaml:"interface"`
	EndpointType string         `yaml:"endpoint_type"`
	CACert       string         `yaml:"cacert"`
	Cert         string         `yaml:"cert"`
	Key          string         `yaml:"key"`
	Verify       *bool          `yaml:"verify"`
}

func readEntry(name, path string, content, secureContent []byte) (entry, error) {
	var known, hidden entries
	if err := yaml.Unmarshal(content, &known); err != nil {
		return entry{}, fmt.Errorf("parse %s: %w", path, err)
	}
	own, ok := known.Clouds[name]
	if !ok {
		return entry{}, fmt.Errorf("no cloud %q in %s; it has %s", name, path, quoted(known.names()))
	}
	if err := yaml.Unmarshal(secureContent, &hidden); err != nil {
		// The parser's words may quote a line, and these lines are secrets.
		return entry{}, fmt.Errorf("parse secure.yaml beside %s: not valid YAML", path)
	}
	own = own.with(hidden.Clouds[name])
	switch {
	case len(own.Auth) == 0:
		return entry{}, fmt.Errorf("cloud %q in %s has no auth section", name, path)
	case !slices.Contains(authTypes(), clouds.AuthType(own.AuthType)):
		return entry{}, fmt.Errorf("cloud %q in %s has auth_type %q, which is not supported; supported are password, token and v3applicationcredential", name, path, own.AuthType)
	}
	return own, nil
}

// with returns the entry with what secure.yaml says of it.
func (e entry) with(secure entry) entry {
	if len(secure.Auth) > 0 {
		e.Auth = secure.Auth
	}
	if secure.Verify != nil {
		e.Verify = secure.Verify
	}
	e.AuthType = cmp.Or(secure.AuthType, e.AuthType)
	e.Region = cmp.Or(secure.Region, e.Region)
	e.Interface = cmp.Or(secure.Interface, e.Interface)
	e.EndpointType = cmp.Or(secure.EndpointType, e.EndpointType)
	e.CACert = cmp.Or(secure.CACert, e.CACert)
	e.Cert = cmp.Or(secure.Cert, e.Cert)
	e.Key = cmp.Or(secure.Key, e.Key)
	return e
}

func (e entries) names() []string {
	var names []string
	for name := range e.Clouds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func authTypes() []clouds.AuthType {
	return []clouds.AuthType{"", clouds.AuthPassword, clouds.AuthToken, clouds.AuthV3Password, clouds.AuthV3Token, clouds.AuthV3ApplicationCredential}
}

// environmentSettings reads the OS_* variables by hand, because gophercloud's
// own reader leaves out OS_USER_DOMAIN_* and OS_PROJECT_DOMAIN_*.
func environmentSettings() (settings, error) {
	cloud := clouds.Cloud{AuthInfo: environmentAuth()}
	// JSON is YAML too.
	content, err := json.Marshal(clouds.Clouds{Clouds: map[string]clouds.Cloud{environmentName: cloud}})
	if err != nil {
		return settings{}, fmt.Errorf("read the %s: %w", environmentName, err)
	}
	return settings{label: "the " + environmentName, name: environmentName, clouds: secret.Secret(content)}, nil
}

func environmentAuth() *clouds.AuthInfo {
	auth := &clouds.AuthInfo{
		AuthURL:                     os.Getenv("OS_AUTH_URL"),
		Token:                       environment("OS_TOKEN", "OS_AUTH_TOKEN"),
		Username:                    os.Getenv("OS_USERNAME"),
		UserID:                      environment("OS_USER_ID", "OS_USERID"),
		Password:                    os.Getenv("OS_PASSWORD"),
		ApplicationCredentialID:     os.Getenv("OS_APPLICATION_CREDENTIAL_ID"),
		ApplicationCredentialName:   os.Getenv("OS_APPLICATION_CREDENTIAL_NAME"),
		ApplicationCredentialSecret: os.Getenv("OS_APPLICATION_CREDENTIAL_SECRET"),
		ProjectID:                   environment("OS_PROJECT_ID", "OS_TENANT_ID"),
		ProjectName:                 environment("OS_PROJECT_NAME", "OS_TENANT_NAME"),
	}
	auth.UserDomainID, auth.UserDomainName = environmentDomain("OS_USER_DOMAIN")
	auth.ProjectDomainID, auth.ProjectDomainName = environmentDomain("OS_PROJECT_DOMAIN")
	return auth
}

// environmentDomain returns a domain's ID or else its name, never both, which
// gophercloud refuses. openrc files may set either, or one domain for all.
func environmentDomain(prefix string) (id, name string) {
	if id := os.Getenv(prefix + "_ID"); id != "" {
		return id, ""
	}
	if name := os.Getenv(prefix + "_NAME"); name != "" {
		return "", name
	}
	if id := os.Getenv("OS_DOMAIN_ID"); id != "" {
		return id, ""
	}
	if name := os.Getenv("OS_DOMAIN_NAME"); name != "" {
		return "", name
	}
	return os.Getenv("OS_DEFAULT_DOMAIN"), ""
}

// environment returns the first of the variables that is set.
func environment(names ...string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}

func environmentBool(name string) (bool, error) {
	text := os.Getenv(name)
	if text == "" {
		return false, nil
	}
	value, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return false, fmt.Errorf("%s is %q: it must be true or false", name, text)
	}
	return value, nil
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	var all []string
	for _, name := range names {
		all = append(all, strconv.Quote(name))
	}
	return strings.Join(all, ", ")
}
