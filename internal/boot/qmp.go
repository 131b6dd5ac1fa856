package boot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"
)

// monitor speaks QMP, QEMU's machine protocol, with one machine.
type monitor struct {
	conn net.Conn
	// answers holds the answer to the command that waits for one.
	answers chan answer
	// gone is closed when QEMU is.
	gone chan struct{}
}

type answer struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
}

// maxAnswer bounds one line of the monitor.
const maxAnswer = 1 << 20

// answerLimit is how long QEMU may take for a command; none waits for a guest.
const answerLimit = 30 * time.Second

// connectMonitor waits for the socket and makes the monitor take commands.
func connectMonitor(ctx context.Context, path string) (*monitor, error) {
	conn, err := dialSocket(ctx, path)
	if err != nil {
		return nil, err
	}
	m := &monitor{conn: conn, answers: make(chan answer, 1), gone: make(chan struct{})}
	go m.read()
	if err := m.run(ctx, "qmp_capabilities", nil, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return m, nil
}

// dialSocket connects to a socket that a program which has just been started
// will make.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// pause waits and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (m *monitor) read() {
	defer close(m.gone)
	lines := bufio.NewScanner(m.conn)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			return
		}
		if a.Return == nil && a.Error == nil {
			continue // An event, or the greeting.
		}
		select {
		case m.answers <- a:
		default: // Nobody waits for it any more.
		}
	}
}

// run gives a command and waits for its answer, which goes into result where
// that is not nil.
func (m *monitor) run(ctx context.Context, command string, arguments map[string]any, result any) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if _, err := m.conn.Write(append(asJSON(request), '\n')); err != nil {
		return fmt.Errorf("give QEMU the command %s: %w", command, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for QEMU's answer to %s: %w", command, context.Cause(ctx))
	case <-m.gone:
		return fmt.Errorf("wait for QEMU's answer to %s: QEMU has ended", command)
	case a := <-m.answers:
		if a.Error != nil {
			return fmt.Errorf("QEMU refuses %s: %s", command, a.Error.Desc)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Return, result)
	}
}

var forwarded = regexp.MustCompile(`(?m)^\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)\s`)

// forwards returns the port of this machine by which each forwarded port of the
// guest is reached.
func (m *monitor) forwards(ctx context.Context) (map[int]int, error) {
	var said string
	err := m.run(ctx, "human-monitor-command", map[string]any{"command-line": "info usernet"}, &said)
	if err != nil {
		return nil, err
	}
	ports := map[int]int{}
	for _, match := range forwarded.FindAllStringSubmatch(said, -1) {
		here, _ := strconv.Atoi(match[1])
		guest, _ := strconv.Atoi(match[2])
		ports[guest] = here
	}
	return ports, nil
}

// diskReads counts the reads of all disks.
func (m *monitor) diskReads(ctx context.Context) (int64, error) {
	var devices []struct {
		Stats struct {
			Reads int64 `json:"rd_operations"`
		} `json:"stats"`
	}
	if err := m.run(ctx, "query-blockstats", nil, &devices); err != nil {
		return 0, err
	}
	var reads int64
	for _, d := range devices {
		reads += d.Stats.Reads
	}
	return reads, nil
}

func (m *monitor) close() error { return m.conn.Close() }
