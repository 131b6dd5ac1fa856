// Package guest makes the running guest of a build ready for OpenStack: it
// uploads one shell program over Packer's communicator, runs it once, and
// understands what it says.
package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

const (
	// DefaultTimeout is how long a run may take: package installation in an
	// emulated machine takes some ten minutes.
	DefaultTimeout = 30 * time.Minute
	// grace is what the guest's own time limit gets to say its last words.
	grace = time.Minute
	// shortTimeout bounds the small commands before and after the program.
	shortTimeout = 2 * time.Minute
)

// Options say what a run does.
type Options struct {
	// Mode is report.Mend (also when empty) or report.Check.
	Mode report.Mode
	// Skip lists requirements that are neither looked at nor mended.
	Skip []requirement.ID
	// Settings say how the guest is to be.
	Settings Settings
	// Timeout bounds the program in the guest; 0 means DefaultTimeout.
	Timeout time.Duration
	// Progress, where given, is told the part of the work that begins. It is
	// called from another goroutine, but never twice at once nor after Run.
	Progress func(stage string)
	// Log, where given, is told each line that the guest printed besides what
	// the report holds; with Settings.WholeLog those of its programs too. It is
	// called like Progress.
	Log func(line string)
	// ExecuteCommand, where given, returns the shell command that runs an
	// invocation as root. The default is DefaultExecuteCommand.
	ExecuteCommand func(Invocation) (string, error)
}

// Invocation is a command that must run as root in the guest.
type Invocation struct {
	// Command is a simple command of POSIX sh, fit to follow "sudo -n".
	Command string
	// Root tells whether the build has logged in as root.
	Root bool
	// Login is the account that the build has logged in with.
	Login string
}

// DefaultExecuteCommand runs the command as it is for root, and with sudo,
// without a password, for everybody else.
func DefaultExecuteCommand(i Invocation) (string, error) {
	if i.Root {
		return i.Command, nil
	}
	return "sudo -n " + i.Command, nil
}

// Run makes the guest ready, or only looks at it, and reports. An unmet
// requirement is no error: an error means that the guest was not looked at
// to the end.
func Run(ctx context.Context, comm packersdk.Communicator, opts Options) (*report.Report, error) {
	r := newRun(comm, opts)
	code, err := program(opts.Settings)
	if err != nil {
		return nil, err
	}
	if err := r.settle(ctx); err != nil {
		return nil, errors.Join(err, r.leave())
	}
	rep, err := r.uploadAndExecute(ctx, code)
	switch {
	case ctx.Err() != nil:
		r.askToStop()
		return nil, err
	case err != nil:
		return nil, errors.Join(err, r.leave())
	}
	return rep, nil
}

// run is one run of the program in one guest.
type run struct {
	comm packersdk.Communicator
	opts Options
	site site
}

// site is where and as whom the program will run.
type site struct {
	uname, login, folder string
	root, timeout        bool
}

func newRun(comm packersdk.Communicator, opts Options) *run {
	if opts.Mode == "" {
		opts.Mode = report.Mend
	}
	if opts.Timeout == 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	if opts.ExecuteCommand == nil {
		opts.ExecuteCommand = DefaultExecuteCommand
	}
	return &run{comm: comm, opts: opts}
}

// settleCommand makes the work folder, on Linux only, and says what is needed
// to run the program. It works in every login shell that knows quotes. Older
// timeouts know no option -k, and are not used.
const settleCommand = `sh -c 'umask 077; d=; ` +
	`if [ "$(uname -s)" = Linux ]; then d=$(mktemp -d /tmp/.openstack-ready.XXXXXXXXXX) || exit 1; fi; ` +
	`printf "openstack-ready/1 site\t%s\t%s\t%s\t%s\t%s\n" "$(uname -s)" "$(id -u)" "$(id -un)" "$(timeout -k 9 9 echo timeout 2>/dev/null)" "$d"'`

