package glance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// errStalled is why a transfer was ended from our side.
var errStalled = errors.New("the transfer stalled")

// send gives Glance the data, again from the first byte when a transfer breaks
// and what Glance then says of the image allows it, since the protocol has no
// way to resume.
func (p *publication) send(ctx context.Context) (Sums, error) {
	for attempt := 1; ; attempt++ {
		sums, err := p.attempt(ctx, attempt)
		if err == nil {
			return sums, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("send the data: %w", context.Cause(ctx))
		}
		if p.detour(ctx, err) {
			continue
		}
		var again *againError
		if !errors.As(err, &again) {
			return nil, fmt.Errorf("send the data: %w%s", err, advice(err))
		}
		if attempt >= p.patience.Attempts {
			return nil, fmt.Errorf("send the data: given up after %d attempts, the last ended with: %w", attempt, again.reason)
		}
		if err := p.prepare(ctx, attempt, again); err != nil {
			return nil, err
		}
	}
}

// detour reports whether the data can go by import, where a policy forbids to
// send them straight (Glance, upload_image) and nobody asked for that way.
func (p *publication) detour(ctx context.Context, err error) bool {
	if codeOf(err) != http.StatusForbidden || p.route.method != MethodPut || p.spec.Sending.method() != MethodAuto {
		return false
	}
	cloud, askErr := p.offer(ctx)
	if askErr != nil || !slices.Contains(cloud.methods, "glance-direct") {
		return false
	}
	p.route.method = MethodImport
	p.progress.Step(fmt.Sprintf("sending by import: this Glance offers it, and forbids a PUT (%v)", err))
	return true
}

// againError tells that a new attempt is in order.
type againError struct {
	reason error
	// recreate tells that it needs a new image.
	recreate bool
}

// Error implements error.
func (e *againError) Error() string {
	return e.reason.Error()
}

// prepare waits a moment and makes a new image if the old one is of no use.
func (p *publication) prepare(ctx context.Context, attempt int, again *againError) error {
	p.progress.Step(fmt.Sprintf("sending again from the first byte, attempt %d of %d, since the last one ended with: %v", attempt+1, p.patience.Attempts, again.reason))
	if err := sleep(ctx, p.pause(attempt-1, again.reason)); err != nil {
		return fmt.Errorf("send the data: %w", err)
	}
	if !again.recreate {
		return nil
	}
	if err := p.remove(ctx); err != nil {
		return fmt.Errorf("remove image %s, which can not be sent to any more: %w", p.id, err)
	}
	return p.create(ctx)
}

// attempt brings the source to its stores once.
func (p *publication) attempt(ctx context.Context, attempt int) (Sums, error) {
	switch p.route.method {
	case MethodWebDownload:
		return p.fetch(ctx)
	case MethodImport:
		sums, err := p.transfer(ctx, attempt)
		if err != nil {
			return nil, err
		}
		return sums, p.importStaged(ctx)
	}
	return p.transfer(ctx, attempt)
}

// target is where the data are sent to.
func (p *publication) target() target {
	to := target{id: p.id, place: "file"}
	switch {
	case p.route.method == MethodImport:
		to.place = "stage"
	case len(p.route.stores) == 1:
		to.store = p.route.stores[0]
	}
	return to
}

// transfer sends the source once and judges how it went.
func (p *publication) transfer(ctx context.Context, attempt int) (Sums, error) {
	total := p.source.Size()
	token := p.freshToken(ctx, total)
	watched, dog := newWatchdog(ctx, p.patience)
	defer dog.stop()
	reading, err := openPass(p.source, transferred(), dog.beat(total), func(sent int64) { p.progress.Sent(sent, total) })
	if err != nil {
		return nil, err
	}
	defer reading.end()
	p.progress.Step(fmt.Sprintf("sending %d bytes to image %s", total, p.id))
	p.progress.Sent(0, total)
	err = p.put(watched, p.target(), reading, total, token)
	if err == nil {
		return reading.whole()
	}
	err = ended(watched, err)
	switch {
	case ctx.Err() != nil:
		return nil, err
	case reading.failure() != nil:
		return nil, reading.failure()
	case codeOf(err) == http.StatusUnauthorized:
		if renewed := p.renew(ctx, token); renewed != nil {
			return nil, renewed
		}
	case !passing(err) && !gone(err) && (codeOf(err) != http.StatusConflict || attempt == 1):
		return nil, err
	}
	return p.recover(ctx, reading, err)
}

// recover asks Glance what became of the image of a broken transfer.
func (p *publication) recover(ctx context.Context, reading *pass, reason error) (Sums, error) {
	image, err := p.settled(ctx)
	switch {
	case gone(err):
		return nil, &againError{reason: reason, recreate: true}
	case err != nil:
		return nil, errors.Join(reason, fmt.Errorf("see what became of image %s: %w", p.id, err))
	}
	switch {
	case image.Status == "active", p.staged(image):
		p.progress.Step(fmt.Sprintf("the answer was lost (%v), but Glance has the data", reason))
		return reading.whole()
	case image.Status == "queued":
		return nil, &againError{reason: reason}
	}
	return nil, &againError{reason: fmt.Errorf("%w; Glance left the image %s", reason, image.Status), recreate: true}
}

// settled waits until Glance has noticed that a transfer is over.
func (p *publication) settled(ctx context.Context) (*Image, error) {
	end := time.Now().Add(p.patience.Settle)
	for tries := 0; ; tries++ {
		image, err := p.look(ctx)
		if err != nil || !busy(image.Status) || p.staged(image) || time.Now().After(end) {
			return image, err
		}
		if err := sleep(ctx, p.pause(tries, nil)); err != nil {
			return nil, err
		}
	}
}

// staged tells that the staging area has all data: Glance says the size only
// then (stage of glance/api/v2/image_data.py).
func (p *publication) staged(image *Image) bool {
	return p.route.method == MethodImport && image.Status == "uploading" && image.Size == p.source.Size()
}

// busy tells whether Glance is still at work on an image (doc/source/user/statuses.rst).
func busy(status string) bool {
	return status == "saving" || status == "uploading" || status == "importing"
}

// watchdog ends a transfer that does not get on, however long it may take as a
// whole.
type watchdog struct {
	timer    *time.Timer
	end      context.CancelCauseFunc
	patience Patience
}

func newWatchdog(ctx context.Context, patience Patience) (context.Context, *watchdog) {
	ctx, end := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience.Idle, func() {
		end(fmt.Errorf("%w: no byte was taken for %v, or no answer given for %v after the last one", errStalled, patience.Idle, patience.Answer))
	})
	return ctx, &watchdog{timer: timer, end: end, patience: patience}
}

// beat returns what is to be called with the bytes read so far whenever the
// transport asks for more.
func (w *watchdog) beat(total int64) func(int64) {
	return func(read int64) {
		if read >= total {
			w.timer.Reset(w.patience.Answer)
			return
		}
		w.timer.Reset(w.patience.Idle)
	}
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.end(nil)
}
