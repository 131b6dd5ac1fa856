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

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/secret"
)

// Access says which cloud to sign in to. The zero value takes everything from
// the OS_* environment, as the openstack command does.
type Access struct {
	// Cloud is the name of an entry of clouds.yaml; empty means OS_CLOUD and,
	// without that, the other OS_* variables alone.
	Cloud string
	// CloudsFile is the clouds.yaml to read; empty means OS_CLIENT_CONFIG_FILE
	// and, without that, the usual places (see cloudsFiles).
	CloudsFile string
	// Region is the region whose Glance is used; empty means the entry's, or
	// OS_REGION_NAME. It may stay empty where the catalogue has only one.
	Region string
	// Interface is public, internal or admin; empty means the entry's, or
	// OS_INTERFACE, or public.
	Interface string
	// Patience bounds every wait; zero fields take the defaults.
	Patience Patience
	// Log receives a line for each request: method, path, status, duration,
	// never a header or a body. It may be nil, and it may be called from
	// several goroutines at once.
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
}

// settings reads the configuration that Access points to.
func (a Access) settings() (settings, error) {
	name := cmp.Or(a.Cloud, os.Getenv("OS_CLOUD"))
	if name != "" {
		return a.fileSettings(name)
	}
	if os.Getenv("OS_AUTH_URL") == "" {
		return settings{}, errors.New("no cloud named and OS_AUTH_URL not set: name an entry of clouds.yaml, or set OS_CLOUD, or set the OS_* variables of an openrc file")
	}
	return environmentSettings()
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
	if err := checkEntry(name, path, content, hidden); err != nil {
		return settings{}, err
	}
	return settings{label: fmt.Sprintf("cloud %q of %s", name, path), name: name, clouds: secret.Secret(content), secure: secret.Secret(hidden)}, nil
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
// parses it, which panics on an entry without auth and ignores auth_type.
type entries struct {
	Clouds map[string]struct {
		Auth     map[string]any `yaml:"auth"`
		AuthType string         `yaml:"auth_type"`
	} `yaml:"clouds"`
}

func checkEntry(name, path string, content, secureContent []byte) error {
	var known, hidden entries
	if err := yaml.Unmarshal(content, &known); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	if err := yaml.Unmarshal(secureContent, &hidden); err != nil {
		// The parser's words may quote a line, and these lines are secrets.
		return fmt.Errorf("parse secure.yaml beside %s: not valid YAML", path)
	}
	entry, ok := known.Clouds[name]
	switch {
	case !ok:
		return fmt.Errorf("no cloud %q in %s; it has %s", name, path, quoted(known.names()))
	case len(entry.Auth) == 0 && len(hidden.Clouds[name].Auth) == 0:
		return fmt.Errorf("cloud %q in %s has no auth section", name, path)
	case !slices.Contains(authTypes(), clouds.AuthType(entry.AuthType)):
		return fmt.Errorf("cloud %q in %s has auth_type %q, which is not supported; supported are password, token and v3applicationcredential", name, path, entry.AuthType)
	}
	return nil
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
	insecure, err := environmentBool("OS_INSECURE")
	if err != nil {
		return settings{}, err
	}
	verify := !insecure
	cloud := clouds.Cloud{
		AuthInfo:       environmentAuth(),
		RegionName:     os.Getenv("OS_REGION_NAME"),
		Interface:      environment("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
		Verify:         &verify,
		CACertFile:     os.Getenv("OS_CACERT"),
		ClientCertFile: os.Getenv("OS_CERT"),
		ClientKeyFile:  os.Getenv("OS_KEY"),
	}
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