var (
	folderForm = regexp.MustCompile(`^/tmp/\.openstack-ready\.[A-Za-z0-9]+$`)
	loginForm  = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.@-]*\$?$`)
)

func (r *run) settle(ctx context.Context) error {
	out, err := r.short(ctx, settleCommand)
	if err != nil {
		return fmt.Errorf("ask the guest what it is: %w", err)
	}
	r.site, err = parseSite(out)
	return err
}

// parseSite understands the answer to settleCommand, which goes into the
// commands that follow and so must have just the form that is expected.
func parseSite(out string) (site, error) {
	for line := range strings.Lines(out) {
		said, ours := strings.CutPrefix(strings.TrimSpace(line), prefix+"site\t")
		if !ours {
			continue
		}
		f := strings.Split(said+"\t\t\t\t", "\t")
		s := site{uname: f[0], root: f[1] == "0", login: f[2], timeout: f[3] != "", folder: f[4]}
		switch {
		case s.uname != "Linux":
			return site{}, fmt.Errorf("the guest runs %q; only Linux is known, and nothing was changed", clean(cut(s.uname, 80)))
		case !folderForm.MatchString(s.folder):
			return site{}, fmt.Errorf("the guest made its work folder at %q, which was not asked for", clean(cut(s.folder, 80)))
		case !loginForm.MatchString(s.login):
			return site{folder: s.folder}, fmt.Errorf("the guest calls its login account %q, which is no account name", clean(cut(s.login, 80)))
		}
		return s, nil
	}
	return site{}, fmt.Errorf("the guest did not answer as a POSIX shell does, but: %q", clean(cut(out, 200)))
}

func (r *run) uploadAndExecute(ctx context.Context, code []byte) (*report.Report, error) {
	path := r.site.folder + "/program"
	if err := r.comm.Upload(path, bytes.NewReader(code), nil); err != nil {
		return nil, fmt.Errorf("upload the program to the guest: %w", err)
	}
	command, err := r.command(path, code)
	if err != nil {
		return nil, err
	}
	return r.execute(ctx, command)
}

// command returns the shell command that checks what was uploaded, since a
// communicator over RPC calls a failed upload a success, and runs it as root.
func (r *run) command(path string, code []byte) (string, error) {
	args := []string{"sh", path, string(r.opts.Mode), r.site.folder, r.site.login}
	if r.site.timeout {
		seconds := strconv.Itoa(int(r.opts.Timeout.Round(time.Second) / time.Second))
		args = append([]string{"timeout", "-k", "30", seconds}, args...)
	}
	for _, id := range r.opts.Skip {
		args = append(args, string(id))
	}
	elevated, err := r.opts.ExecuteCommand(Invocation{
		Command: strings.Join(args, " "), Root: r.site.root, Login: r.site.login,
	})
	if err != nil {
		return "", fmt.Errorf("execute_command: %w", err)
	}
	return fmt.Sprintf(`sh -c 'echo "%x  %s" | sha256sum -c - >/dev/null || { `+
		`echo "the program did not arrive whole in the guest: is /tmp full?" >&2; exit 97; }' && %s`,
		sha256.Sum256(code), path, elevated), nil
}

func (r *run) execute(ctx context.Context, command string) (*report.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout+grace)
	defer cancel()
	heard := newTranscript(r.expected(), r.opts.Progress)
	heard.hearLog = r.opts.Log
	stdout := &guarded{w: heard}
	stderr := &guarded{w: &tail{max: 8 << 10}}
	status, err := r.start(ctx, command, stdout, stderr)
	stdout.close()
	stderr.close()
	if err != nil {
		return nil, fmt.Errorf("run the program in the guest: %w", err)
	}
	return r.judge(heard, stderr.w.(*tail).String(), status)
}

// expected returns the requirements that the program is to look at.
func (r *run) expected() []requirement.ID {
	var ids []requirement.ID
	for _, q := range requirement.SeenFrom(requirement.Guest) {
		if !slices.Contains(r.opts.Skip, q.ID) {
			ids = append(ids, q.ID)
		}
	}
	return ids
}

