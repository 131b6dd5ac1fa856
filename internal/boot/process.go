package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// process is a running QEMU.
type process struct {
	cmd *exec.Cmd
	// ended is closed when it has; err and complaints are then set.
	ended      chan struct{}
	err        error
	complaints bounded
}

// bounded keeps the first bytes written to it.
type bounded struct {
	mu   sync.Mutex
	text bytes.Buffer
}

const maxComplaints = 16 << 10

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Write(p[:min(len(p), maxComplaints-b.text.Len())])
	return len(p), nil
}

func (b *bounded) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.TrimSpace(b.text.String())
}

// startProcess starts the program of a machine.
func startProcess(m *machine) (*process, error) {
	// It is killed by kill, after what it shows has been kept.
	cmd := exec.CommandContext(context.Background(), m.arch.program, m.arguments()...)
	p := &process{cmd: cmd, ended: make(chan struct{})}
	p.cmd.Stderr = &p.complaints
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		// The kernel ends the child with the thread that started it (prctl(2),
		// PR_SET_PDEATHSIG), so the thread stays as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%s is not installed; it is in the Debian package %s", m.arch.program, m.arch.pkg)
		}
		return nil, fmt.Errorf("start %s: %w", m.arch.program, err)
	}
	return p, nil
}

// hasEnded reports whether QEMU is gone.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// failure says why QEMU ended although it should not have.
func (p *process) failure() error {
	complaint := p.complaints.String()
	if complaint == "" {
		complaint = "without a word"
	}
	return fmt.Errorf("%s ended by itself (%v): %s", p.cmd.Path, p.cmd.ProcessState, complaint)
}

// kill ends QEMU and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended by itself.
	<-p.ended
}
