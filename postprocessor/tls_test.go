package postprocessor

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// TestPublishOverTLS has the real Keystone and Glance behind a server that ends
// TLS for them, as clouds have it.
func TestPublishOverTLS(t *testing.T) {
	client := realCloud(t)
	front := tlsFront(t, client.Endpoint())
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	cloud := map[string]any{"name": "demo", "auth_url": front.URL + "/identity/v3"}
	options := map[string]any{"cloud": []map[string]any{cloud}, "image_name": "over TLS", "on_unmet": "warn"}
	path := disktest.Debian(t)

	_, _, err := process(t, path, options)
	if err == nil || !strings.Contains(err.Error(), "cacert_file") {
		t.Errorf("error = %v, want one that names cacert_file", err)
	}

	cloud["cacert_file"] = ca
	artifact, said, err := process(t, path, options)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	defer destroy(t, artifact)
	image, err := client.Get(context.Background(), artifact.Id())
	if err != nil || image.Status != "active" || image.Name != "over TLS" {
		t.Errorf("image = %+v, %v, want it active", image, err)
	}
}

// tlsFront passes /identity on to Keystone and /image to Glance, and names
// itself in Keystone's catalogue.
func tlsFront(t *testing.T, glance string) *httptest.Server {
	t.Helper()
	b, err := os.ReadFile(os.Getenv(cloudVariable))
	if err != nil {
		t.Fatal(err)
	}
	keystone := regexp.MustCompile(`(?m)^ *auth_url: (\S+)/v3$`).FindSubmatch(b)
	if keystone == nil {
		t.Fatalf("no auth_url in %s", b)
	}
	var front *httptest.Server
	to := func(prefix, target string) http.Handler {
		server, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		return http.StripPrefix(prefix, &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(server) },
			ModifyResponse: func(response *http.Response) error {
				return renameIn(response, strings.TrimSuffix(glance, "/"), front.URL+"/image")
			},
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/identity/", to("/identity", string(keystone[1])))
	mux.Handle("/image/", to("/image", glance))
	front = httptest.NewTLSServer(mux)
	t.Cleanup(front.Close)
	return front
}

// renameIn replaces an address in an answer.
func renameIn(response *http.Response, from, to string) error {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	body = bytes.ReplaceAll(body, []byte(from), []byte(to))
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}
