package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// reach is how far one attempt at a port of the guest came.
type reach int

const (
	// silent: nothing answers; the guest is not there yet, or filters the port.
	silent reach = iota
	// closed: the guest answers that nobody listens.
	closed
	// banner: an SSH server answers.
	banner
	// entered: an account let us in.
	entered
)

// patience is how long a port of the guest may say nothing.
const patience = 5 * time.Second

// session is what SSH to a guest came to.
type session struct {
	reach   reach
	user    string
	client  *ssh.Client
	hostKey string // as in authorized_keys
	version string
	// refused is the server's word to each account that was tried.
	refused []string
}

// attempt tries the accounts at the port of this machine by which the guest's
// SSH server is reached.
func attempt(ctx context.Context, port int, users []string, key ssh.Signer, slow time.Duration) session {
	var s session
	for _, user := range users {
		reached, err := s.login(ctx, port, user, key, slow)
		s.reach = max(s.reach, reached)
		if reached == entered || reached < banner {
			return s
		}
		s.refused = append(s.refused, fmt.Sprintf("%s: %v", user, err))
	}
	return s
}

func (s *session) login(ctx context.Context, port int, user string, key ssh.Signer, slow time.Duration) (reach, error) {
	conn, greeting, reached, err := greet(ctx, port, patience)
	if err != nil {
		return reached, err
	}
	s.version = strings.TrimSpace(greeting)
	config := &ssh.ClientConfig{
		User: user,
		Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: func(_ string, _ net.Addr, hostKey ssh.PublicKey) error {
			s.hostKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostKey)))
			return nil
		},
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second * slow)); err != nil {
		return banner, errors.Join(err, conn.Close())
	}
	c, channels, requests, err := ssh.NewClientConn(conn, conn.RemoteAddr().String(), config)
	if err != nil {
		return banner, errors.Join(err, conn.Close())
	}
	client := ssh.NewClient(c, channels, requests)
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return banner, errors.Join(err, client.Close())
	}
	// An account may take the key only to say that another one is meant
	// (cloud-init, disable_root).
	said, err := runOver(ctx, client, "echo in", nil, 20*time.Second*slow)
	if err != nil || strings.TrimSpace(said) != "in" {
		return banner, errors.Join(fmt.Errorf("the key was taken, but the account says %q", strings.TrimSpace(said)), err, client.Close())
	}
	s.user, s.client = user, client
	return entered, nil
}

// greeted is a connection whose first line has been read and is given again.
type greeted struct {
	net.Conn
	first io.Reader
}

func (g *greeted) Read(p []byte) (int, error) {
	if n, err := g.first.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return g.Conn.Read(p)
}

// greet connects and waits for an SSH server's first words (RFC 4253, section
// 4.2). QEMU takes the connection at once and then asks the guest: a guest that
// refuses it closes it.
func greet(ctx context.Context, port int, patience time.Duration) (net.Conn, string, reach, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, "", silent, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	var first [256]byte
	n, err := conn.Read(first[:])
	var timeout net.Error
	switch {
	case n > 0 && bytes.HasPrefix(first[:n], []byte("SSH-")):
		line, _, _ := strings.Cut(string(first[:n]), "\n")
		return &greeted{conn, bytes.NewReader(first[:n])}, line, banner, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, "", silent, errors.Join(fmt.Errorf("no answer in %s", patience), conn.Close())
	case err != nil:
		return nil, "", closed, errors.Join(errors.New("the guest closes the connection at once"), conn.Close())
	}
	return nil, "", closed, errors.Join(fmt.Errorf("no SSH server: it says %q", first[:n]), conn.Close())
}

// maxSaid bounds what is read of one command in the guest.
const maxSaid = 1 << 20

// run runs a command in the guest and returns its output. The error tells of a
// command that did not end well, with its last words.
func (s *session) run(ctx context.Context, command string, stdin []byte, limit time.Duration) (string, error) {
	return runOver(ctx, s.client, command, stdin, limit)
}

func runOver(ctx context.Context, client *ssh.Client, command string, stdin []byte, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	channel, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("open an SSH session: %w", err)
	}
	defer func() { _ = channel.Close() }()
	channel.Stdin = bytes.NewReader(stdin)
	stderr := new(bounded)
	channel.Stderr = stderr
	out, err := channel.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := channel.Start(command); err != nil {
		return "", fmt.Errorf("run %q in the guest: %w", command, err)
	}
	said, err := io.ReadAll(io.LimitReader(out, maxSaid))
	if err == nil {
		err = channel.Wait()
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no end in %s", limit)
	}
	if err != nil {
		return string(said), fmt.Errorf("run %q in the guest: %w %s", command, err, stderr)
	}
	return string(said), nil
}

// asRoot is the command that runs a shell with its standard input as root.
func (s *session) asRoot(args string) string {
	if s.user == "root" {
		return "sh -s " + args
	}
	return "sudo -n sh -s " + args
}

// passwordMethods asks the server how an account without the key would get in.
func passwordMethods(ctx context.Context, port int, user string) ([]string, error) {
	conn, _, _, err := greet(ctx, port, patience)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	var offered []string
	config := &ssh.ClientConfig{
		User:            user,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // The key is that of the machine we made.
		Auth: []ssh.AuthMethod{
			ssh.PasswordCallback(func() (string, error) {
				offered = append(offered, "password")
				return "", errors.New("only asked whether it is offered")
			}),
			ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) {
				offered = append(offered, "keyboard-interactive")
				return nil, errors.New("only asked whether it is offered")
			}),
		},
	}
	c, _, _, err := ssh.NewClientConn(conn, "guest", config)
	if err == nil {
		return nil, errors.Join(fmt.Errorf("the account %s gets in without key and password", user), c.Close())
	}
	return offered, nil
}
