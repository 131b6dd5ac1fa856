//go:build linux

// Command bench-publish measures converting and sending a disk beside qemu-img,
// curl and the openstack client on the same machine in the same run, and prints
// a table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// runs is how often each side runs for its median, in turn.
const runs = 3

// bench holds what the rows work on.
type bench struct {
	qcow2, raw, tmpfs string
	discard           string
	client            *glance.Client
}

// row is one line of the table: ours may take limit times what the other takes.
type row struct {
	what, beside string
	limit        float64
	ours, theirs func() error
}

func main() {
	b := &bench{}
	flag.StringVar(&b.qcow2, "qcow2", "", "a sparse qcow2 image")
	flag.StringVar(&b.raw, "raw", "", "a raw image of random bytes")
	flag.StringVar(&b.tmpfs, "tmpfs", "/dev/shm", "a folder in memory, for what qemu-img writes")
	cloud := flag.String("cloud", "", "a cloud of clouds.yaml with a real Glance; none leaves its rows out")
	flag.Parse()
	if err := b.run(*cloud); err != nil {
		fmt.Fprintf(os.Stderr, "bench-publish: %v\n", err)
		os.Exit(1)
	}
}

func (b *bench) run(cloud string) error {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	b.discard = server.URL
	rows := b.rows()
	if cloud != "" {
		var err error
		if b.client, err = glance.SignIn(context.Background(), glance.Access{Cloud: cloud}); err != nil {
			return err
		}
		rows = append(rows, b.glanceRows(cloud)...)
	}
	fmt.Printf("Publishing, the median of %d runs; %d CPUs\n\n", runs, runtime.NumCPU())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "WHAT\tOURS\tBESIDE\tTAKES\tRATIO\tTO REACH")
	for _, r := range rows {
		line, err := r.measure()
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", r.what, err), w.Flush())
		}
		_, _ = fmt.Fprintln(w, line)
	}
	_, _ = fmt.Fprintf(w, "peak memory of all of the above, this program and its server\t%s\t\t\t\t\n", peak())
	return w.Flush()
}

// measure runs both sides in turn.
func (r row) measure() (string, error) {
	var ours, theirs []time.Duration
	for range runs {
		for side, run := range map[*[]time.Duration]func() error{&ours: r.ours, &theirs: r.theirs} {
			began := time.Now()
			if err := run(); err != nil {
				return "", err
			}
			*side = append(*side, time.Since(began))
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	a, b := ours[runs/2], theirs[runs/2]
	ratio := a.Seconds() / b.Seconds()
	verdict := "reached"
	if ratio > r.limit {
		verdict = "missed"
	}
	return fmt.Sprintf("%s\t%.2f s\t%s\t%.2f s\t%.2f\t%.1f: %s", r.what, a.Seconds(), r.beside, b.Seconds(), ratio, r.limit, verdict), nil
}

func (b *bench) rows() []row {
	temporary := filepath.Join(b.tmpfs, "openstack-ready-bench.raw")
	toRaw := func() error { return command("qemu-img", "convert", "-O", "raw", b.qcow2, temporary) }
	send := func(n int) func() error { return func() error { return b.send(n) } }
	return []row{
		{"qcow2 to raw, to nowhere", "qemu-img convert -O raw, to tmpfs", 1, b.read, func() error { return errors.Join(toRaw(), os.Remove(temporary)) }},
		{"qcow2 to raw to a discarding server", "qemu-img convert, curl -T", 0.4, send(1), func() error {
			return errors.Join(toRaw(), command("curl", "-sSf", "-T", temporary, b.discard), os.Remove(temporary))
		}},
		{"two clouds, discarding servers", "one cloud", 1.3, send(2), send(1)},
	}
}

func (b *bench) glanceRows(cloud string) []row {
	temporary := filepath.Join(b.tmpfs, "openstack-ready-bench.raw")
	create := func(path string) error {
		return command("openstack", "--os-cloud", cloud, "image", "create", "--disk-format", "raw", "--tag", "bench-publish", "--file", path, "bench-publish")
	}
	return []row{
		{"qcow2 to raw to Glance", "qemu-img convert, openstack image create", 0.9, func() error { return b.publish(b.qcow2) }, func() error {
			return errors.Join(command("qemu-img", "convert", "-O", "raw", b.qcow2, temporary), create(temporary), os.Remove(temporary))
		}},
		{"raw to Glance", "openstack image create", 1.1, func() error { return b.publish(b.raw) }, func() error { return create(b.raw) }},
	}
}

// read converts to nowhere.
func (b *bench) read() error {
	return with(b.qcow2, func(d *convert.Disk) error { return drain(d.Raw(), io.Discard) })
}

func drain(source convert.Source, to io.Writer) error {
	reader, err := source.Open()
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, reader, make([]byte, 1<<20))
	return errors.Join(err, reader.Close())
}

// send sends the qcow2 image as raw to n servers side by side, hashed.
func (b *bench) send(n int) error {
	return with(b.qcow2, func(d *convert.Disk) error {
		ended := make(chan error, n)
		for _, part := range convert.Share(d.Raw(), n, 10*time.Second) {
			go func() { ended <- put(b.discard, part) }()
		}
		var errs []error
		for range n {
			errs = append(errs, <-ended)
		}
		return errors.Join(errs...)
	})
}

func put(url string, source convert.Source) error {
	body, err := source.Open()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, url, body)
	if err != nil {
		return err
	}
	request.ContentLength = source.Size()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// publish publishes the disk as raw and removes the image again.
func (b *bench) publish(path string) error {
	return with(path, func(d *convert.Disk) error {
		ctx := context.Background()
		part := convert.Share(d.Raw(), 1, 10*time.Second)[0]
		image, err := b.client.Publish(ctx, glance.Spec{Name: "bench-publish", DiskFormat: "raw", VirtualSize: d.Size()}, part, nil)
		if err != nil {
			return err
		}
		return b.client.Delete(ctx, image.ID)
	})
}

func with(path string, use func(*convert.Disk) error) error {
	d, err := convert.Open(context.Background(), path, disk.Options{})
	if err != nil {
		return err
	}
	return errors.Join(use(d), d.Close())
}

func command(name string, args ...string) error {
	if output, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, output)
	}
	return nil
}

// peak is the most memory that this process had at a time: proc_pid_status(5).
func peak() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
