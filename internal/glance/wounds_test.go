package glance

import (
	"context"
	"crypto/sha512"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/rs/zerolog"
)

const (
	// woundSeed is the environment variable that repeats an earlier run.
	woundSeed  = "OPENSTACK_READY_FAULT_SEED"
	wounds     = 200
	woundLanes = 4
)

// stallToxic passes some bytes and then holds the line, as a dead middle box
// does: nothing is closed and nothing is lost.
type stallToxic struct {
	Bytes int64 `json:"bytes"`
}

// Pipe implements toxics.Toxic.
func (s *stallToxic) Pipe(stub *toxics.ToxicStub) {
	for passed := int64(0); passed < s.Bytes; {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			stub.Output <- chunk
			passed += int64(len(chunk.Data))
		}
	}
	<-stub.Interrupt
}

// wound is one fault of the line between us and Glance, for a while.
type wound struct {
	kind   string
	toxics []string
	// after and lasts say when it begins and how long it goes on.
	after, lasts time.Duration
	// down takes the server away, cancel ends the publication.
	down, cancel bool
}

// roll draws a wound whose place is anywhere in a transfer of so many bytes.
func roll(random *rand.Rand, size int64) wound {
	up, down := random.Int64N(size+4096), random.Int64N(4000)
	short := time.Duration(random.Int64N(int64(time.Second)))
	w := wound{lasts: 100*time.Millisecond + short}
	toxic := func(kind, stream string, toxicity float64, attributes string) string {
		return fmt.Sprintf(`{"name": %q, "type": %q, "stream": %q, "toxicity": %v, "attributes": {%s}}`, kind+stream, kind, stream, toxicity, attributes)
	}
	bytes := func(count int64) string { return fmt.Sprintf(`"bytes": %d`, count) }
	// A reset_peer that touches no data still has every end become a reset.
	reset := toxic("reset_peer", "upstream", 0, `"timeout": 0`)
	kinds := []wound{
		{kind: "cut what is sent", toxics: []string{toxic("limit_data", "upstream", 1, bytes(up))}},
		{kind: "cut what is answered", toxics: []string{toxic("limit_data", "downstream", 1, bytes(down))}},
		{kind: "reset what is sent", toxics: []string{toxic("limit_data", "upstream", 1, bytes(up)), reset}},
		{kind: "reset what is answered", toxics: []string{toxic("limit_data", "downstream", 1, bytes(down)), reset}},
		{kind: "stall what is sent", toxics: []string{toxic("stall", "upstream", 1, bytes(up))}},
		{kind: "stall what is answered", toxics: []string{toxic("stall", "downstream", 1, bytes(down))}},
		{kind: "slow and in pieces", toxics: []string{
			toxic("bandwidth", "upstream", 1, fmt.Sprintf(`"rate": %d`, 500+random.Int64N(8000))),
			toxic("latency", "downstream", 1, fmt.Sprintf(`"latency": %d, "jitter": %d`, random.Int64N(150), random.Int64N(100))),
		}},
		{kind: "server away", down: true, after: time.Duration(random.Int64N(int64(600 * time.Millisecond)))},
		{kind: "cancel", cancel: true, after: short},
	}
	chosen := kinds[random.IntN(len(kinds))]
	chosen.lasts = w.lasts
	return chosen
}

// inflict begins the wound and ends it in time. The function that it returns
// waits for the end.
func (w wound) inflict(t *testing.T, proxy *toxiproxy.Proxy, cancel func()) func() {
	for _, toxic := range w.toxics {
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Errorf("%s: %v", toxic, err)
		}
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		time.Sleep(w.after)
		switch {
		case w.cancel:
			cancel()
		case w.down:
			proxy.Stop()
			time.Sleep(w.lasts)
			if err := proxy.Start(); err != nil {
				t.Errorf("bring the server back: %v", err)
			}
		default:
			time.Sleep(w.lasts)
			proxy.Toxics.ResetToxics(context.Background())
		}
	}()
	return func() { <-over }
}

// lane is one of several publications that go on beside each other, each with
// an image of the same name from before.
type lane struct {
	t *testing.T
	// client goes straight to Glance, hurried through the wounded line.
	client      *Client
	hurried     *Client
	name        string
	predecessor *Image
	path        string
	size        int64
	hash        string
	server      *toxiproxy.ApiServer
}

// TestRandomFaultsLeaveOneImageOrNone wounds the line to the real Glance of the
// second cloud at random places.
func TestRandomFaultsLeaveOneImageOrNone(t *testing.T) {
	access := realCloud(t)
	access.Cloud, access.Log = "second", nil
	// toxiproxy logs some interruptions past the logger that it is given.
	zerolog.SetGlobalLevel(zerolog.Disabled)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(woundSeed); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", woundSeed, err)
		}
		seed = given
	}
	t.Logf("repeat this run with %s=%d", woundSeed, seed)
	toxics.Register("stall", new(stallToxic))
	tally := &tally{counts: map[string]int{}}
	var all sync.WaitGroup
	for number := range woundLanes {
		l := newLane(t, access, rand.New(rand.NewPCG(seed, uint64(wounds+number))))
		all.Go(func() {
			for trial := number; trial < wounds; trial += woundLanes {
				tally.add(l.try(trial, rand.New(rand.NewPCG(seed, uint64(trial)))))
			}
			l.checkPredecessor()
		})
	}
	all.Wait()
	tally.print(t)
}

