package boottest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
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
	{"OpenStack", serve(openStack), allDone, 0},
	{"EC2", serve(ec2), allDone, 0},
	{"without user data", serve(files{"/openstack/latest/meta_data.json": metaData}), []string{"2 SSH keys"}, 0},
	{"not found", serve(nil), []string{"no metadata", "2009-04-04/meta-data/instance-id answers with HTTP status 404"}, 1},
	{"failing", answer(500, "<html>oops</html>"), []string{"no metadata", "openstack/latest/meta_data.json answers with HTTP status 500"}, 1},
	{"user data failing", failing("/openstack/latest/user_data", serve(openStack)), []string{"no metadata", "user_data answers with HTTP status 500"}, 1},
	{"a page for everything", answer(200, "<html>Please log in</html>"), []string{"no metadata", "is no JSON object"}, 1},
	{"an endless answer", http.HandlerFunc(endless), []string{"no metadata", "gives no whole answer"}, 1},
	{"an answer that breaks off", http.HandlerFunc(breakOff), []string{"no metadata", "gives no whole answer"}, 1},
	{"silent", http.HandlerFunc(silent), []string{"no metadata", "gives no whole answer"}, 1},
}

func TestMetadataServiceByEachProgram(t *testing.T) {
	server := newService(t)
	for _, f := range fetchers {
		t.Run(f.program, func(t *testing.T) {
			needPrograms(t, f.program, f.pkg)
			for _, s := range services {
				t.Run(s.name, func(t *testing.T) {
					g := newServiceGuest(t, server, f.program, "budget=1\n")
					server.handler = s.handler
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
	server := newService(t)
	shell(t, "/", "ip address del 169.254.169.254/32 dev veth0")
	server.handler = serve(openStack)
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
	server := newService(t)
	answers := 0
	server.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answers++; answers < 3 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		serve(openStack).ServeHTTP(w, r)
	})
	said, status := newServiceGuest(t, server, "curl", "budget=60\n").boot(t, "user-data")
	expectSaid(t, said, allDone)
	if status != 0 {
		t.Errorf("got status %d:\n%s", status, said)
	}
}

func TestWaitIsBounded(t *testing.T) {
	server := newService(t)
	server.handler = http.HandlerFunc(silent)
	g := newServiceGuest(t, server, "curl", "budget=2\n")
	started := time.Now()
	said, _ := g.boot(t, "keys")
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("a silent service held the boot for %s", took)
	}
	expectSaid(t, said, []string{"no metadata for this instance was found in 2 seconds"})
}

// service answers at the addresses of OpenStack's metadata service.
type service struct {
	handler http.Handler
	// network is the file of its network namespace.
	network string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// newService gives the test a network of its own, with both addresses. The
// test's thread stays in it, and Go ends the thread with the test.
func newService(t *testing.T) *service {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: to ask a metadata service in a network namespace is left out")
	}
	needPrograms(t, "ip", "iproute2", "nsenter", "util-linux")
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Skipf("needs network namespaces (%v): to ask a metadata service in one is left out", err)
	}
	shell(t, "/", `
		ip link set lo up
		ip link add veth0 type veth peer name veth1
		ip link set veth0 up
		ip link set veth1 up
		ip address add 169.254.169.254/32 dev veth0
		ip -6 address add fe80::a9fe:a9fe/64 dev veth0 nodad
		ip -6 address add fe80::1/64 dev veth1 nodad`)
	listener, err := net.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = namespace.Close() })
	s := &service{network: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// newServiceGuest makes a guest whose only program that fetches is the given.
func newServiceGuest(t *testing.T, s *service, fetcher, settings string) *guest {
	t.Helper()
	g := newGuest(t, []string{"dash"}, files{settle: settings, "sys/class/net/lo/": "", "sys/class/net/veth1/": ""})
	g.stubs, g.bare, g.network = t.TempDir(), true, s.network
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

func serve(content files) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := content[r.URL.Path]
		if !ok {
			http.Error(w, "<html>404 Not Found</html>", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, text)
	})
}

func answer(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
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
		if _, err := fmt.Fprint(w, strings.Repeat(" ", 64<<10)); err != nil {
			return
		}
	}
}

func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "5000")
	fmt.Fprint(w, metaData)
}

// silent takes the question and says nothing.
func silent(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
}
