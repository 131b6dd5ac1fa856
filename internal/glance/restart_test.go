//go:build unix

package glance

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownGlance is a Glance of one test, with the Keystone of the second cloud.
type ownGlance struct {
	t       *testing.T
	config  string
	address string
	process *exec.Cmd
}

// newOwnGlance starts a Glance that may be killed, with the configuration of
// the second cloud's but a database and stores of its own.
func newOwnGlance(t *testing.T, access Access) *ownGlance {
	t.Helper()
	cloud, folder := filepath.Dir(access.CloudsFile), t.TempDir()
	content, err := os.ReadFile(filepath.Join(cloud, "etc", "glance2.conf"))
	if err != nil {
		t.Skipf("needs the configuration of a Glance, which only the cloud of hack/cloud.sh has beside its clouds.yaml: no server is killed in this run: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &ownGlance{t: t, config: filepath.Join(folder, "glance.conf"), address: listener.Addr().String()}
	_, port, _ := strings.Cut(g.address, ":")
	text := regexp.MustCompile(`(?m)^bind_port = .*$`).ReplaceAllString(string(content), "bind_port = "+port)
	text = regexp.MustCompile(`(?m)^workers = .*$`).ReplaceAllString(text, "workers = 0")
	text = strings.ReplaceAll(text, filepath.Join(cloud, "glance2"), filepath.Join(folder, "glance2"))
	for _, store := range []string{"fast", "cold", "staging", "tasks"} {
		if err := os.MkdirAll(filepath.Join(folder, "glance2", store), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "python3-glance", "/usr/bin/python3", "-m", "glance.cmd.manage", "--config-file", g.config, "db_sync")
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	g.start()
	t.Cleanup(g.kill)
	g.wait()
	return g
}

func (g *ownGlance) start() {
	g.process = exec.Command("/usr/bin/python3", "-m", "glance.cmd.api", "--config-file", g.config)
	g.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := g.process.Start(); err != nil {
		g.t.Error(err)
	}
}

// kill ends the server and what it started, without a chance to tidy up.
func (g *ownGlance) kill() {
	if err := syscall.Kill(-g.process.Process.Pid, syscall.SIGKILL); err != nil {
		g.t.Error(err)
	}
	_ = g.process.Wait()
}

func (g *ownGlance) wait() {
	g.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get("http://" + g.address + "/")
		if err == nil {
			_ = answer.Body.Close()
			return
		}
	}
	g.t.Fatal("the Glance of this test does not answer")
}

func TestPublishSurvivesAKilledServer(t *testing.T) {
	access := realCloud(t)
	access.Cloud = "second"
	access.Patience = Patience{Pause: 100 * time.Millisecond, Settle: time.Second, Request: time.Minute}
	g := newOwnGlance(t, access)
	client := signIn(t, access)
	client.service.Endpoint = "http://" + g.address + "/"
	client.service.ResourceBase = client.service.Endpoint + "v2/"
	const size = 24 << 20
	path := sparse(t, size)
	for name, sending := range map[string]Sending{"put": {}, "staging": {Method: MethodImport}} {
		t.Run(name, func(t *testing.T) {
			progress := &trigger{sent: size / 2, act: func() {
				g.kill()
				g.start()
			}}
			called := unique("killed")
			image, err := client.Publish(t.Context(), Spec{Name: called, DiskFormat: "raw", Sending: sending}, open(t, path), progress)
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"size", "sha512"}; !slices.Equal(image.Confirmed, want) {
				t.Errorf("confirmed %v, want %v", image.Confirmed, want)
			}
			if said := progress.all(); !strings.Contains(said, "sending again from the first byte") {
				t.Errorf("said %q, want another attempt", said)
			}
			progress.check(t, size)
			if got := left(t, client, called); !slices.Equal(got, []string{called}) {
				t.Errorf("%q are there, want %q alone", got, fmt.Sprint(called))
			}
		})
	}
}
