package glance

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// persist repeats what failed for a passing reason, for as long as one request
// may take.
func (c *Client) persist(ctx context.Context, try func() error) error {
	end := time.Now().Add(c.patience.Request)
	for tries := 0; ; tries++ {
		err := try()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return ended(ctx, err)
		}
		pause := c.pause(tries, err)
		if time.Now().Add(pause).After(end) {
			return err
		}
		if sleep(ctx, pause) != nil {
			return ended(ctx, err)
		}
	}
}

// pause grows with the tries, is spread so that parallel builds do not come
// together, and honours what the server asks for within reason.
func (c *Client) pause(tries int, err error) time.Duration {
	longest := 30 * c.patience.Pause
	pause := min(c.patience.Pause<<min(tries, 10), longest)
	var answer *ServerError
	if errors.As(err, &answer) {
		pause = max(pause, min(answer.RetryAfter, longest))
	}
	return pause/2 + randomBelow(pause)
}

// sleep returns early, with the reason, when ctx ends.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ended prefers why ctx ended to how the request showed it.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func randomBelow(limit time.Duration) time.Duration {
	var random [8]byte
	// crypto/rand.Read never returns an error since Go 1.24.
	_, _ = rand.Read(random[:])
	var number uint64
	for _, b := range random {
		number = number<<8 | uint64(b)
	}
	return time.Duration(number % uint64(max(limit, 1)))
}
