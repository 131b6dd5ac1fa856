package convert

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of what is read at once, and of how far a reader may be behind.
const (
	blockSize  = 1 << 20
	queueDepth = 4
)

// Part is one reader's share of a source that is read once for several: a
// Source too. Its first reading is the common one, if it is opened in time; each
// further one, as a retry needs it, is a reading of its own.
type Part struct {
	*shared
	opened bool
}

// shared is the common reading.
type shared struct {
	Source
	wait time.Duration

	mutex sync.Mutex
	// missing parts have neither been opened nor left.
	missing  int
	members  []*member
	started  bool
	gathered chan struct{}
}

// Share divides the source among n readers. The common reading begins when all
// have opened their part or left, or when the first one has waited for wait. A
// reader that keeps the others waiting for longer than wait is left to read on by
// itself, so that it costs no one else.
func Share(source Source, n int, wait time.Duration) []*Part {
	s := &shared{Source: source, wait: wait, missing: n, gathered: make(chan struct{})}
	parts := make([]*Part, n)
	for i := range parts {
		parts[i] = &Part{shared: s}
	}
	return parts
}

// Open implements Source.
func (p *Part) Open() (io.ReadCloser, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.opened || p.started {
		p.leave()
		return p.Source.Open()
	}
	m := &member{source: p.Source, queue: make(chan *block, queueDepth), gone: make(chan struct{})}
	p.members = append(p.members, m)
	if len(p.members) == 1 {
		go p.run()
	}
	p.leave()
	return m, nil
}

// Leave tells that the part will not be opened any more, so that nobody waits
// for it. It may be called at any time.
func (p *Part) Leave() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.leave()
}

func (p *Part) leave() {
	if p.opened {
		return
	}
	p.opened = true
	if p.missing--; p.missing == 0 {
		close(p.gathered)
	}
}

// block is a piece of the source. It goes back to the pool when all members
// that hold it have let it go.
type block struct {
	data    []byte
	holders atomic.Int32
	// err is set in the last one, which has no data; with io.EOF sums are there.
	err  error
	sums map[string]string
}

var pool = sync.Pool{New: func() any { return new([blockSize]byte) }}

func (b *block) release() {
	if b.holders.Add(-1) == 0 && cap(b.data) == blockSize {
		pool.Put((*[blockSize]byte)(b.data[:blockSize]))
	}
}

// run reads the source and hands every block to all members before it hashes
// it, so that reading, hashing and sending go on at the same time.
func (s *shared) run() {
	members := s.gather()
	stop := make(chan struct{})
	defer close(stop)
	sums := newHashes()
	for b := range s.blocks(stop) {
		if errors.Is(b.err, io.EOF) {
			b.sums = sums.text()
		}
		b.holders.Store(int32(len(members)) + 1)
		members = s.deliver(members, b, sums)
		sums.write(b.data)
		b.release()
		if len(members) == 0 {
			return
		}
	}
}

