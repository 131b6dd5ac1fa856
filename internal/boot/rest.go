package boot

import (
	"context"
	"time"
)

// rest tells since when a guest has been at rest: it reads nothing from its
// disk, and its processors wait. Writing is no sign of a boot that goes on, as a
// journal is synchronised now and then.
type rest struct {
	looked time.Time
	reads  int64
	cpu    time.Duration
	since  time.Time
}

const (
	restWindow = 10 * time.Second
	// idleShare is what a guest at rest may use of one processor, for its clock
	// and its emulation.
	idleShare = 0.15
	// atRest is longer than a boot waits for what does not come: cloud-init for
	// a metadata service 120 s (sources/DataSourceEc2.py, url_max_wait).
	atRest = 3 * time.Minute
)

// look takes a look once in a window.
func (r *rest) look(ctx context.Context, m *monitor, p *process) {
	now := time.Now()
	window := now.Sub(r.looked)
	if window < restWindow {
		return
	}
	reads, err := m.diskReads(ctx)
	cpu, known := p.cpuTime()
	if err != nil || !known || reads != r.reads || (cpu-r.cpu).Seconds() > idleShare*window.Seconds() {
		r.since = now
	}
	r.looked, r.reads, r.cpu = now, reads, cpu
}

// lasted is how long the guest has been at rest.
func (r *rest) lasted() time.Duration { return r.looked.Sub(r.since) }
