package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// RelayVerb is the argument with which this program's command carries one
// connection; see Relay.
const RelayVerb = "metadata-relay"

// Relay carries one connection between in and out, which are those of a program
// that QEMU's user network starts for it (guestfwd with cmd:), and the metadata
// service at the socket.
func Relay(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("reach the metadata service: %w", err)
	}
	defer func() { _ = conn.Close() }()
	go func() {
		_, _ = io.Copy(conn, in) // The guest hangs up when it likes.
		if c, ok := conn.(*net.UnixConn); ok {
			_ = c.CloseWrite()
		}
	}()
	if _, err := io.Copy(out, conn); err != nil {
		return fmt.Errorf("carry the metadata service's answer: %w", err)
	}
	return nil
}

// service is a metadata service for one instance.
type service struct {
	server *http.Server
	mu     sync.Mutex
	// requests are the first that came, as "GET /path".
	requests []string
}

// maxRequests bounds what is noted of a guest's requests.
const maxRequests = 200

// serve starts the metadata service of the run.
func (l *live) serve() error {
	relay := l.options.Relay
	if len(relay) == 0 {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program, which carries the guest's requests: %w", err)
		}
		relay = []string{self, RelayVerb}
	}
	socket := l.machine.path(serviceSocket)
	l.machine.relay = append(slices.Clone(relay), socket)
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	if err != nil {
		return fmt.Errorf("listen for the metadata service: %w", err)
	}
	l.service = &service{}
	l.service.server = &http.Server{
		Handler:           l.service.note(l.instance.handler()),
		ReadHeaderTimeout: time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() { _ = l.service.server.Serve(listener) }() // It ends with close.
	return nil
}

func (s *service) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if len(s.requests) < maxRequests {
			s.requests = append(s.requests, r.Method+" "+r.URL.Path)
		}
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func (s *service) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *service) close() error {
	if err := s.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("end the metadata service: %w", err)
	}
	return nil
}

// handler answers as Nova does (nova/api/metadata/handler.py): the OpenStack
// layout below /openstack, EC2's below the names of its versions.
func (i *instance) handler() http.Handler {
	answers := i.answers()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
			return
		}
		name := path.Clean("/" + r.URL.Path)
		if name == "/ec2" || strings.HasPrefix(name, "/ec2/") {
			name = path.Clean("/" + strings.TrimPrefix(name, "/ec2"))
		}
		answer, ok := answers[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType(name))
		_, _ = w.Write(answer) // The guest hangs up when it likes.
	})
}

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, ".json"):
		return "application/json"
	case strings.HasSuffix(name, "user_data"):
		return "application/octet-stream"
	}
	return "text/plain; charset=UTF-8"
}

// ec2ServiceVersions are EC2's versions that the service knows
// (nova/api/metadata/base.py, VERSIONS).
var ec2ServiceVersions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15",
	"2008-02-01", "2008-09-01", "2009-04-04", "latest",
}

// answers are all that the service has, by path.
func (i *instance) answers() map[string][]byte {
	answers := map[string][]byte{
		"/":          lines(ec2ServiceVersions),
		"/openstack": lines(openstackVersions),
	}
	listed := map[string][]string{}
	files := i.openstackFiles()
	for _, name := range sortedNames(files) {
		answers["/"+name] = files[name]
		listed["/"+path.Dir(name)] = append(listed["/"+path.Dir(name)], path.Base(name))
	}
	for dir, names := range listed {
		answers[dir] = lines(names)
	}
	for _, version := range ec2ServiceVersions {
		answers["/"+version] = lines([]string{"meta-data/", "user-data"})
		answers["/"+version+"/user-data"] = i.userData
		addTree(answers, "/"+version+"/meta-data", i.ec2MetaData())
	}
	return answers
}

// addTree adds a folder of EC2's metadata with all that is below it; its listing
// marks folders, and names a key (nova/api/metadata/base.py, ec2_md_print).
func addTree(answers map[string][]byte, dir string, tree map[string]any) {
	var names []string
	for name, value := range tree {
		switch value := value.(type) {
		case map[string]any:
			addTree(answers, dir+"/"+name, value)
			if key, ok := value["_name"].(string); ok {
				names = append(names, name+"="+key)
			} else {
				names = append(names, name+"/")
			}
		case string:
			if name != "_name" {
				answers[dir+"/"+name] = []byte(value)
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	answers[dir] = lines(names)
}

func lines(names []string) []byte { return []byte(strings.Join(names, "\n")) }
