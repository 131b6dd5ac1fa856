// Package command holds the verbs that a person runs on the plugin's binary
// without Packer.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// The exit statuses of every verb.
const (
	// Ready: every required requirement is met.
	Ready = 0
	// NotReady: a required requirement is not met, or could not be looked at.
	NotReady = 1
	// Failed: the image could not be inspected, or the arguments are wrong.
	Failed = 2
)

const usage = `Usage: packer-plugin-openstack-ready inspect [--format table|json] IMAGE

Says of a Linux disk image (qcow2 or raw) what OpenStack needs and the image
lacks, without booting or mounting it.

  --format table   a table for a terminal (default)
  --format json    the report as a document, schema ` + report.Schema + `

Exit status: 0 every required requirement is met, 1 one is not, 2 the image
could not be inspected.
`

// Is reports whether name is a verb of this package; Packer's own verbs, such
// as describe and start, are not.
func Is(name string) bool {
	switch name {
	case "inspect", "help", "-h", "-help", "--help":
		return true
	}
	return false
}

// Run runs the verb args[0] and returns the exit status.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if args[0] != "inspect" {
		_, _ = io.WriteString(stdout, usage)
		return Ready
	}
	ready, err := runInspect(ctx, args[1:], stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, usage)
		return Ready
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "packer-plugin-openstack-ready inspect: %s\n", err)
		return Failed
	case !ready:
		return NotReady
	}
	return Ready
}

func runInspect(ctx context.Context, args []string, stdout io.Writer) (ready bool, err error) {
	path, write, err := parseInspect(args)
	if err != nil {
		return false, err
	}
	image, err := disk.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, image.Close()) }()
	result, err := inspect.Image(ctx, image)
	if err != nil {
		return false, fmt.Errorf("inspect %s: %w", path, err)
	}
	if err := write(report.New(path, result), stdout); err != nil {
		return false, fmt.Errorf("write the report on %s: %w", path, err)
	}
	return len(requirement.Failing(result.Findings)) == 0, nil
}

// parseInspect returns the image's path and the writer for the wanted format.
// Flags may stand before or behind the image.
func parseInspect(args []string) (path string, write func(*report.Report, io.Writer) error, err error) {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	format := flags.String("format", "table", "")
	var images []string
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return "", nil, err
		}
		if flags.NArg() == 0 {
			break
		}
		images = append(images, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if len(images) != 1 {
		return "", nil, fmt.Errorf("%d images named, want one\n%s", len(images), usage)
	}
	switch *format {
	case "table":
		return images[0], (*report.Report).WriteTable, nil
	case "json":
		return images[0], (*report.Report).WriteJSON, nil
	}
	return "", nil, fmt.Errorf("--format %q: want table or json", *format)
}
