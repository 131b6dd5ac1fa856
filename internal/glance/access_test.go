package glance

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"go.yaml.in/yaml/v3"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSignInNamesWhatIsWrongWithTheConfiguration(t *testing.T) {
	good := write(t, "clouds.yaml", "clouds:\n  north: {auth: {auth_url: http://127.0.0.1:1/v3}}\n  south: {}\n  web: {auth: {auth_url: x}, auth_type: v3websso}\n  nowhere: {auth: {username: me}}\n")
	empty := t.TempDir()
	tests := map[string]struct {
		access Access
		env    map[string]string
		want   []string
	}{
		"nothing at all":       {want: []string{"no cloud named", "OS_AUTH_URL"}},
		"unknown cloud":        {access: Access{Cloud: "west", Config: access.Config{CloudsFile: good}}, want: []string{`no cloud "west"`, good, `"north", "nowhere", "south", "web"`}},
		"unknown OS_CLOUD":     {access: Access{Config: access.Config{CloudsFile: good}}, env: map[string]string{"OS_CLOUD": "west"}, want: []string{`no cloud "west"`}},
		"no clouds.yaml":       {access: Access{Cloud: "north"}, want: []string{`"north"`, "no clouds.yaml found", filepath.Join(empty, "clouds.yaml"), "/etc/openstack/clouds.yaml", filepath.Join(empty, "openstack")}},
		"named file missing":   {access: Access{Cloud: "north", Config: access.Config{CloudsFile: empty + "/other.yaml"}}, want: []string{"searched " + empty + "/other.yaml"}},
		"no auth section":      {access: Access{Cloud: "south", Config: access.Config{CloudsFile: good}}, want: []string{`"south"`, "no auth section"}},
		"unsupported auth":     {access: Access{Cloud: "web", Config: access.Config{CloudsFile: good}}, want: []string{"v3websso", "v3applicationcredential"}},
		"no auth_url":          {access: Access{Cloud: "nowhere", Config: access.Config{CloudsFile: good}}, want: []string{`"nowhere"`, "auth_url is missing"}},
		"not YAML":             {access: Access{Cloud: "x", Config: access.Config{CloudsFile: write(t, "clouds.yaml", "clouds: [}")}}, want: []string{"parse "}},
		"clouds is a list":     {access: Access{Cloud: "x", Config: access.Config{CloudsFile: write(t, "clouds.yaml", "clouds: [x]")}}, want: []string{"parse "}},
		"empty file":           {access: Access{Cloud: "x", Config: access.Config{CloudsFile: write(t, "clouds.yaml", "")}}, want: []string{`no cloud "x"`, "it has none"}},
		"far too large a file": {access: Access{Cloud: "x", Config: access.Config{CloudsFile: write(t, "clouds.yaml", strings.Repeat("#", 2<<20))}}, want: []string{"larger than"}},
		"a folder":             {access: Access{Cloud: "x", Config: access.Config{CloudsFile: empty}}, want: []string{empty}},
		"unclear OS_INSECURE":  {env: map[string]string{"OS_AUTH_URL": "http://127.0.0.1:1", "OS_INSECURE": "perhaps"}, want: []string{"OS_INSECURE", "perhaps"}},
		"missing OS_CACERT":    {env: map[string]string{"OS_AUTH_URL": "https://127.0.0.1:1", "OS_USERNAME": "me", "OS_PASSWORD": "hunter2", "OS_CACERT": "/no/such.pem"}, want: []string{"/no/such.pem"}},
		"no password":          {env: map[string]string{"OS_AUTH_URL": "http://127.0.0.1:1/v3", "OS_USERNAME": "me"}, want: []string{`user "me"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			t.Chdir(empty)
			t.Setenv("HOME", empty)
			t.Setenv("XDG_CONFIG_HOME", empty)
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			_, err := SignIn(t.Context(), test.access)
			checkError(t, err, test.want)
			checkNoSecret(t, fmt.Sprint(err))
		})
	}
}

// edited returns a copy of the real clouds.yaml in which the entry demo is
// changed. A key holds a dot where it is below auth.
func edited(t *testing.T, access Access, changes map[string]any) Access {
	t.Helper()
	content, err := os.ReadFile(access.CloudsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]map[string]map[string]any
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	demo := file["clouds"]["demo"]
	for key, value := range changes {
		if below, ok := strings.CutPrefix(key, "auth."); ok {
			demo["auth"].(map[string]any)[below] = value
		} else {
			demo[key] = value
		}
	}
	content, err = yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	access.CloudsFile = write(t, "clouds.yaml", string(content))
	return access
}

// silentServer takes connections and never answers.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String() + "/v3"
}

func TestSignInNamesWhatIsWrongWithTheCloud(t *testing.T) {
	access := realCloud(t)
	url := readAuth(t, access)["auth_url"]
	client := signIn(t, access)
	tests := map[string]struct {
		changes map[string]any
		region  string
		want    []string
	}{
		"wrong password":         {changes: map[string]any{"auth.password": "hunter2"}, want: []string{url, `user "admin"`, "401", "check user name, password"}},
		"unknown user":           {changes: map[string]any{"auth.username": "nobody"}, want: []string{url, `user "nobody"`, "401"}},
		"unknown project":        {changes: map[string]any{"auth.project_name": "nothing"}, want: []string{url, "401", "project"}},
		"nothing listens":        {changes: map[string]any{"auth.auth_url": "http://127.0.0.1:1/v3"}, want: []string{"http://127.0.0.1:1/v3", "connection refused", "check that auth_url"}},
		"Keystone never answers": {changes: map[string]any{"auth.auth_url": silentServer(t)}, want: []string{"sign in to Keystone", "no answer in time"}},
		"auth_url of Glance":     {changes: map[string]any{"auth.auth_url": client.Endpoint() + "v3"}, want: []string{client.Endpoint(), "Keystone answers"}},
		"auth_url no URL":        {changes: map[string]any{"auth.auth_url": "::"}, want: []string{`"::"`}},
		"unknown region":         {region: "Nowhere", want: []string{`"Nowhere"`, `"Closed", "RegionOne", "SmallQuota"`}},
		"several regions":        {changes: map[string]any{"region_name": ""}, want: []string{"say which one with region", `"RegionOne"`}},
		"Glance not there":       {region: "Closed", want: []string{"reach Glance at http://127.0.0.1:1/", "connection refused", "catalogue"}},
		"unknown interface":      {changes: map[string]any{"interface": "admin", "region_name": "Nowhere"}, want: []string{"no admin image endpoint"}},
		"no project":             {changes: map[string]any{"auth.project_name": ""}, want: []string{"no public endpoint of type image", "project"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			access := edited(t, access, test.changes)
			access.Region = test.region
			access.Patience.Request = 2 * time.Second
			begin := time.Now()
			_, err := SignIn(t.Context(), access)
			checkError(t, err, test.want)
			checkNoSecret(t, fmt.Sprint(err))
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %v, want an end within the deadline", took)
			}
		})
	}
}

func readAuth(t *testing.T, access Access) map[string]string {
	t.Helper()
	content, err := os.ReadFile(access.CloudsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Clouds map[string]struct {
			Auth map[string]string `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	return file.Clouds[access.Cloud].Auth
}

func TestSignInTakesTheEnvironment(t *testing.T) {
	access := realCloud(t)
	auth := readAuth(t, access)
	credential := applicationCredential(t, auth)
	tests := map[string]map[string]string{
		"domain names": {
			"OS_USERNAME": "admin", "OS_PASSWORD": auth["password"], "OS_PROJECT_NAME": "demo",
			"OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
		},
		"domain IDs and names": {
			"OS_USERNAME": "admin", "OS_PASSWORD": auth["password"], "OS_PROJECT_NAME": "demo",
			"OS_USER_DOMAIN_NAME": "Default", "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
		},
		"old names": {
			"OS_USERNAME": "admin", "OS_PASSWORD": auth["password"], "OS_TENANT_NAME": "demo", "OS_DOMAIN_NAME": "Default", "OS_ENDPOINT_TYPE": "internalURL",
		},
		"default domain": {
			"OS_USERNAME": "admin", "OS_PASSWORD": auth["password"], "OS_PROJECT_NAME": "demo", "OS_DEFAULT_DOMAIN": "default", "OS_INSECURE": "true",
		},
		"application credential": {
			"OS_APPLICATION_CREDENTIAL_ID": credential.ID, "OS_APPLICATION_CREDENTIAL_SECRET": credential.Secret, "OS_AUTH_TYPE": "v3applicationcredential",
		},
	}
	for name, variables := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			t.Setenv("OS_AUTH_URL", auth["auth_url"])
			t.Setenv("OS_REGION_NAME", "RegionOne")
			for variable, value := range variables {
				t.Setenv(variable, value)
			}
			client := signIn(t, Access{})
			for _, text := range []string{fmt.Sprint(client), fmt.Sprintf("%#v", client), fmt.Sprintf("%+v", *client)} {
				if want := "Glance at " + client.Endpoint(); text != want {
					t.Errorf("the client prints as %q, want %q", text, want)
				}
			}
			if err := client.renew(t.Context(), client.token()); err != nil {
				t.Errorf("renew the token: %v", err)
			}
		})
	}
}