// judge turns what the program said into the report.
func (r *run) judge(t *transcript, stderr string, status int) (*report.Report, error) {
	switch {
	case t.err != nil:
		return nil, t.err
	case !t.ended && t.system.Uname == "" && !r.site.root && status != 0 && status != 97:
		return nil, fmt.Errorf("the program did not start as root (exit status %d): %s; log in as root, "+
			"give %s passwordless sudo, or set execute_command", status, quoteLog(stderr, t.log), r.site.login)
	case !t.ended:
		return nil, fmt.Errorf("the program in the guest ended early (%s): %s",
			statusText(status), quoteLog(stderr, t.log))
	case t.failure != "":
		return nil, errors.New(t.failure + logEnd(t.log))
	}
	rep, err := t.report(r.opts.Mode)
	if err != nil {
		return nil, err
	}
	rep.Skipped = r.opts.Skip
	return rep, nil
}

// logEnd quotes the last lines, where anything was printed at all.
func logEnd(log []string) string {
	if len(log) == 0 {
		return ""
	}
	return "; the guest's log ends:\n" + indent(log, 15)
}

func statusText(status int) string {
	switch status {
	case packersdk.CmdDisconnect:
		return "the connection was lost"
	case 124, 137:
		return fmt.Sprintf("exit status %d, as after a time-out", status)
	}
	return fmt.Sprintf("exit status %d", status)
}

func quoteLog(stderr string, log []string) string {
	lines := log
	for line := range strings.Lines(stderr) {
		lines = append(lines, clean(strings.TrimSpace(line)))
	}
	if len(lines) == 0 {
		return "it said nothing"
	}
	return "\n" + indent(lines, 15)
}

// indent returns the last n lines, each set in by two spaces.
func indent(lines []string, n int) string {
	lines = lines[max(0, len(lines)-n):]
	return "  " + strings.Join(lines, "\n  ")
}

// askToStop tells a program that still runs to stop at its next safe point and
// to remove its folder: a cancelled context does not end the remote command.
func (r *run) askToStop() {
	_, _ = r.short(context.Background(), "touch "+r.site.folder+"/stop")
}

// leave removes the work folder after a program that could not do it itself. It
// needs root only where the program made folders of its own in it.
func (r *run) leave() error {
	if r.site.folder == "" {
		return nil
	}
	if _, err := r.short(context.Background(), "rm -rf "+r.site.folder); err == nil {
		return nil
	}
	elevated, err := r.opts.ExecuteCommand(Invocation{
		Command: "rm -rf " + r.site.folder, Root: r.site.root, Login: r.site.login,
	})
	if err != nil {
		return err
	}
	if _, err := r.short(context.Background(), elevated); err != nil {
		return fmt.Errorf("remove %s in the guest: %w", r.site.folder, err)
	}
	return nil
}

// short runs a command that says little and ends soon.
func (r *run) short(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, shortTimeout)
	defer cancel()
	stdout := &guarded{w: &tail{max: 8 << 10}}
	stderr := &guarded{w: &tail{max: 8 << 10}}
	status, err := r.start(ctx, command, stdout, stderr)
	stdout.close()
	stderr.close()
	switch {
	case err != nil:
		return "", err
	case status != 0:
		return "", fmt.Errorf("%s: %s", statusText(status), quoteLog(stderr.w.(*tail).String(), nil))
	}
	return stdout.w.(*tail).String(), nil
}

// start runs a command and waits for its end, or the context's.
func (r *run) start(ctx context.Context, command string, stdout, stderr *guarded) (status int, err error) {
	cmd := &packersdk.RemoteCmd{Command: command, Stdout: stdout, Stderr: stderr}
	if err := r.comm.Start(ctx, cmd); err != nil {
		return 0, err
	}
	done := make(chan int, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case status := <-done:
		return status, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// guarded lets a command that outlives its run write into nothing.
type guarded struct {
	mu     sync.Mutex
	w      interface{ Write([]byte) (int, error) }
	closed bool
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return len(p), nil
	}
	return g.w.Write(p)
}

func (g *guarded) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// tail keeps the last max bytes.
type tail struct {
	max  int
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p[max(0, len(p)-t.max):]...)
	t.data = t.data[max(0, len(t.data)-t.max):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.data) }
