//go:build linux

// Command bench-publish measures converting and sending a disk beside qemu-img,
// curl and the openstack client on the same machine in the same run, and prints
// a table.
package main

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/access"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/convert"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// runs is how often each side runs for its median, in turn.
const runs = 3

// bench holds what the rows work on.
type bench struct {
	qcow2, raw, tmpfs string
	// clouds is a clouds.yaml with the discarding stand-in.
	clouds string
	// client, token and made are of the real Glance: made are its images.
	client *glance.Client
	token  string
	made   []string
}

// row is one line of the table: ours may take limit times what the other takes.
type row struct {
	what, beside string
	limit        float64
	ours, theirs func() error
}

// imageName is that of all images that are made.
const imageName = "bench-publish"

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
	dir, err := os.MkdirTemp("", "bench-publish-")
	if err != nil {
		return err
	}
	server, err := b.startDiscard(dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	rows := b.rows()
	if cloud != "" {
		if err = b.signIn(cloud); err == nil {
			rows = append(rows, b.glanceRows(cloud)...)
		}
	}
	if err == nil {
		err = b.print(rows)
	}
	server.Close()
	return errors.Join(err, os.RemoveAll(dir))
}

// startDiscard reads the image once for the hashes that the stand-in tells.
func (b *bench) startDiscard(dir string) (*discard, error) {
	md5, sha512 := md5.New(), sha512.New()
	err := with(b.qcow2, func(d *convert.Disk) error { return drain(d.Raw(), io.MultiWriter(md5, sha512)) })
	if err != nil {
		return nil, err
	}
	server := newDiscard(hex.EncodeToString(md5.Sum(nil)), hex.EncodeToString(sha512.Sum(nil)))
	b.clouds, err = server.cloudsFile(dir)
	return server, err
}

func (b *bench) signIn(cloud string) (err error) {
	if b.client, err = glance.SignIn(context.Background(), glance.Access{Cloud: cloud}); err != nil {
		return err
	}
	token, err := exec.CommandContext(context.Background(), "openstack", "--os-cloud", cloud, "token", "issue", "-f", "value", "-c", "id").Output()
	b.token = strings.TrimSpace(string(token))
	return err
}

func (b *bench) print(rows []row) error {
	fmt.Printf("Publishing, the median of %d runs; %d CPUs\n\n", runs, runtime.NumCPU())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "WHAT\tOURS\tBESIDE\tTAKES\tRATIO\tTO REACH")
	for _, r := range rows {
		line, err := b.measure(r)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", r.what, err), w.Flush())
		}
		_, _ = fmt.Fprintln(w, line)
	}
	_, _ = fmt.Fprintf(w, "peak memory of all of the above, this program and its server\t%s\t\t\t\t\n", peak())
	return w.Flush()
}

