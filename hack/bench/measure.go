//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// cost is what a run of a program took.
type cost struct {
	wall time.Duration
	// peak is the most memory that it, or the largest of the processes that it
	// waited for, had at a time, in bytes.
	peak int64
}

// timeLimit is for one run; libguestfs on a busy machine takes a minute.
const timeLimit = 10 * time.Minute

// command is a program with its arguments, and what its output must be for the
// run to count.
type command struct {
	args  []string
	check func(output []byte) error
}

// program is one of libguestfs, to compare with.
type program struct {
	name string
	// target is how many times faster inspect is to be.
	target float64
	// args are those behind the image, says is part of the output.
	args []string
	says string
}

var guestfs = []program{
	{name: "virt-inspector", target: 200, says: "<distro>debian</distro>"},
	{name: "virt-cat", target: 100, args: []string{"/etc/os-release"}, says: "\nID=debian\n"},
}

func (p program) on(image string) command {
	return command{
		args: append([]string{p.name, "-a", image}, p.args...),
		check: func(output []byte) error {
			if !strings.Contains(string(output), p.says) {
				return fmt.Errorf("the output is without %q", p.says)
			}
			return nil
		},
	}
}

// inspection must find a whole Debian: what was left out must not pass for speed.
func inspection(plugin, image string) command {
	return command{args: []string{plugin, "inspect", "--format", "json", image}, check: checkReport}
}

func checkReport(output []byte) error {
	var report struct {
		Facts struct {
			OS struct {
				ID string `json:"id"`
			} `json:"os"`
			Packages struct {
				Packages []any `json:"packages"`
			} `json:"packages"`
		} `json:"facts"`
		Findings []struct {
			ID       string   `json:"id"`
			Verdict  string   `json:"verdict"`
			Evidence []string `json:"evidence"`
		} `json:"findings"`
	}
	if err := json.Unmarshal(output, &report); err != nil {
		return fmt.Errorf("the report is no JSON: %w", err)
	}
	if report.Facts.OS.ID != "debian" || len(report.Facts.Packages.Packages) == 0 || len(report.Findings) == 0 {
		return errors.New("the report is not that of a Debian with packages")
	}
	for _, f := range report.Findings {
		if f.Verdict == "unknown" {
			return fmt.Errorf("the report leaves %s unknown: %s", f.ID, strings.Join(f.Evidence, "; "))
		}
	}
	return nil
}

func (c command) installed() bool {
	_, err := exec.LookPath(c.args[0])
	return err == nil
}

// measure runs the commands in turn, once to warm up and then runs times, and
// returns the median costs of each.
func measure(commands map[string]command, runs int) (map[string]cost, error) {
	walls, peaks := map[string][]time.Duration{}, map[string][]int64{}
	for i := range runs + 1 {
		for name, c := range commands {
			took, err := c.run()
			if err != nil {
				return nil, err
			}
			if warmUp := i == 0; !warmUp {
				walls[name], peaks[name] = append(walls[name], took.wall), append(peaks[name], took.peak)
			}
		}
	}
	costs := map[string]cost{}
	for name := range commands {
		costs[name] = cost{median(walls[name]), median(peaks[name])}
	}
	return costs, nil
}

func median[T ~int64](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func (c command) run() (cost, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	started := time.Now()
	err := cmd.Run()
	wall := time.Since(started)
	// The image is not ready, which inspect says with its exit status.
	var status *exec.ExitError
	if errors.As(err, &status) && status.ExitCode() == 1 && stdout.Len() > 0 {
		err = nil
	}
	if err == nil {
		err = c.check(stdout.Bytes())
	}
	if err != nil {
		said, _, _ := strings.Cut(stderr.String(), "\n")
		return cost{}, fmt.Errorf("%s: %w: %s", strings.Join(c.args, " "), err, said)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{wall: wall, peak: usage.Maxrss << 10}, nil
}