func keystone(t *testing.T, auth map[string]string) *gophercloud.ServiceClient {
	t.Helper()
	provider, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: auth["auth_url"], Username: auth["username"], Password: auth["password"],
		DomainID: "default", Scope: &gophercloud.AuthScope{ProjectName: auth["project_name"], DomainID: "default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// madeCredential is an application credential and the user whose it is.
type madeCredential struct {
	*applicationcredentials.ApplicationCredential
	userID string
}

func applicationCredential(t *testing.T, auth map[string]string) madeCredential {
	t.Helper()
	client := keystone(t, auth)
	result, ok := client.GetAuthResult().(tokens.CreateResult)
	if !ok {
		t.Fatal("no token")
	}
	user, err := result.ExtractUser()
	if err != nil {
		t.Fatal(err)
	}
	made, err := applicationcredentials.Create(t.Context(), client, user.ID, applicationcredentials.CreateOpts{Name: t.Name() + newID()}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	return madeCredential{made, user.ID}
}

func TestSignInReadsSecureYAML(t *testing.T) {
	clearEnvironment(t)
	access := realCloud(t)
	password := readAuth(t, access)["password"]
	access = edited(t, access, map[string]any{"auth.password": ""})
	secure := fmt.Sprintf("clouds: {demo: {auth: {password: %q}}}", password)
	if err := os.WriteFile(filepath.Join(filepath.Dir(access.CloudsFile), "secure.yaml"), []byte(secure), 0o600); err != nil {
		t.Fatal(err)
	}
	signIn(t, access)
}
