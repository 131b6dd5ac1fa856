package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
)

// The ports of the guest that are tried: SSH's, and one where nothing listens by
// itself.
const (
	sshPort   = 22
	otherPort = 22022
)

// sight is all that was seen of one run.
type sight struct {
	via      Via
	facts    *inspect.Facts
	instance *instance
	diskSize int64
	serial   string
	// slow is by how much longer things may take.
	slow time.Duration
	run  Run

	console string
	ssh     session
	other   reach
	// listened is what came of a listener that was started at the other port;
	// nil where none was started.
	listened *reach
	// told is what the witness told last, and by which way.
	told   facts
	toldBy string
	// methods are how an account without the key may get in, or why that could
	// not be asked.
	methods    []string
	methodsErr error
	agentSaid  string
	agentErr   error
	reboot     *rebooted
	// stopped is how long the power button took; stopErr says that it did not.
	stopped time.Duration
	stopErr error
	// requests are those that the metadata service got.
	requests []string
	// over says why the wait for a login ended without one.
	over string
	// timeUp: the run's time was over before it was at its end.
	timeUp bool
}

// rebooted is what was seen after a reboot.
type rebooted struct {
	told    facts
	hostKey string
	err     error
}

// live is a run that goes on.
type live struct {
	*sight
	options *Options
	users   []string
	machine *machine
	process *process
	monitor *monitor
	screen  *console
	service *service
	ports   map[int]int
	on      time.Time
	rest    rest
}

// run boots the image once; the last run also reboots.
func (p *prover) run(ctx context.Context, via Via, last bool) (_ *sight, err error) {
	m, err := p.newMachine(ctx, via)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(m.dir)) }()
	l := &live{options: &p.options, users: p.users(), machine: m, sight: &sight{
		via: via, facts: p.options.Facts, instance: m.instance, diskSize: p.options.DiskSize,
		serial: p.arch.serial, slow: p.accelerator.slowness(), run: Run{Via: via},
	}}
	limit, cancel := p.limit(ctx, via)
	defer cancel()
	if err := l.start(limit); err != nil {
		return nil, errors.Join(err, l.stop())
	}
	l.watch(limit, last && !p.options.NoReboot)
	l.keep()
	err = l.stop()
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return nil, errors.Join(cause, err)
	}
	return l.sight, err
}

// limit gives a run its share of what time is left.
func (p *prover) limit(ctx context.Context, via Via) (context.Context, context.CancelFunc) {
	deadline, _ := ctx.Deadline()
	runs := len(p.options.Via)
	for i, v := range p.options.Via {
		if v == via {
			runs -= i
		}
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(runs))
}

func (l *live) start(ctx context.Context) (err error) {
	l.stage(Firmware, "under "+l.machine.accelerator.String())
	if l.options.LogDir != "" {
		l.run.ConsoleLog = filepath.Join(l.options.LogDir, string(l.via)+".console.log")
	}
	if l.screen, err = listenConsole(l.machine.path(consoleSocket), l.run.ConsoleLog); err != nil {
		return err
	}
	if l.via == Metadata {
		if err := l.serve(); err != nil {
			return err
		}
	}
	return l.powerOn(ctx)
}

// powerOn starts the machine, for the first time or again.
func (l *live) powerOn(ctx context.Context) (err error) {
	if l.process, err = startProcess(l.machine); err != nil {
		return err
	}
	ready, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-l.process.ended:
			cancel(l.process.failure())
		case <-ready.Done():
		}
	}()
	if l.monitor, err = connectMonitor(ready, l.machine.path(qmpSocket)); err != nil {
		return err
	}
	if l.ports, err = l.monitor.forwards(ready); err != nil {
		return err
	}
	l.on = time.Now()
	return l.monitor.run(ready, "cont", nil, nil)
}

// stop ends whatever is there.
func (l *live) stop() error {
	var err error
	if l.ssh.client != nil {
		_ = l.ssh.client.Close() // The guest is gone.
	}
	if l.process != nil {
		l.process.kill()
	}
	if l.monitor != nil {
		err = errors.Join(err, l.monitor.close())
	}
	if l.service != nil {
		err = errors.Join(err, l.service.close())
	}
	if l.screen != nil {
		err = errors.Join(err, l.screen.close())
	}
	return err
}

func (l *live) stage(s Stage, detail string) {
	l.run.Stage = s
	l.options.Progress(l.via, s, detail)
}

func (l *live) since() float64 { return time.Since(l.on).Seconds() }

// watch waits for the guest and collects what it shows.
func (l *live) watch(ctx context.Context, reboot bool) {
	l.await(ctx)
	if l.ssh.reach == entered {
		l.stage(SSH, fmt.Sprintf("as %s after %.0f s", l.ssh.user, l.since()))
		l.run.SSHSeconds, l.run.User = l.since(), l.ssh.user
		l.stage(Proofs, "")
		l.question(ctx)
		l.run.ProvedSeconds = l.since()
	} else {
		l.stage(l.run.Stage, "no login by SSH: "+l.over)
	}
	if l.told == nil {
		said, _ := l.screen.said()
		l.told, _ = readFacts(said, l.instance.nonce)
		l.toldBy = "its user data, on the serial console"
	}
	if l.other == silent {
		l.other = l.knock(ctx, otherPort)
	}
	l.askAgent(ctx)
	l.picture(ctx)
	l.powerOff(ctx)
	if reboot && l.ssh.reach == entered && l.stopErr == nil {
		l.rebootOnce(ctx)
	}
	l.timeUp = ctx.Err() != nil
}

