// Package guesttest lets tests reach a guest without a network: a communicator
// that starts commands on this machine, and a Debian container to start them in.
package guesttest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

// Exec is a communicator that hands each command to a program on this machine,
// as the last argument.
type Exec struct {
	// Shell is the program and its arguments, such as sh -c.
	Shell []string
}

var _ packersdk.Communicator = Exec{}

// Start implements packersdk.Communicator. Like the communicator over RPC, it
// does not end the command when the context is cancelled.
func (e Exec) Start(_ context.Context, cmd *packersdk.RemoteCmd) error {
	c := e.command(cmd.Command)
	c.Stdin, c.Stdout, c.Stderr = cmd.Stdin, cmd.Stdout, cmd.Stderr
	if err := c.Start(); err != nil {
		return err
	}
	go func() { cmd.SetExited(exitStatus(c.Wait())) }()
	return nil
}

func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	return packersdk.CmdDisconnect
}

func (e Exec) command(text string) *exec.Cmd {
	args := append(append([]string{}, e.Shell[1:]...), text)
	return exec.Command(e.Shell[0], args...)
}

// Upload implements packersdk.Communicator.
func (e Exec) Upload(path string, r io.Reader, _ *os.FileInfo) error {
	c := e.command(fmt.Sprintf("cat > '%s'", path))
	c.Stdin = r
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("upload %s: %w: %s", path, err, out)
	}
	return nil
}

// Cut is a communicator whose connection is lost for good when a command says a
// certain thing. As with SSH, the command goes on until it says something more.
type Cut struct {
	Exec
	// At is what is said last.
	At string

	lost atomic.Bool
}

var errLost = errors.New("the connection was lost")

// Start implements packersdk.Communicator.
func (c *Cut) Start(_ context.Context, cmd *packersdk.RemoteCmd) error {
	if c.lost.Load() {
		return errLost
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close() //nolint:errcheck // the command has a copy of its own
	remote := c.command(cmd.Command)
	remote.Stdout, remote.Stderr = w, w
	if err := remote.Start(); err != nil {
		return errors.Join(err, r.Close())
	}
	go c.pass(r, remote, cmd)
	return nil
}

// pass hands on what is said until the connection is lost or the command ends.
func (c *Cut) pass(r *os.File, remote *exec.Cmd, cmd *packersdk.RemoteCmd) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		_, _ = fmt.Fprintln(cmd.Stdout, lines.Text())
		if strings.Contains(lines.Text(), c.At) {
			c.lost.Store(true)
			break
		}
	}
	_ = r.Close()
	if c.lost.Load() {
		cmd.SetExited(packersdk.CmdDisconnect)
		_ = remote.Wait()
		return
	}
	cmd.SetExited(exitStatus(remote.Wait()))
}

// Output runs a command and returns what it wrote to its standard output.
func (e Exec) Output(command string) (string, error) {
	c := e.command(command)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", command, err, stderr.String())
	}
	return string(out), nil
}

var errNotNeeded = errors.New("the guest package does not use it")

// UploadDir implements packersdk.Communicator by refusing.
func (Exec) UploadDir(string, string, []string) error { return errNotNeeded }

// Download implements packersdk.Communicator by refusing.
func (Exec) Download(string, io.Writer) error { return errNotNeeded }

// DownloadDir implements packersdk.Communicator by refusing.
func (Exec) DownloadDir(string, string, []string) error { return errNotNeeded }
