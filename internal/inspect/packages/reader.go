package packages

import "io"

// chunks reads what its next gives piece by piece; next returns io.EOF, or
// nothing, at the end.
type chunks struct {
	next  func() ([]byte, error)
	ahead []byte
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		var err error
		if c.ahead, err = c.next(); err != nil {
			return 0, err
		}
		if len(c.ahead) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}