func newLane(t *testing.T, access Access, random *rand.Rand) *lane {
	hurried := access
	hurried.Patience = Patience{
		Pause: 50 * time.Millisecond, Request: 3 * time.Second, Idle: 500 * time.Millisecond,
		Answer: 3 * time.Second, Settle: 5 * time.Second, Import: 10 * time.Second, Remove: time.Minute,
	}
	l := &lane{
		t: t, client: signIn(t, access), hurried: signIn(t, hurried), name: unique("wounded"), path: filepath.Join(t.TempDir(), "disk.raw"),
		size:   1<<20 + random.Int64N(3<<20),
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
	}
	content := make([]byte, l.size)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	if err := os.WriteFile(l.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	l.hash = fmt.Sprintf("%x", sha512.Sum512(content))
	before, err := l.client.Publish(t.Context(), Spec{Name: l.name, DiskFormat: "raw"}, open(t, sparse(t, 4096)), nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, l.client, before.ID)
	if l.predecessor, err = l.client.Get(t.Context(), before.ID); err != nil {
		t.Fatal(err)
	}
	return l
}

// try publishes once through a wounded line and says what came of it.
func (l *lane) try(trial int, random *rand.Rand) string {
	proxy := toxiproxy.NewProxy(l.server, fmt.Sprintf("%s %d", l.name, trial), "127.0.0.1:0", l.upstream())
	if err := proxy.Start(); err != nil {
		l.t.Error(err)
		return "no proxy"
	}
	defer proxy.Stop()
	ways := []Sending{{}, {}, {Method: MethodImport}, {CopyTo: []string{"cold"}}}
	way, w := ways[random.IntN(len(ways))], roll(random, l.size)
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	source, err := OpenFile(l.path)
	if err != nil {
		l.t.Error(err)
		return "no source"
	}
	wait := w.inflict(l.t, proxy, cancel)
	progress := &recorder{}
	image, err := l.through(proxy.Listen).Publish(ctx, Spec{Name: l.name, DiskFormat: "raw", Sending: way}, source, progress)
	wait()
	progress.check(l.t, l.size)
	l.checkLeft(image, err, fmt.Sprintf("trial %d, %s, %+v, %v", trial, w.kind, way, progress.all()))
	if err != nil {
		return w.kind + ": nothing"
	}
	if strings.Contains(progress.all(), "again") || strings.Contains(progress.all(), "was lost") {
		return w.kind + ": one image, after another attempt"
	}
	return w.kind + ": one image"
}

func (l *lane) upstream() string {
	address, err := url.Parse(l.client.Endpoint())
	if err != nil {
		l.t.Error(err)
		return ""
	}
	return address.Host
}

// through returns a hurried client with Glance at another address.
func (l *lane) through(address string) *Client {
	client, service := *l.hurried, *l.hurried.service
	service.Endpoint = "http://" + address + "/"
	service.ResourceBase = service.Endpoint + "v2/"
	client.service = &service
	return &client
}

// checkLeft wants the predecessor, and beside it one whole image or none, and
// removes that one.
func (l *lane) checkLeft(image *Image, failure error, what string) {
	pages, err := images.List(l.client.service, images.ListOpts{Tags: []string{ManagedTag}}).AllPages(context.Background())
	if err != nil {
		l.t.Error(err)
		return
	}
	all, err := images.ExtractImages(pages)
	if err != nil {
		l.t.Error(err)
		return
	}
	var ours []string
	for _, found := range all {
		if strings.HasPrefix(found.Name, l.name) && found.ID != l.predecessor.ID {
			ours = append(ours, found.ID)
		}
	}
	if failure != nil {
		if len(ours) > 0 {
			l.t.Errorf("%s: %v, and %d images are left, want none", what, failure, len(ours))
		}
		return
	}
	if !slices.Equal(ours, []string{image.ID}) {
		l.t.Errorf("%s: %q are there, want %s alone", what, ours, image.ID)
	}
	got, err := l.client.Get(context.Background(), image.ID)
	if err != nil || got.Status != "active" || got.Size != l.size || got.HashValue != l.hash || got.Name != l.name {
		l.t.Errorf("%s: got %+v (%v), want an active image of %d bytes, sha512 %s", what, got, err, l.size, l.hash)
	}
	if err := l.client.Delete(context.Background(), image.ID); err != nil {
		l.t.Error(err)
	}
}

func (l *lane) checkPredecessor() {
	got, err := l.client.Get(context.Background(), l.predecessor.ID)
	if err != nil || !reflect.DeepEqual(got, l.predecessor) {
		l.t.Errorf("the image of before is %+v (%v), want %+v", got, err, l.predecessor)
	}
}

// tally counts outcomes.
type tally struct {
	mutex  sync.Mutex
	counts map[string]int
}

func (c *tally) add(outcome string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts[outcome]++
}

func (c *tally) print(t *testing.T) {
	total := 0
	for _, outcome := range slices.Sorted(maps.Keys(c.counts)) {
		t.Logf("%4d  %s", c.counts[outcome], outcome)
		total += c.counts[outcome]
	}
	if total != wounds {
		t.Errorf("%d faults were tried, want %d", total, wounds)
	}
}
