// Package guesttest lets tests reach a guest without a network: a communicator
// that starts commands on this machine, and a Debian container to start them in.
package guesttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

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
