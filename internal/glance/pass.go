package glance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// progressStep is how many bytes pass between two calls of Progress.Sent.
const progressStep = 1 << 20

// pass is one reading of a source from its first byte, which hashes and counts
// what goes by. The transport may still be reading when an answer is there, and
// closes the body when it likes, so every method locks.
type pass struct {
	mutex  sync.Mutex
	reader *ahead
	size   int64
	read   int64
	told   int64
	err    error
	closed bool
	beat   func(read int64)
	sent   func(read int64)
}

// openPass opens the source, to be hashed by the algorithms. beat is called at each Read, sent every
// progressStep bytes; neither may be nil.
func openPass(source Source, algorithms []string, beat, sent func(read int64)) (*pass, error) {
	reader, err := source.Open()
	if err != nil {
		return nil, &sourceError{err}
	}
	return &pass{reader: readAhead(reader, algorithms), size: source.Size(), beat: beat, sent: sent}, nil
}

// Read implements io.Reader for the transport.
func (p *pass) Read(buffer []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		return 0, os.ErrClosed
	}
	p.beat(p.read)
	n, err := p.next(buffer)
	if p.read-p.told >= progressStep || (p.read == p.size && p.told != p.size) {
		p.told = p.read
		p.sent(p.read)
	}
	return n, err
}

// Close implements io.Closer for the transport, which reads no more after it.
func (p *pass) Close() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = true
	return nil
}

// whole takes the reading over from the transport, reads what it left, and
// returns the sums of the whole source, which is then known to be unchanged.
func (p *pass) whole() (Sums, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = true
	buffer := make([]byte, 64<<10)
	for p.err == nil {
		_, _ = p.next(buffer)
	}
	if !errors.Is(p.err, io.EOF) {
		return nil, p.err
	}
	return p.reader.sums(), nil
}

// skim reads to the end, or as long as ctx lasts.
func (p *pass) skim(ctx context.Context) error {
	buffer := make([]byte, blockSize)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := p.Read(buffer); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// end closes the source. A fault in closing what was only read loses nothing.
func (p *pass) end() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = true
	_ = p.reader.Close()
}

// failure returns why the source could not be read, nil while it could.
func (p *pass) failure() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if errors.Is(p.err, io.EOF) {
		return nil
	}
	return p.err
}

// next reads, counts and judges; the caller holds the mutex.
func (p *pass) next(buffer []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.reader.Read(buffer)
	p.read += int64(n)
	p.err = p.judge(err)
	return n, p.err
}

// judge turns what the reader said into io.EOF only for a whole source.
func (p *pass) judge(err error) error {
	switch {
	case p.read > p.size || (errors.Is(err, io.EOF) && p.read < p.size):
		return &sourceError{fmt.Errorf("it gave %d bytes and not %d: %w", p.read, p.size, errChanged)}
	case err == nil || errors.Is(err, io.EOF):
		return err
	}
	return &sourceError{err}
}

// sourceError is a fault of what is sent, not of where it is sent to.
type sourceError struct {
	err error
}

// Error implements error.
func (e *sourceError) Error() string {
	return "read what is to be sent: " + e.err.Error()
}

// Unwrap makes the cause known to errors.Is.
func (e *sourceError) Unwrap() error {
	return e.err
}
