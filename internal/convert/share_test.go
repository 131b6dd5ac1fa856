package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// counting counts how often a source is read.
type counting struct {
	Source
	readings atomic.Int64
}

func (c *counting) Open() (io.ReadCloser, error) {
	c.readings.Add(1)
	return c.Source.Open()
}

// reading is how a part is read. No bytes and no error stand for one that was
// given up.
type reading = func(*Part) ([]byte, map[string]string, error)

func compare(read reading, part *Part, want []byte, sha512 string) error {
	got, sums, err := read(part)
	switch {
	case err != nil || got == nil:
		return err
	case !bytes.Equal(got, want):
		return fmt.Errorf("got %d bytes that are not the %d of the disk", len(got), len(want))
	case sums != nil && sums["sha512"] != sha512:
		return fmt.Errorf("sha512 is %s, want %s", sums["sha512"], sha512)
	}
	return nil
}

func whole(p *Part) ([]byte, map[string]string, error) { return readSlowly(p, 0) }

// slow takes a rest after the first byte that is longer than others wait.
func slow(p *Part) ([]byte, map[string]string, error) {
	return readSlowly(p, 300*time.Millisecond)
}

func late(p *Part) ([]byte, map[string]string, error) {
	time.Sleep(300 * time.Millisecond)
	return readSlowly(p, 0)
}

func readSlowly(p *Part, rest time.Duration) ([]byte, map[string]string, error) {
	reader, err := p.Open()
	if err != nil {
		return nil, nil, err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(reader, first); err != nil {
		return nil, nil, err
	}
	time.Sleep(rest)
	got, err := io.ReadAll(reader)
	var sums map[string]string
	if m, ok := reader.(*member); ok {
		sums = m.Sums()
	}
	return append(first, got...), sums, errors.Join(err, reader.Close())
}

func leaves(p *Part) ([]byte, map[string]string, error) {
	p.Leave()
	return nil, nil, nil
}

func fails(p *Part) ([]byte, map[string]string, error) {
	reader, err := p.Open()
	if err != nil {
		return nil, nil, err
	}
	_, err = io.CopyN(io.Discard, reader, 3<<20)
	return nil, nil, errors.Join(err, reader.Close())
}

func retries(p *Part) ([]byte, map[string]string, error) {
	if _, _, err := fails(p); err != nil {
		return nil, nil, err
	}
	return readSlowly(p, 0)
}

func TestAFailureToReadReachesEveryReader(t *testing.T) {
	broken := errors.New("broken")
	parts := Share(stubborn{broken}, 2, time.Minute)
	errs := make(chan error, 2)
	for _, part := range parts {
		go func() {
			_, _, err := whole(part)
			errs <- err
		}()
	}
	for range parts {
		if err := <-errs; !errors.Is(err, broken) {
			t.Errorf("error = %v, want that of the source", err)
		}
	}
}

type stubborn struct{ err error }

func (stubborn) Size() int64                    { return 1 }
func (s stubborn) Open() (io.ReadCloser, error) { return nil, s.err }
