package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// released is the folder of a release that hack/snapshot.sh made.
func released(t *testing.T) (dir, version string) {
	t.Helper()
	dir, err := filepath.Abs(".build/release")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := filepath.Glob(filepath.Join(dir, "packer-plugin-openstack-ready_v*_SHA256SUMS"))
	if err != nil || len(sums) != 1 {
		t.Skip("needs a release in .build/release (make snapshot): how Packer installs one is left out")
	}
	version = strings.TrimPrefix(filepath.Base(sums[0]), "packer-plugin-openstack-ready_v")
	return dir, strings.TrimSuffix(version, "_SHA256SUMS")
}

// platforms are those of Packer that the plugin is released for.
var platforms = []string{
	"darwin_amd64", "darwin_arm64", "freebsd_amd64", "freebsd_arm64",
	"linux_amd64", "linux_arm64", "windows_amd64", "windows_arm64",
}

func TestReleaseIsWhole(t *testing.T) {
	dir, version := released(t)
	sums, err := os.ReadFile(filepath.Join(dir, "packer-plugin-openstack-ready_v"+version+"_SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(sums)) {
		got = append(got, strings.Fields(line)[1])
	}
	slices.Sort(got)
	var want []string
	for _, platform := range platforms {
		want = append(want, fmt.Sprintf("packer-plugin-openstack-ready_v%s_x5.0_%s.zip", version, platform))
	}
	if !slices.Equal(got, want) {
		t.Errorf("released: %q, want %q", got, want)
	}
	check := exec.Command("sha256sum", "--check", "--quiet", "packer-plugin-openstack-ready_v"+version+"_SHA256SUMS")
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", err, out)
	}
}

func TestReleaseIsSigned(t *testing.T) {
	dir, version := released(t)
	sums := filepath.Join(dir, "packer-plugin-openstack-ready_v"+version+"_SHA256SUMS")
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--import", filepath.Join(dir, "release.key")},
		{"--verify", sums + ".sig", sums},
	} {
		cmd := exec.Command("gpg", append([]string{"--batch", "--no-autostart", "--homedir", home}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gpg %s: %s\n%s", args[0], err, out)
		}
	}
}

// fromGitHub is a template that wants the plugin as everybody gets it.
const fromGitHub = `
packer {
  required_plugins {
    openstack-ready = {
      source  = "github.com/openstack-ready/openstack-ready"
      version = "%s"
    }
  }
}

source "null" "none" {
  communicator = "none"
}

build {
  sources = ["source.null.none"]

  post-processors {
    post-processor "artifice" {
      files = ["%s"]
    }
    post-processor "openstack-ready" {
      on_unmet = "warn"
    }
  }
}
`

// TestPackerInitInstallsTheRelease lets the real Packer download the release
// from a GitHub that stands in for the real one, and use it.
func TestPackerInitInstallsTheRelease(t *testing.T) {
	packer := findPacker(t)
	dir, version := released(t)
	work := t.TempDir()
	disk := disktest.Debian(t)
	template := filepath.Join(work, "template.pkr.hcl")
	if err := os.WriteFile(template, fmt.Appendf(nil, fromGitHub, version, disk), 0o600); err != nil {
		t.Fatal(err)
	}
	github := newGitHub(t, dir, version)
	t.Setenv("HTTPS_PROXY", github.proxy)
	t.Setenv("SSL_CERT_FILE", github.certificate)

	run(t, work, packer, "init", template)
	installed := filepath.Join(work, "plugins/github.com/openstack-ready/openstack-ready",
		fmt.Sprintf("packer-plugin-openstack-ready_v%s_x5.0_%s_%s", version, runtime.GOOS, runtime.GOARCH))
	if _, err := os.Stat(installed); err != nil {
		t.Errorf("packer init installed no plugin: %s", err)
	}
	run(t, work, packer, "validate", template)
	for encoding, force := range map[string]string{"protobuf": "", "gob": "1"} {
		t.Run(encoding, func(t *testing.T) {
			t.Setenv("PACKER_FORCE_GOB", force)
			said := run(t, work, packer, "build", "-color=false", template)
			if !strings.Contains(said, "Inspecting "+disk) || !strings.Contains(said, "was inspected and not uploaded") {
				t.Errorf("the installed plugin did not inspect %s:\n%s", disk, said)
			}
		})
	}
}

func TestPackerInstallsTheReleaseByPath(t *testing.T) {
	packer := findPacker(t)
	dir, version := released(t)
	name := fmt.Sprintf("packer-plugin-openstack-ready_v%s_x5.0_%s_%s", version, runtime.GOOS, runtime.GOARCH)
	work := t.TempDir()
	if out, err := exec.Command("unzip", "-q", filepath.Join(dir, name+".zip"), "-d", work).CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", err, out)
	}
	run(t, work, packer, "plugins", "install", "--path", filepath.Join(work, name), pluginSource)
	if got := run(t, work, packer, "plugins", "installed"); !strings.Contains(got, name) {
		t.Errorf("installed: %q, want %s", got, name)
	}
}

// github is a stand-in for the hosts that packer init talks to, behind a proxy
// that connects their names to it. HashiCorp's own, which it asks first, does
// not know the plugin.
type github struct {
	proxy, certificate string
}

func newGitHub(t *testing.T, release, version string) *github {
	t.Helper()
	const repository = "/openstack-ready/packer-plugin-openstack-ready"
	mux := http.NewServeMux()
	mux.HandleFunc("GET api.github.com/repos"+repository+"/git/matching-refs/tags", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `[{"ref": "refs/tags/v%s"}]`, version)
	})
	download := repository + "/releases/download/v" + version + "/"
	mux.Handle("GET github.com"+download, http.StripPrefix(download, http.FileServer(http.Dir(release))))
	server := httptest.NewUnstartedServer(mux)
	certificate := newCertificate(t, "github.com", "api.github.com", "releases.hashicorp.com")
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := httptest.NewServer(connectTo(server.Listener.Addr().String()))
	t.Cleanup(proxy.Close)
	path := filepath.Join(t.TempDir(), "certificate.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return &github{proxy: proxy.URL, certificate: path}
}

// connectTo is a proxy that takes every host for the one at address.
func connectTo(address string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
			return
		}
		far, err := net.Dial("tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = far.Close()
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connected\r\n\r\n")
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		_, _ = io.Copy(near, far)
		_ = near.Close()
	})
}

// newCertificate is valid for the hosts, and signed by itself.
func newCertificate(t *testing.T, hosts ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
