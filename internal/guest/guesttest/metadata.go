//go:build linux

package guesttest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Metadata is a server at the addresses of OpenStack's metadata service.
type Metadata struct {
	// Network is the file of the network namespace that has the addresses.
	Network string
	handler atomic.Pointer[http.Handler]
}

// Answer makes h answer from the next request on.
func (m *Metadata) Answer(h http.Handler) { m.handler.Store(&h) }

// ServeHTTP implements http.Handler.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*m.handler.Load()).ServeHTTP(w, r)
}

// NewMetadata gives the test a network of its own, with 169.254.169.254 on the
// card veth0 and fe80::a9fe:a9fe behind veth1. The test's thread, and so what
// the test itself starts, stays in it; Go ends the thread with the test.
func NewMetadata(t *testing.T) *Metadata {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: to ask a metadata service in a network namespace is left out")
	}
	need(t, "ip", "iproute2")
	need(t, "nsenter", "util-linux")
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Skipf("needs network namespaces (%v): to ask a metadata service in one is left out", err)
	}
	for _, command := range []string{
		"ip link set lo up",
		"ip link add veth0 type veth peer name veth1",
		"ip link set veth0 up",
		"ip link set veth1 up",
		"ip address add 169.254.169.254/32 dev veth0",
		"ip -6 address add fe80::a9fe:a9fe/64 dev veth0 nodad",
		"ip -6 address add fe80::1/64 dev veth1 nodad",
	} {
		words := strings.Fields(command)
		run(t, words[0], words[1:]...)
	}
	listener, err := net.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = namespace.Close() })
	m := &Metadata{Network: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())}
	m.Answer(http.NotFoundHandler())
	server := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return m
}

// Serve answers with the content of each path, and 404 for others.
func Serve(content map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := content[r.URL.Path]
		if !ok {
			http.Error(w, "<html>404 Not Found</html>", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, text)
	})
}