// measure runs both sides in turn. Images are removed between them, unmeasured.
func (b *bench) measure(r row) (string, error) {
	var ours, theirs []time.Duration
	for range runs {
		for _, side := range []struct {
			took *[]time.Duration
			run  func() error
		}{{&ours, r.ours}, {&theirs, r.theirs}} {
			began := time.Now()
			if err := side.run(); err != nil {
				return "", err
			}
			*side.took = append(*side.took, time.Since(began))
			if err := b.clean(); err != nil {
				return "", err
			}
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	our, their := ours[runs/2], theirs[runs/2]
	ratio := our.Seconds() / their.Seconds()
	verdict := "reached"
	if ratio > r.limit {
		verdict = "missed"
	}
	return fmt.Sprintf("%s\t%.2f s\t%s\t%.2f s\t%.2f\t%.1f: %s", r.what, our.Seconds(), r.beside, their.Seconds(), ratio, r.limit, verdict), nil
}

// clean removes what the real Glance holds of a run.
func (b *bench) clean() error {
	for _, id := range b.made {
		if err := b.client.Delete(context.Background(), id); err != nil {
			return err
		}
	}
	b.made = nil
	return nil
}

func (b *bench) rows() []row {
	temporary := b.temporary()
	send := func(n int) func() error { return func() error { return b.send(n) } }
	return []row{
		{"qcow2 to raw, to nowhere", "qemu-img convert -O raw, to tmpfs", 1, b.read, func() error {
			return errors.Join(b.toRaw(), os.Remove(temporary))
		}},
		{"qcow2 to raw to a discarding Glance", "qemu-img convert, openstack image create", 0.4, send(1), func() error {
			create := exec.CommandContext(context.Background(), "openstack", b.createArguments("discard", temporary)...)
			create.Env = append(os.Environ(), "OS_CLIENT_CONFIG_FILE="+b.clouds)
			return errors.Join(b.toRaw(), run(create), os.Remove(temporary))
		}},
		{"two clouds, discarding Glances", "one cloud", 1.3, send(2), send(1)},
	}
}

func (b *bench) glanceRows(cloud string) []row {
	temporary := b.temporary()
	return []row{
		{"qcow2 to raw to Glance", "qemu-img convert, openstack image create", 0.9, func() error { return b.publish(b.qcow2) }, func() error {
			return errors.Join(b.toRaw(), command("openstack", b.createArguments(cloud, temporary, "--id", b.newImage())...), os.Remove(temporary))
		}},
		{"raw to Glance", "curl: create, -T, show", 1.1, func() error { return b.publish(b.raw) }, b.curl},
		{"raw to Glance", "openstack image create", 1.1, func() error { return b.publish(b.raw) }, func() error {
			return command("openstack", b.createArguments(cloud, b.raw, "--id", b.newImage())...)
		}},
	}
}

// temporary is the file that qemu-img converts to.
func (b *bench) temporary() string { return filepath.Join(b.tmpfs, "openstack-ready-bench.raw") }

func (b *bench) toRaw() error {
	return command("qemu-img", "convert", "-O", "raw", b.qcow2, b.temporary())
}

func (b *bench) createArguments(cloud, path string, more ...string) []string {
	return append([]string{"--os-cloud", cloud, "image", "create", "--disk-format", "raw", "--file", path, imageName}, more...)
}

// newImage returns the ID of an image to be made in the real Glance.
func (b *bench) newImage() string {
	id := uuid.NewString()
	b.made = append(b.made, id)
	return id
}

// curl asks for no more than what makes an image and shows it.
func (b *bench) curl() error {
	id, images := b.newImage(), b.client.Endpoint()+"v2/images"
	create := fmt.Sprintf(`{"id": %q, "name": %q, "disk_format": "raw", "container_format": "bare"}`, id, imageName)
	token := "X-Auth-Token: " + b.token
	return errors.Join(
		command("curl", "-sSf", "-H", token, "-H", "Content-Type: application/json", "-d", create, images),
		command("curl", "-sSf", "-H", token, "-H", "Content-Type: application/octet-stream", "-T", b.raw, images+"/"+id+"/file"),
		command("curl", "-sSf", "-H", token, images+"/"+id),
	)
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

// send publishes the qcow2 image as raw in n discarding clouds side by side.
func (b *bench) send(n int) error {
	return with(b.qcow2, func(d *convert.Disk) error {
		ended := make(chan error, n)
		for _, part := range convert.Share(d.Raw(), n, 10*time.Second) {
			go func() {
				client, err := glance.SignIn(context.Background(), glance.Access{Cloud: "discard", Config: access.Config{CloudsFile: b.clouds}})
				if err == nil {
					_, err = publish(client, d, part)
				}
				ended <- err
			}()
		}
		var errs []error
		for range n {
			errs = append(errs, <-ended)
		}
		return errors.Join(errs...)
	})
}

// publish publishes the disk as raw in the real Glance.
func (b *bench) publish(path string) error {
	return with(path, func(d *convert.Disk) error {
		id, err := publish(b.client, d, convert.Share(d.Raw(), 1, 10*time.Second)[0])
		b.made = append(b.made, id)
		return err
	})
}

func publish(client *glance.Client, d *convert.Disk, source glance.Source) (id string, err error) {
	image, err := client.Publish(context.Background(), glance.Spec{Name: imageName, DiskFormat: "raw", VirtualSize: d.Size()}, source, nil)
	if err != nil {
		return "", err
	}
	return image.ID, nil
}

func with(path string, use func(*convert.Disk) error) error {
	d, err := convert.Open(context.Background(), path, disk.Options{})
	if err != nil {
		return err
	}
	return errors.Join(use(d), d.Close())
}

func command(name string, args ...string) error {
	return run(exec.CommandContext(context.Background(), name, args...))
}

func run(c *exec.Cmd) error {
	if output, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", c.Path, err, output)
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
