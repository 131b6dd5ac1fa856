package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxConsole bounds what is kept of a console: an image may say without end.
const maxConsole = 16 << 20

// console takes in what a machine says on its serial port.
type console struct {
	listener net.Listener
	file     *os.File // nil where none is kept

	mu   sync.Mutex
	text bytes.Buffer
	// last is when something came last.
	last time.Time
	err  error
	done chan struct{}
}

// listenConsole takes a machine's connections at the socket; what it says is
// also kept in the file, where that is not empty.
func listenConsole(socket, file string) (*console, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen for the serial console: %w", err)
	}
	c := &console{listener: listener, done: make(chan struct{}), last: time.Now()}
	if file != "" {
		if c.file, err = os.Create(file); err != nil {
			return nil, errors.Join(fmt.Errorf("keep the console log: %w", err), listener.Close())
		}
	}
	go c.read()
	return c, nil
}

// read takes one connection after another: a machine that is started again
// comes again.
func (c *console) read() {
	defer close(c.done)
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // Closed.
		}
		c.copy(conn)
	}
}

func (c *console) copy(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	block := make([]byte, 32<<10)
	for {
		n, err := conn.Read(block)
		c.take(block[:n])
		if err != nil {
			return
		}
	}
}

func (c *console) take(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	b = b[:min(len(b), maxConsole-c.text.Len())]
	c.text.Write(b)
	if c.file == nil || c.err != nil {
		return
	}
	if _, err := c.file.Write(b); err != nil {
		c.err = fmt.Errorf("keep the console log: %w", err)
	}
}

// close ends the listening and tells whether the log was kept whole.
func (c *console) close() error {
	err := c.listener.Close()
	select {
	case <-c.done:
	case <-time.After(time.Second): // A machine that is still there; it is killed next.
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		err = errors.Join(err, c.err, c.file.Close())
	}
	return err
}

// said returns all that came, and how long nothing has come since.
func (c *console) said() (text string, silent time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String(), time.Since(c.last)
}

var (
	escapes    = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_]|\][^\x07\x1b]*(\x07|\x1b\\))`)
	kernelLine = regexp.MustCompile(`(?m)^\[ *\d+\.\d{6}\] .*$`)
	// loginLine is often followed by what the kernel says late.
	loginLine = regexp.MustCompile(`(?m)^\S* ?login: ?($|\[ *\d+\.\d{6}\])`)
	// stuck is what is said by a machine that will come no further.
	stuck = regexp.MustCompile(`(?m)^.*(Kernel panic - not syncing|VFS: Unable to mount root|Entering emergency mode|` +
		`You are in emergency mode|ALERT! .* does not exist|^grub rescue>|No bootable device|^\(initramfs\)).*$`)
	// finished is cloud-init's own word at the end of its last stage.
	finished = regexp.MustCompile(`(?m)^.*Cloud-init v\. \S+ finished at .*$`)
)

// plain is a console's text without what steers a terminal.
func plain(text string) string {
	text = escapes.ReplaceAllString(text, "")
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

// tail returns the last n lines that hold something, but for the witness's.
func tail(text, nonce string, n int) []string {
	var lines []string
	for line := range strings.Lines(plain(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, nonce) {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-n):]
}

// screenshot asks QEMU for the display and returns it as PNG.
func screenshot(ctx context.Context, m *monitor, path string) ([]byte, error) {
	if err := m.run(ctx, "screendump", map[string]any{"filename": path}, nil); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return pngOf(io.LimitReader(f, maxScreen))
}
