// Package boot starts an image as Nova would, in a virtual machine of its own,
// and collects proof of what an instance of it does.
package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
)

// Via is a way by which an instance gets its data.
type Via string

// The ways.
const (
	// ConfigDrive: a disk labelled config-2.
	ConfigDrive Via = "config-drive"
	// Metadata: the service at 169.254.169.254.
	Metadata Via = "metadata"
)

// Ways lists the ways in the order in which they are tried.
func Ways() []Via { return []Via{ConfigDrive, Metadata} }

// ParseWays turns names into ways; none stands for all.
func ParseWays(names []string) ([]Via, error) {
	if len(names) == 0 {
		return Ways(), nil
	}
	var ways []Via
	for _, name := range names {
		via := Via(name)
		if !slices.Contains(Ways(), via) {
			return nil, fmt.Errorf("%q: want %s or %s", name, ConfigDrive, Metadata)
		}
		if slices.Contains(ways, via) {
			return nil, fmt.Errorf("%q is named twice", name)
		}
		ways = append(ways, via)
	}
	return ways, nil
}

// Stage is how far a run has come.
type Stage string

// The stages, in their order.
const (
	Firmware Stage = "firmware"
	Kernel   Stage = "kernel"
	Login    Stage = "login"
	SSH      Stage = "ssh"
	Proofs   Stage = "proofs"
	Reboot   Stage = "reboot"
	Shutdown Stage = "shutdown"
)

// Options say what to boot and how.
type Options struct {
	// Image is the file; it is only read. Facts are what its inspection found.
	Image string
	Facts *inspect.Facts
	// Via are the ways to instance data, a run each. Default: all.
	Via []Via
	// Timeout is for all runs together. Default: DefaultTimeout.
	Timeout time.Duration
	// DiskSize is the flavor's disk in bytes, larger than the image. Default:
	// twice the image's, and at least 1 GiB more.
	DiskSize int64
	// Memory is in MiB, 64 or more. Default: 1024.
	Memory int
	// CPUs is 1 or more. Default: 2.
	CPUs int
	// SSHUser is the account that the instance's key must reach. Default: the
	// one that the image's configuration names, else root.
	SSHUser string
	// NoReboot leaves the reboot of the last run out.
	NoReboot bool
	// LogDir keeps, where it is not empty, each run's console log and
	// screenshot, as WAY.console.log and WAY.screen.png.
	LogDir string
	// Relay is the command that carries one connection of the guest to the
	// metadata service; the socket's path is added to it, see Relay. Default:
	// this program with RelayVerb.
	Relay []string
	// Progress is told of each stage, from one goroutine.
	Progress func(via Via, stage Stage, detail string)
}

// DefaultTimeout is enough for two runs of a distribution's image emulated on
// one processor.
const DefaultTimeout = 20 * time.Minute

// MinMemory is the least memory of a machine, in MiB.
const MinMemory = 64

const (
	defaultMemory = 1024
	defaultCPUs   = 2
	minGrowth     = 1 << 30
)

// Prove boots the image once for each way. An image that does not do what it
// should is no error but shows in the findings.
//
// The error says why the proof could not be made: QEMU or firmware is missing,
// the image cannot be opened, the time is over before the first run started, ctx
// is done. Nothing is left behind but what LogDir keeps.
func Prove(ctx context.Context, options Options) (_ *Result, err error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "openstack-ready-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the machine: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := newProver(ctx, options, dir)
	if err != nil {
		return nil, err
	}
	var sights []*sight
	for i, via := range options.Via {
		s, err := p.run(ctx, via, i == len(options.Via)-1)
		if err != nil {
			return nil, fmt.Errorf("boot %s with its data from the %s: %w", options.Image, via.inWords(), err)
		}
		sights = append(sights, s)
	}
	result := &Result{Accelerator: p.accelerator.String(), Findings: judge(sights)}
	for _, s := range sights {
		result.Runs = append(result.Runs, s.run)
	}
	return result, nil
}

func (v Via) inWords() string { return strings.ReplaceAll(string(v), "-", " ") }

// complete sets the defaults and refuses what cannot be.
func (o *Options) complete() error {
	if o.Facts == nil {
		return fmt.Errorf("%s has not been inspected", o.Image)
	}
	size := o.Facts.Disk.VirtualSize
	if len(o.Via) == 0 {
		o.Via = Ways()
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.DiskSize == 0 {
		o.DiskSize = max(2*size, size+minGrowth)
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.CPUs == 0 {
		o.CPUs = defaultCPUs
	}
	if o.Progress == nil {
		o.Progress = func(Via, Stage, string) {}
	}
	switch {
	case o.DiskSize <= size:
		return fmt.Errorf("the flavor's disk has %d bytes, want more than the image's %d, or nothing shows whether it grows", o.DiskSize, size)
	case o.Memory < MinMemory:
		return fmt.Errorf("memory of %d MiB, want %d or more", o.Memory, MinMemory)
	case o.CPUs < 1:
		return fmt.Errorf("%d processors, want 1 or more", o.CPUs)
	case len(o.Facts.Disk.Wrapping) > 0:
		return fmt.Errorf("%s is packed (%s); unpack it before it is booted", o.Image, o.Facts.Disk.Wrapping[0])
	}
	return nil
}
