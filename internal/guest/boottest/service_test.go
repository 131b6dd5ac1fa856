//go:build linux

package boottest

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// fetchers are programs that fetch, each of which may be a guest's only one.
var fetchers = []struct{ program, pkg string }{
	{"curl", "curl"}, {"wget", "wget"}, {"busybox", "busybox-static"}, {"python3", "python3-minimal"},
}

// plain are the programs of every guest that the boot program calls.
var plain = []string{
	"awk", "basename", "cat", "dash", "chmod", "chown", "cmp", "cp", "df", "dirname", "grep", "gzip", "head", "mkdir", "mktemp",
	"mv", "od", "readlink", "rm", "sed", "sh", "sleep", "timeout", "touch", "tr", "true", "umount", "uname",
}

// openStack and ec2 are what a service has under its paths.
var (
	openStack = files{"/openstack/latest/meta_data.json": metaData, "/openstack/latest/user_data": userData}
	ec2       = files{
		"/2009-04-04/meta-data/instance-id":               "i-00000001",
		"/2009-04-04/meta-data/local-hostname":            "vm1.novalocal",
		"/2009-04-04/meta-data/public-keys/":              "0=my key\n1=other",
		"/2009-04-04/meta-data/public-keys/0/openssh-key": firstKey,
		"/2009-04-04/meta-data/public-keys/1/openssh-key": secondKey + "\n",
		"/2009-04-04/user-data":                           userData,
	}
	allDone = []string{"the host name is vm1", "2 SSH keys", "user data was here"}
)

// services are ways in which a metadata service can behave.
var services = []struct {
	name    string
	handler http.Handler
	said    []string
	status  int
}{
	{"OpenStack", guesttest.Serve(openStack), allDone, 0},
	{"EC2", guesttest.Serve(ec2), allDone, 0},
	{"without user data", guesttest.Serve(files{"/openstack/latest/meta_data.json": metaData}), []string{"2 SSH keys"}, 0},
	{"not found", guesttest.Serve(nil), []string{"no metadata", "2009-04-04/meta-data/instance-id answers with HTTP status 404"}, 1},
	{"failing", answer(500, "<html>oops</html>"), []string{"no metadata", "openstack/latest/meta_data.json answers with HTTP status 500"}, 1},
	{"user data failing", failing("/openstack/latest/user_data", guesttest.Serve(openStack)), []string{"no metadata", "user_data answers with HTTP status 500"}, 1},
	{"a page for everything", answer(200, "<html>Please log in</html>"), []string{"no metadata", "is no JSON object"}, 1},
	{"an endless answer", http.HandlerFunc(endless), []string{"no metadata", "gives no whole answer"}, 1},
	{"an answer that breaks off", http.HandlerFunc(breakOff), []string{"no metadata", "gives no whole answer"}, 1},
	{"silent", http.HandlerFunc(silent), []string{"no metadata", "gives no whole answer"}, 1},
}

func TestMetadataServiceByEachProgram(t *testing.T) {
	server := guesttest.NewMetadata(t)
	for _, f := range fetchers {
		t.Run(f.program, func(t *testing.T) {
			needPrograms(t, f.program, f.pkg)
			for _, s := range services {
				t.Run(s.name, func(t *testing.T) {
					g := newServiceGuest(t, server, f.program, "budget=1\n")
					server.Answer(s.handler)
					said, status := g.boot(t, "user-data")
					expectSaid(t, said, s.said)
					if status != s.status {
						t.Errorf("got status %d, want %d:\n%s", status, s.status, said)
					}
				})
			}
		})
	}
}

func TestMetadataServiceByLinkLocalAddress(t *testing.T) {
	server := guesttest.NewMetadata(t)
	shell(t, "/", "ip address del 169.254.169.254/32 dev veth0")
	server.Answer(guesttest.Serve(openStack))
	for _, f := range fetchers {
		t.Run(f.program, func(t *testing.T) {
			needPrograms(t, f.program, f.pkg)
			g := newServiceGuest(t, server, f.program, "budget=1\n")
			said, status := g.boot(t, "user-data")
			if f.program == "wget" { // GNU wget takes no address with a network card
				expectSaid(t, said, []string{"no program that can fetch http://[fe80::a9fe:a9fe%25veth1]"})
				return
			}
			expectSaid(t, said, append(allDone, "metadata service at [fe80::a9fe:a9fe%25veth1]"))
			if status != 0 {
				t.Errorf("got status %d:\n%s", status, said)
			}
		})
	}
}

func TestMetadataServiceThatComesLate(t *testing.T) {
	server := guesttest.NewMetadata(t)
	answers := 0
	server.Answer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers++; answers < 3 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		guesttest.Serve(openStack).ServeHTTP(w, r)
	}))
	said, status := newServiceGuest(t, server, "curl", "budget=60\n").boot(t, "user-data")
	expectSaid(t, said, allDone)
	if status != 0 {
		t.Errorf("got status %d:\n%s", status, said)
	}
}

func TestWaitIsBounded(t *testing.T) {
	server := guesttest.NewMetadata(t)
	server.Answer(http.HandlerFunc(silent))
	g := newServiceGuest(t, server, "curl", "budget=2\n")
	started := time.Now()
	said, _ := g.boot(t, "keys")
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("a silent service held the boot for %s", took)
	}
	expectSaid(t, said, []string{"no metadata for this instance was found in 2 seconds"})
}

// newServiceGuest makes a guest whose only program that fetches is the given.
func newServiceGuest(t *testing.T, s *guesttest.Metadata, fetcher, settings string) *guest {
	t.Helper()
	g := newGuest(t, []string{"dash"}, files{settle: settings, "sys/class/net/lo/": "", "sys/class/net/veth1/": ""})
	g.stubs, g.bare, g.network = t.TempDir(), true, s.Network
	for _, program := range append([]string{fetcher}, plain...) {
		if err := os.Symlink(systemProgram(t, program), filepath.Join(g.stubs, program)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(g.stubs, "ssh-keygen"), "#!/bin/sh\n"+stubs["ssh-keygen"]+"\n", 0o755)
	return g
}

// systemProgram finds the distribution's program, as others may be scripts that
// need more programs.
func systemProgram(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Skipf("needs %s in /usr/bin: to ask a metadata service without other programs is left out", name)
	return ""
}

func answer(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
}

func failing(path string, others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			http.Error(w, "oops", http.StatusInternalServerError)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// endless sends until the guest hangs up.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
			return
		}
	}
}

func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "5000")
	_, _ = io.WriteString(w, metaData)
}

// silent takes the question and says nothing.
func silent(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
}
