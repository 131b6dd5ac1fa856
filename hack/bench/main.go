//go:build linux

// Command bench measures inspect on the images that hack/bench.sh makes, beside
// libguestfs on the same machine in the same run, and prints a table.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// How often each program runs for its median, after a warm-up: libguestfs
// takes a hundred times longer.
const (
	runsOfInspect  = 15
	runsOfGuestfs  = 3
	targetOfRead   = 16_000_000
	targetOfMemory = 64_000_000
)

// images are the base image's variants, by their file.
var images = []struct{ file, what string }{
	{"xfs.qcow2", "xfs in qcow2"},
	{"btrfs.qcow2", "btrfs in qcow2"},
	{"lvm.qcow2", "xfs on LVM in qcow2"},
	{"stream.vmdk", "ext4 in streamOptimized VMDK"},
	{"compressed.qcow2", "ext4 in compressed qcow2"},
}

// bench is one run of all measurements.
type bench struct {
	plugin, base, dir, accelerator string

	table table
}

func main() {
	b := &bench{}
	flag.StringVar(&b.plugin, "plugin", "", "the plugin's binary")
	flag.StringVar(&b.base, "base", "", "the qcow2 image with ext4")
	flag.StringVar(&b.dir, "images", "", "the folder of its variants")
	flag.StringVar(&b.accelerator, "accelerator", "", "what libguestfs runs under, kvm or tcg")
	flag.Parse()
	if err := b.run(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func (b *bench) run() error {
	before := load()
	ours, variants, err := b.measureImages()
	if err != nil {
		return err
	}
	for _, g := range guestfs {
		if err := b.beside(g, ours); err != nil {
			return err
		}
	}
	counted, err := countReads(b.base)
	if err != nil {
		return fmt.Errorf("counting what is read of %s: %w", b.base, err)
	}
	b.table.add("bytes read, all", megabytes(counted.all), "initramfs", megabytes(counted.initramfs), "", "")
	beside := counted.all - counted.initramfs
	b.table.add("bytes read beside the initramfs", megabytes(beside), "", "", "", upTo(beside, targetOfRead))
	b.table.add("peak memory", megabytes(ours.peak), "", "", "", upTo(ours.peak, targetOfMemory))
	b.addVariants(ours, variants)
	fmt.Printf("inspect --format json of a Debian 12, 2 GB, ext4 in qcow2, as a whole process: the median of %d runs\n"+
		"(libguestfs, under %s: %d) after a warm-up. %d CPUs, load %s before and %s after.\n\n%s",
		runsOfInspect, b.accelerator, runsOfGuestfs, runtime.NumCPU(), before, load(), b.table.String())
	return nil
}

// measureImages runs inspect on all images in turn, so that what else the
// machine does meanwhile concerns them alike.
func (b *bench) measureImages() (base cost, variants map[string]cost, err error) {
	commands := map[string]command{"": inspection(b.plugin, b.base)}
	for _, image := range images {
		if path := filepath.Join(b.dir, image.file); exists(path) {
			commands[image.file] = inspection(b.plugin, path)
		} else {
			b.table.leaveOut("the same on %s: hack/bench.sh could not make the image", image.what)
		}
	}
	variants, err = measure(commands, runsOfInspect)
	return variants[""], variants, err
}

// beside adds the row of a program of libguestfs, or why it is left out.
func (b *bench) beside(g program, ours cost) error {
	c := g.on(b.base)
	if !c.installed() {
		b.table.leaveOut("%s: it is not installed (Debian package libguestfs-tools)", g.name)
		return nil
	}
	theirs, err := measure(map[string]command{"": c}, runsOfGuestfs)
	if err != nil {
		b.table.leaveOut("%s: %v", g.name, err)
		return nil
	}
	ratio := float64(theirs[""].wall) / float64(ours.wall)
	b.table.add("time", seconds(ours.wall), strings.Join(append([]string{g.name}, g.args...), " ")+", "+b.accelerator, seconds(theirs[""].wall),
		fmt.Sprintf("%.0f times faster", ratio), atLeast(ratio, g.target))
	b.table.add("peak memory", megabytes(ours.peak), g.name+", its largest process", megabytes(theirs[""].peak),
		fmt.Sprintf("%.0f times less", float64(theirs[""].peak)/float64(ours.peak)), "")
	return nil
}

func (b *bench) addVariants(base cost, variants map[string]cost) {
	const target = 3
	for _, image := range images {
		c, ok := variants[image.file]
		if !ok {
			continue
		}
		ratio := float64(c.wall) / float64(base.wall)
		verdict := fmt.Sprintf("within %d times: %s", target, reached(ratio <= target))
		b.table.add("time, "+image.what, seconds(c.wall), "ext4 in qcow2", seconds(base.wall), fmt.Sprintf("%.2f times", ratio), verdict)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// load is the load average of the last minute: proc_loadavg(5).
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
