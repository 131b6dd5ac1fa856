package glance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/secret"
)

func TestSignInByTheTemplatesOptionsAlone(t *testing.T) {
	cloud := realCloud(t)
	auth := readAuth(t, cloud)
	credential := applicationCredential(t, auth)
	password := secret.Secret(auth["password"])
	clearEnvironment(t)
	user := signIn(t, cloud)
	tests := map[string]struct {
		config access.Config
		env    map[string]string
		cloud  string
	}{
		"user and project by name": {config: access.Config{Username: "admin", Password: password, ProjectName: "demo"}},
		"domains by name":          {config: access.Config{Username: "admin", Password: password, ProjectName: "demo", UserDomainName: "Default", ProjectDomainName: "Default"}},
		"user and project by ID":   {config: access.Config{UserID: credential.userID, Password: password, ProjectID: credential.ProjectID}},
		"application credential":   {config: access.Config{ApplicationCredentialID: credential.ID, ApplicationCredentialSecret: secret.Secret(credential.Secret)}},
		"application credential by name": {config: access.Config{
			ApplicationCredentialName: credential.Name, ApplicationCredentialSecret: secret.Secret(credential.Secret), Username: "admin",
		}},
		"token":                                {config: access.Config{Token: secret.Secret(user.token())}},
		"password from the environment":        {config: access.Config{Username: "admin", ProjectName: "demo"}, env: map[string]string{"OS_PASSWORD": auth["password"], "OS_USER_ID": "somebody"}},
		"another user than the environment's":  {config: access.Config{Username: "admin", Password: password}, env: map[string]string{"OS_USERNAME": "member", "OS_PASSWORD": "hunter2", "OS_PROJECT_NAME": "demo"}},
		"a password in place of a token":       {config: access.Config{Username: "admin", Password: password, ProjectName: "demo"}, env: map[string]string{"OS_TOKEN": "hunter2"}},
		"a credential in place of a password":  {config: access.Config{ApplicationCredentialID: credential.ID, ApplicationCredentialSecret: secret.Secret(credential.Secret)}, cloud: "demo"},
		"the cloud's user, another project":    {config: access.Config{ProjectName: "admin"}, cloud: "demo"},
		"the cloud's entry, another interface": {config: access.Config{EndpointType: "internalURL"}, cloud: "demo", env: map[string]string{"OS_REGION_NAME": "Nowhere", "OS_USERNAME": "nobody", "OS_CACERT": "/no/such.pem"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			own := test.config
			if test.cloud != "" {
				own.CloudsFile = cloud.CloudsFile
			} else {
				own.AuthURL, own.Region = auth["auth_url"], "RegionOne"
			}
			if test.env["OS_CACERT"] != "" {
				// The entry's word wins, so the file that is not there is not read.
				entry := edited(t, cloud, map[string]any{"cacert": caFile(t)})
				own.CloudsFile = entry.CloudsFile
			}
			client := signIn(t, Access{Config: own, Cloud: test.cloud})
			if err := client.renew(t.Context(), client.token()); (err == nil) == (own.Token != "") {
				t.Errorf("renewing the token gives %v", err)
			}
		})
	}
}

func caFile(t *testing.T) string {
	t.Helper()
	file, _, _ := certificate(t, time.Now().Add(time.Hour))
	return file
}

