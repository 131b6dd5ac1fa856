package boot

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestMetadataServiceAnswersAsNova(t *testing.T) {
	i := testInstance(t)
	server := httptest.NewServer(i.handler())
	defer server.Close()
	cases := []struct {
		path, want string
		status     int
	}{
		{"/", "1.0\n2007-01-19", http.StatusOK},
		{"/openstack", "2012-08-10\n2013-04-04", http.StatusOK},
		{"/openstack/", "2012-08-10\n2013-04-04", http.StatusOK},
		{"/openstack/latest", "meta_data.json\nnetwork_data.json\nuser_data\nvendor_data.json\nvendor_data2.json", http.StatusOK},
		{"/openstack/2012-08-10/", "meta_data.json\nuser_data", http.StatusOK},
		{"/openstack/2012-08-10/network_data.json", "", http.StatusNotFound},
		{"/openstack/latest/user_data", string(i.userData), http.StatusOK},
		{"/latest/meta-data/", "ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/", http.StatusOK},
		{"/2009-04-04/meta-data/instance-id", "i-" + i.nonce[:8], http.StatusOK},
		{"/latest/meta-data/public-keys/", "0=proof", http.StatusOK},
		{"/latest/meta-data/public-keys/0/", "openssh-key", http.StatusOK},
		{"/latest/meta-data/public-keys/0/openssh-key", i.publicKey, http.StatusOK},
		{"/ec2/latest/meta-data/local-hostname", i.name + ".novalocal", http.StatusOK},
		{"/latest/meta-data/public-keys/0/_name", "", http.StatusNotFound},
		{"/openstack/../../etc/passwd", "", http.StatusNotFound},
		{"/no-such", "", http.StatusNotFound},
	}
	for _, c := range cases {
		response, err := http.Get(server.URL + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != c.status || c.status == http.StatusOK && !strings.HasPrefix(string(body), c.want) {
			t.Errorf("GET %s = %d %q, %v, want %d %q", c.path, response.StatusCode, body, err, c.status, c.want)
		}
	}
}

func TestMetadataHasWhatCloudInitDemands(t *testing.T) {
	i := testInstance(t)
	var meta struct {
		UUID       string            `json:"uuid"`
		Hostname   string            `json:"hostname"`
		PublicKeys map[string]string `json:"public_keys"`
		RandomSeed []byte            `json:"random_seed"`
	}
	if err := json.Unmarshal(i.openstackFiles()["openstack/latest/meta_data.json"], &meta); err != nil {
		t.Fatal(err)
	}
	if meta.UUID != i.uuid || meta.Hostname != i.name+".novalocal" || meta.PublicKeys["proof"] != i.publicKey || len(meta.RandomSeed) != 512 {
		t.Errorf("meta_data.json = %+v", meta)
	}
	var network struct {
		Links []struct {
			MAC string `json:"ethernet_mac_address"`
		} `json:"links"`
		Networks []struct {
			Type string `json:"type"`
		} `json:"networks"`
	}
	if err := json.Unmarshal(i.openstackFiles()["openstack/latest/network_data.json"], &network); err != nil {
		t.Fatal(err)
	}
	if len(network.Links) != 1 || network.Links[0].MAC != i.mac || len(network.Networks) != 1 || network.Networks[0].Type != "ipv4_dhcp" {
		t.Errorf("network_data.json = %+v", network)
	}
	if other := testInstance(t); other.uuid == i.uuid || other.mac == i.mac || other.nonce == i.nonce || other.publicKey == i.publicKey {
		t.Error("two instances have something in common")
	}
}

func TestRelayCarriesARequestAndItsAnswer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: testInstance(t).handler()} //nolint:gosec // Only this test talks to it.
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	var out bytes.Buffer
	in := strings.NewReader("GET /latest/meta-data/public-keys/ HTTP/1.0\r\n\r\n")
	if err := Relay(context.Background(), socket, in, &out); err != nil || !strings.HasSuffix(out.String(), "\r\n\r\n0=proof") {
		t.Errorf("Relay = %v, %q", err, out.String())
	}
	if err := Relay(context.Background(), socket+"x", in, &out); err == nil || !strings.Contains(err.Error(), "reach the metadata service") {
		t.Errorf("Relay without a service = %v", err)
	}
}