// keep takes over what is needed after the machine is gone.
func (l *live) keep() {
	said, _ := l.screen.said()
	l.console = plain(said)
	l.run.console, l.run.Over = l.console, l.over
	l.run.LastLines = tail(said, l.instance.nonce, 15)
	if l.service != nil {
		l.requests = l.service.seen()
	}
}

// await tries SSH until it lets us in, or until nothing more can be hoped for.
func (l *live) await(ctx context.Context) {
	progress := time.Now()
	for {
		l.over = l.hopeless(ctx, progress)
		if l.over != "" {
			return
		}
		before := l.ssh.reach
		tried := attempt(ctx, l.ports[sshPort], l.users, l.instance.signer, l.slow)
		if tried.reach >= before {
			l.ssh = tried
		}
		if l.ssh.reach == entered {
			return
		}
		if l.ssh.reach > before {
			progress = time.Now()
		}
		l.follow()
		l.rest.look(ctx, l.monitor, l.process)
		pause(ctx, time.Second)
	}
}

// follow tells of the stages that the console shows.
func (l *live) follow() {
	said, _ := l.screen.said()
	said = plain(said)
	if l.run.Stage == Firmware && (kernelLine.MatchString(said) || loginLine.MatchString(said)) {
		l.stage(Kernel, fmt.Sprintf("after %.0f s", l.since()))
	}
	if l.run.LoginSeconds == 0 && loginLine.MatchString(said) {
		l.run.LoginSeconds = l.since()
		l.stage(Login, fmt.Sprintf("after %.0f s", l.since()))
	}
}

// The times without any progress after which a guest is taken to be where it
// will stay; they are multiplied on an emulated processor.
const (
	quietAfterWitness = 5 * time.Second
	quietAfterStuck   = 3 * time.Second
	quietAfterLogin   = 15 * time.Second
)

// hopeless says why no login is to be expected any more; "" while one is.
func (l *live) hopeless(ctx context.Context, progress time.Time) string {
	if l.process.hasEnded() {
		return "the machine has ended: " + l.process.failure().Error()
	}
	if ctx.Err() != nil {
		return fmt.Sprintf("the time was over after %.0f s", l.since())
	}
	said, silent := l.screen.said()
	said = plain(said)
	quiet := min(silent, time.Since(progress))
	if _, whole := readFacts(said, l.instance.nonce); whole && quiet > quietAfterWitness*l.slow {
		return "the user data has run, so the boot is at its end"
	}
	if line := stuck.FindString(said); line != "" && quiet > quietAfterStuck*l.slow {
		return fmt.Sprintf("the console says %q", strings.TrimSpace(line))
	}
	atEnd := l.ssh.reach >= banner || loginLine.MatchString(said) || finished.MatchString(said)
	if atEnd && quiet > max(quietAfterLogin*l.slow, time.Since(l.on)/4) {
		return fmt.Sprintf("the boot is at its end, and nothing new was seen for %.0f s", quiet.Seconds())
	}
	if l.ssh.reach < banner && min(quiet, l.rest.lasted()) > atRest {
		return fmt.Sprintf("for %.0f s the guest has read nothing from its disk, its processors rest, and nothing new was seen", l.rest.lasted().Seconds())
	}
	return ""
}

// knock tries a port of the guest.
func (l *live) knock(ctx context.Context, port int) reach {
	conn, _, r, _ := greet(ctx, l.ports[port], patience*l.slow) // How far it came says all.
	if conn != nil {
		_ = conn.Close() // Only its first words were wanted.
	}
	return r
}

// picture keeps what stands on the display.
func (l *live) picture(ctx context.Context) {
	if l.process.hasEnded() {
		return
	}
	// The display of a guest whose time is over is what people want to see.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pictureLimit)
	defer cancel()
	b, err := screenshot(ctx, l.monitor, l.machine.path("screen.ppm"))
	if err != nil {
		return // The machine may end at any time.
	}
	l.run.picture = b
	if l.options.LogDir == "" {
		return
	}
	name := filepath.Join(l.options.LogDir, string(l.via)+".screen.png")
	if os.WriteFile(name, b, 0o644) == nil {
		l.run.Screenshot = name
	}
}

// pictureLimit is how long QEMU may take for a screenshot.
const pictureLimit = 10 * time.Second

// powerLimit is Nova's shutdown_timeout.
const powerLimit = 60 * time.Second

// powerOff presses the power button and waits for the guest to obey.
func (l *live) powerOff(ctx context.Context) {
	if l.process.hasEnded() {
		l.stopErr = errors.New("the machine had ended before its power button was pressed")
		return
	}
	l.stage(Shutdown, "")
	pressed := time.Now()
	if err := l.monitor.run(ctx, "system_powerdown", nil, nil); err != nil {
		l.stopErr = err
		return
	}
	limit := powerLimit * l.slow
	select {
	case <-l.process.ended:
		l.stopped = time.Since(pressed)
	case <-time.After(limit):
		l.stopErr = fmt.Errorf("the machine still ran %s after its power button was pressed", limit)
	case <-ctx.Done():
		l.stopErr = fmt.Errorf("the time was over %.0f s after the power button was pressed: %w", time.Since(pressed).Seconds(), context.Cause(ctx))
	}
}