func pemFile(t *testing.T, folder, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSignInOverTLS uses a fake because the real Keystone of the tests speaks
// plain HTTP.
func TestSignInOverTLS(t *testing.T) {
	inAnHour := time.Now().Add(time.Hour)
	certFile, keyFile, clients := certificate(t, inAnHour)
	otherCert, otherKey, _ := certificate(t, inAnHour)
	ca, caKey, _ := certificate(t, inAnHour)
	oldCA, oldKey, _ := certificate(t, time.Now().Add(-time.Hour))
	f, old, plain := newFake(t, nil), newFake(t, nil), newFake(t, nil)
	f.overTLS(ca, caKey, clients)
	old.overTLS(oldCA, oldKey, nil)
	own := access.Config{AuthURL: f.server.URL + "/v3", Username: "someone", Password: "hunter2", ProjectName: "demo", ClientCertFile: certFile, ClientKeyFile: keyFile}
	tests := map[string]struct {
		change func(*access.Config)
		env    map[string]string
		want   []string
	}{
		"authority by option":             {change: func(c *access.Config) { c.CACertFile = ca }},
		"authority by OS_CACERT":          {env: map[string]string{"OS_CACERT": ca}},
		"insecure by option":              {change: func(c *access.Config) { c.Insecure = true }},
		"insecure by OS_INSECURE":         {env: map[string]string{"OS_INSECURE": "true"}},
		"certificate by OS_CERT":          {change: func(c *access.Config) { c.CACertFile, c.ClientCertFile, c.ClientKeyFile = ca, "", "" }, env: map[string]string{"OS_CERT": certFile, "OS_KEY": keyFile}},
		"authority unknown":               {want: []string{"sign in to Keystone at " + f.server.URL, `user "someone"`, "cacert_file"}},
		"no client certificate":           {change: func(c *access.Config) { c.CACertFile, c.ClientCertFile, c.ClientKeyFile = ca, "", "" }, want: []string{"sign in to Keystone at", "certificate required", "cert_file and key_file"}},
		"a certificate that is not known": {change: func(c *access.Config) { c.CACertFile, c.ClientCertFile, c.ClientKeyFile = ca, otherCert, otherKey }, want: []string{"sign in to Keystone at", "cert_file and key_file"}},
		"another name than the certificate's": {change: func(c *access.Config) {
			c.CACertFile, c.AuthURL = ca, strings.Replace(c.AuthURL, "127.0.0.1", "localhost", 1)
		}, want: []string{"the name that it is for"}},
		"no TLS there":                    {change: func(c *access.Config) { c.AuthURL = strings.Replace(plain.server.URL, "http:", "https:", 1) + "/v3" }, want: []string{"begin the URL with http://"}},
		"a clock that is wrong":           {change: func(c *access.Config) { c.CACertFile, c.AuthURL = oldCA, old.server.URL+"/v3" }, want: []string{"out of date, or this machine's clock is wrong"}},
		"authority's file missing":        {change: func(c *access.Config) { c.CACertFile = "/no/such.pem" }, want: []string{"/no/such.pem"}},
		"authority's file no certificate": {change: func(c *access.Config) { c.CACertFile = keyFile }, want: []string{keyFile}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			config := own
			if test.change != nil {
				test.change(&config)
			}
			_, err := SignIn(t.Context(), Access{Config: config})
			checkError(t, err, test.want)
			checkNoSecret(t, fmt.Sprint(err))
		})
	}
}

// certificate makes one that is its own authority, for either side.
func certificate(t *testing.T, until time.Time) (certFile, keyFile string, authority *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: until, IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	authority = x509.NewCertPool()
	authority.AddCert(made)
	folder := t.TempDir()
	return pemFile(t, folder, "cert.pem", "CERTIFICATE", der), pemFile(t, folder, "key.pem", "EC PRIVATE KEY", private), authority
}

// overTLS has the fake speak TLS with the certificate.
func (f *fake) overTLS(certFile, keyFile string, clients *x509.CertPool) {
	f.t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		f.t.Fatal(err)
	}
	f.server.Close()
	f.server = httptest.NewUnstartedServer(f)
	f.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		f.server.TLS.ClientAuth, f.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	f.server.StartTLS()
}

// TestSettingsWinInTheirOrder looks at what is read, not at where it leads.
func TestSettingsWinInTheirOrder(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("clouds.yaml", "clouds: {north: {region_name: one, interface: internal, verify: true, auth: {auth_url: 'http://k/v3', username: file, password: p1, project_name: pf}}}")
	write("secure.yaml", "clouds: {north: {region_name: two, auth: {password: p2}}}")
	tests := map[string]struct {
		config access.Config
		env    map[string]string
		want   string
	}{
		"clouds.yaml with secure.yaml": {want: `file p2 default pf@default two internal false`},
		"the environment loses":        {env: map[string]string{"OS_REGION_NAME": "env", "OS_INTERFACE": "admin", "OS_USERNAME": "env", "OS_INSECURE": "1"}, want: `file p2 default pf@default two internal false`},
		"the template wins":            {config: access.Config{Region: "own", Interface: "public", Username: "own", Password: "p3", UserDomainName: "d", ProjectName: "po", ProjectDomainID: "x", Insecure: true}, want: `own p3 d po@x own public true`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			for variable, value := range test.env {
				t.Setenv(variable, value)
			}
			test.config.CloudsFile = filepath.Join(folder, "clouds.yaml")
			wanted := Access{Config: test.config, Cloud: "north"}
			found, err := wanted.settings()
			if err != nil {
				t.Fatal(err)
			}
			identity, endpoint, tlsConfig, err := found.parse(wanted)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join([]string{
				identity.Username, identity.Password, identity.DomainID + identity.DomainName,
				identity.Scope.ProjectName + "@" + identity.Scope.DomainID + identity.Scope.DomainName,
				endpoint.Region, string(endpoint.Availability), fmt.Sprint(tlsConfig.InsecureSkipVerify),
			}, " ")
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if encoded, err := json.Marshal(wanted.Config); err != nil || strings.Contains(string(encoded), "p3") {
				t.Errorf("the options are encoded as %s (%v), want no secret in it", encoded, err)
			}
		})
	}
}
