package glance

import (
	"encoding/hex"
	"hash"
	"io"
	"maps"
	"sync"
)

const (
	blockSize  = 1 << 20
	blockCount = 4
)

// ahead reads a source and hashes it beside the transfer, a few blocks before
// they are sent: one after the other they would take the sum of both times.
type ahead struct {
	source io.ReadCloser
	// hashes are none where the source hashes by itself.
	hashes map[string]hash.Hash

	free chan []byte
	full chan block
	quit chan struct{}
	done chan struct{}

	current block
	rest    []byte
}

// block is what was read at once; err, if any, comes after the data.
type block struct {
	data []byte
	err  error
}

// summed is a reader that knows the sums of what it gave once it has given
// io.EOF, by the names of Sums. What is read once for several is hashed once.
type summed interface {
	Sums() map[string]string
}

func readAhead(source io.ReadCloser, algorithms []string) *ahead {
	a := &ahead{
		source: source,
		free:   make(chan []byte, blockCount),
		full:   make(chan block, blockCount),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	if _, ok := source.(summed); !ok {
		a.hashes = newHashes(algorithms)
	}
	for range blockCount {
		a.free <- make([]byte, blockSize)
	}
	go a.run()
	return a
}

// Read implements io.Reader.
func (a *ahead) Read(buffer []byte) (int, error) {
	if len(a.rest) == 0 && a.current.err == nil {
		a.advance()
	}
	if len(a.rest) == 0 {
		return 0, a.current.err
	}
	n := copy(buffer, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (a *ahead) Close() error {
	close(a.quit)
	<-a.done
	return a.source.Close()
}

// sums returns the hashes of everything; Read must have returned io.EOF.
func (a *ahead) sums() Sums {
	if known, ok := a.source.(summed); ok {
		return maps.Clone(known.Sums())
	}
	sums := Sums{}
	for name, sum := range a.hashes {
		sums[name] = hex.EncodeToString(sum.Sum(nil))
	}
	return sums
}

// advance hands the used block back and takes the next one that has something
// to tell.
func (a *ahead) advance() {
	for len(a.rest) == 0 && a.current.err == nil {
		if a.current.data != nil {
			a.free <- a.current.data[:blockSize]
		}
		a.current = <-a.full
		a.rest = a.current.data
	}
}

func (a *ahead) run() {
	defer close(a.done)
	for {
		select {
		case buffer := <-a.free:
			next := fill(a.source, buffer)
			a.hash(next.data)
			// There is room: as many blocks fit as there are.
			a.full <- next
			if next.err != nil {
				return
			}
		case <-a.quit:
			return
		}
	}
}

// fill reads until the buffer is full. Unlike io.ReadFull it keeps the reader's
// own error, which may be io.ErrUnexpectedEOF.
func fill(reader io.Reader, buffer []byte) block {
	read := 0
	var err error
	for read < len(buffer) && err == nil {
		var n int
		n, err = reader.Read(buffer[read:])
		read += n
	}
	return block{data: buffer[:read], err: err}
}

func (a *ahead) hash(data []byte) {
	var all sync.WaitGroup
	for _, sum := range a.hashes {
		all.Go(func() {
			// hash.Hash never returns an error.
			_, _ = sum.Write(data)
		})
	}
	all.Wait()
}
