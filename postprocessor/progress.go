package postprocessor

import (
	"fmt"
	"strings"
	"sync"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

// progressInterval is how often transfers say how far they are, all of them in
// one line: often enough to show that they live, rarely enough for a log.
const progressInterval = 10 * time.Second

// narrator tells Packer's user how things go on in all clouds.
type narrator struct {
	ui packersdk.Ui
	// several has each sentence begin with the cloud's name.
	several bool

	mutex  sync.Mutex
	voices []*voice
	told   time.Time
}

// voice is one cloud's, and its glance.Progress.
type voice struct {
	*narrator
	name string
	// started is zero while nothing is being transferred.
	started     time.Time
	sent, total int64
}

func (n *narrator) cloud(name string) *voice {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	v := &voice{narrator: n, name: name}
	n.voices = append(n.voices, v)
	return v
}

// Step implements glance.Progress.
func (v *voice) Step(sentence string) {
	v.tell(v.ui.Say, sentence)
}

// Warn tells what went wrong without being the build's failure.
func (v *voice) Warn(sentence string) {
	v.tell(v.ui.Error, sentence)
}

func (v *voice) tell(say func(string), sentence string) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.started = time.Time{}
	if v.several {
		sentence = v.name + ": " + sentence
	}
	say(sentence)
}

// Sent implements glance.Progress.
func (v *voice) Sent(sent, total int64) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	now := time.Now()
	if v.started.IsZero() {
		v.started = now
		if v.told.IsZero() {
			v.told = now
		}
	}
	v.sent, v.total = sent, total
	if now.Sub(v.told) < progressInterval || sent == 0 {
		return
	}
	v.told = now
	v.ui.Say("  " + v.line(now))
}

// line says of every transfer how far it is.
func (n *narrator) line(now time.Time) string {
	var parts []string
	for _, v := range n.voices {
		if v.started.IsZero() || v.sent == v.total {
			continue
		}
		part := v.far(now)
		if n.several {
			part = v.name + " " + part
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "sent all, waiting for the answer"
	}
	return strings.Join(parts, "; ")
}

func (v *voice) far(now time.Time) string {
	if v.sent == 0 {
		return fmt.Sprintf("sent nothing yet of %s", report.Bytes(v.total))
	}
	elapsed := max(now.Sub(v.started), time.Millisecond)
	left := time.Duration(float64(elapsed) * float64(v.total-v.sent) / float64(v.sent))
	return fmt.Sprintf("sent %s of %s (%d%%), %s/s, about %s left",
		report.Bytes(v.sent), report.Bytes(v.total), v.sent*100/v.total,
		report.Bytes(int64(float64(v.sent)/elapsed.Seconds())), left.Round(time.Second))
}

// work tells how far something is that goes through the whole disk, before the
// sending.
type work struct {
	ui            packersdk.Ui
	done          string // in a word, such as converted
	started, told time.Time
}

func startWork(ui packersdk.Ui, done string) *work {
	now := time.Now()
	return &work{ui, done, now, now}
}

func (c *work) progress(done, total int64) {
	now := time.Now()
	if now.Sub(c.told) < progressInterval || done == 0 {
		return
	}
	c.told = now
	elapsed := now.Sub(c.started)
	left := time.Duration(float64(elapsed) * float64(total-done) / float64(done))
	c.ui.Sayf("  %s %s of %s (%d%%), %s/s, about %s left",
		c.done, report.Bytes(done), report.Bytes(total), done*100/total,
		report.Bytes(int64(float64(done)/elapsed.Seconds())), left.Round(time.Second))
}