// gather waits for the members and ends the time to join.
func (s *shared) gather() []*member {
	select {
	case <-s.gathered:
	case <-time.After(s.wait):
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.started = true
	return s.members
}

// blocks reads ahead until the end, a failure, or stop.
func (s *shared) blocks(stop <-chan struct{}) <-chan *block {
	read := make(chan *block, 1)
	go func() {
		defer close(read)
		source, err := s.Open()
		if err != nil {
			source = io.NopCloser(failing{err})
		}
		// What was only read loses nothing when its closing fails.
		defer func() { _ = source.Close() }()
		for err = nil; err == nil; {
			buffer := pool.Get().(*[blockSize]byte)
			var n int
			n, err = fill(source, buffer[:])
			if !offer(read, &block{data: buffer[:n]}, stop) {
				return
			}
		}
		offer(read, &block{err: err}, stop)
	}()
	return read
}

// offer reports whether the block was taken before stop.
func offer(to chan<- *block, b *block, stop <-chan struct{}) bool {
	select {
	case to <- b:
		return true
	case <-stop:
		return false
	}
}

// failing is the reader of a source that could not be opened.
type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// fill reads until the buffer is full. Unlike io.ReadFull it keeps the reader's
// own error.
func fill(reader io.Reader, buffer []byte) (read int, err error) {
	for read < len(buffer) && err == nil {
		var n int
		n, err = reader.Read(buffer[read:])
		read += n
	}
	return read, err
}

// deliver hands the block to all members and returns those that took it.
func (s *shared) deliver(members []*member, b *block, before hashes) []*member {
	var left []*member
	for _, m := range members {
		patience := time.NewTimer(s.wait)
		select {
		case <-m.gone:
			b.release()
		case m.queue <- b:
			left = append(left, m)
		case <-patience.C:
			m.before = before.clone()
			close(m.queue)
			b.release()
		}
		patience.Stop()
	}
	return left
}

// member is one reader of the common reading.
type member struct {
	source Source
	queue  chan *block
	gone   chan struct{}
	once   sync.Once

	current *block
	rest    []byte
	off     int64
	sums    map[string]string

	// before are the sums of what was queued before the member was cut off, and
	// own is its reading from there.
	before hashes
	own    io.ReadCloser
}

// Read implements io.Reader.
func (m *member) Read(p []byte) (int, error) {
	for len(m.rest) == 0 && m.own == nil {
		if m.current != nil && m.current.err != nil {
			m.sums = m.current.sums
			return 0, m.current.err
		}
		if err := m.advance(); err != nil {
			return 0, err
		}
	}
	if m.own != nil {
		return m.readOn(p)
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	m.off += int64(n)
	return n, nil
}

func (m *member) advance() error {
	if m.current != nil {
		m.current.release()
	}
	next, ok := <-m.queue
	m.current = next
	if ok {
		m.rest = next.data
		return nil
	}
	var err error
	if m.own, err = openAt(m.source, m.off); err != nil {
		return fmt.Errorf("read on alone from offset %d: %w", m.off, err)
	}
	return nil
}

// openAt opens the source and goes to off.
func openAt(source Source, off int64) (io.ReadCloser, error) {
	reader, err := source.Open()
	if err != nil {
		return nil, err
	}
	if seeker, ok := reader.(io.Seeker); ok {
		_, err = seeker.Seek(off, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, reader, off)
	}
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return reader, nil
}

func (m *member) readOn(p []byte) (int, error) {
	n, err := m.own.Read(p)
	m.before.write(p[:n])
	if errors.Is(err, io.EOF) {
		m.sums = m.before.text()
	}
	return n, err
}

// Sums returns the hashes of everything in hexadecimal digits, by the names sha256
// and sha512, once Read has returned io.EOF.
func (m *member) Sums() map[string]string { return m.sums }

// Close implements io.Closer: the others go on without this reader.
func (m *member) Close() error {
	m.once.Do(func() { close(m.gone) })
	if m.own != nil {
		return m.own.Close()
	}
	return nil
}

// hashes are those by which Glance and its clients know data, by Glance's names
// for them. MD5 is not among them: it takes longer than both, and Glance tells it.
type hashes map[string]hash.Hash

func newHashes() hashes {
	return hashes{"sha256": sha256.New(), "sha512": sha512.New()}
}

// write hashes on all cores: each hash alone takes longer than reading.
func (h hashes) write(p []byte) {
	var all sync.WaitGroup
	for _, sum := range h {
		// hash.Hash never returns an error.
		all.Go(func() { _, _ = sum.Write(p) })
	}
	all.Wait()
}

func (h hashes) clone() hashes {
	copies := hashes{}
	for name, sum := range h {
		// The hashes of the standard library are cloners, and never fail.
		copied, _ := sum.(hash.Cloner).Clone()
		copies[name] = copied
	}
	return copies
}

func (h hashes) text() map[string]string {
	text := map[string]string{}
	for name, sum := range h {
		text[name] = hex.EncodeToString(sum.Sum(nil))
	}
	return text
}
