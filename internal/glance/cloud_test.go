package glance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
)

// cloudVariable names the clouds.yaml of a running cloud of hack/cloud.sh.
const cloudVariable = "OPENSTACK_READY_TEST_CLOUD"

// startedCloud is the folder of a cloud that these tests started themselves.
var startedCloud string

func TestMain(m *testing.M) {
	code := m.Run()
	if startedCloud != "" {
		if out, err := exec.Command("../../hack/cloud.sh", "stop", startedCloud).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "stop the cloud in %s: %v: %s", startedCloud, err, out)
			code = 1
		}
	}
	os.Exit(code)
}

var cloudsFile = sync.OnceValues(func() (string, error) {
	if file := os.Getenv(cloudVariable); file != "" {
		_, err := os.Stat(file)
		return file, err
	}
	if _, err := os.Stat("/usr/bin/keystone-wsgi-public"); err != nil {
		return "", errNoCloud
	}
	folder, err := filepath.Abs("../../.build/cloud")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	running := exec.Command("../../hack/cloud.sh", "status", folder).Run() == nil
	if out, err := exec.Command("../../hack/cloud.sh", "start", folder).CombinedOutput(); err != nil {
		return "", fmt.Errorf("start a cloud in %s: %w: %s", folder, err, out)
	}
	if !running {
		startedCloud = folder
	}
	return filepath.Join(folder, "clouds.yaml"), nil
})

var errNoCloud = errors.New("needs a real Keystone and Glance (the Debian packages of hack/packages/cloud.txt): nothing is published in this run")

// realCloud returns the way into the real cloud, or skips the test.
func realCloud(t *testing.T) Access {
	t.Helper()
	file, err := cloudsFile()
	if errors.Is(err, errNoCloud) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return Access{Cloud: "demo", Config: access.Config{CloudsFile: file}, Log: func(line string) { t.Log(line) }, Patience: Patience{Pause: 50 * time.Millisecond}}
}

func signIn(t *testing.T, access Access) *Client {
	t.Helper()
	client, err := SignIn(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// recorder is a Progress that remembers.
type recorder struct {
	mutex  sync.Mutex
	steps  []string
	sent   []int64
	onSent func(sent int64)
}

func (r *recorder) Step(sentence string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.steps = append(r.steps, sentence)
}

func (r *recorder) Sent(sent, _ int64) {
	r.mutex.Lock()
	r.sent = append(r.sent, sent)
	r.mutex.Unlock()
	if r.onSent != nil {
		r.onSent(sent)
	}
}

// check wants a count that only ever grows, but for falls to 0 that a Step went
// before.
func (r *recorder) check(t *testing.T, total int64) {
	t.Helper()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	starts := 0
	for i, sent := range r.sent {
		switch {
		case sent == 0:
			starts++
		case i > 0 && sent <= r.sent[i-1], sent > total:
			t.Errorf("progress went %v of %d", r.sent, total)
			return
		}
	}
	said := strings.Count(r.allLocked(), "sending "+fmt.Sprint(total)) + strings.Count(r.allLocked(), "reading the data ")
	if said != starts {
		t.Errorf("progress began %d times, which was said %d times", starts, said)
	}
}

func (r *recorder) all() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.allLocked()
}

func (r *recorder) allLocked() string {
	return strings.Join(r.steps, "\n")
}

// clearEnvironment takes the OS_* variables away for the time of the test.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "OS_") {
			t.Setenv(name, "")
		}
	}
}

// run runs a program that the test needs, or skips the test.
func run(t *testing.T, debianPackage, program string, arguments ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s (Debian package %s): no image of that kind is published in this run", program, debianPackage)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, program, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", program, arguments, err, out)
	}
}
