// Package command holds the verbs that a person runs on the plugin's binary
// without Packer.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
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

const usage = `Usage: packer-plugin-openstack-ready inspect [OPTION…] IMAGE

Says of a Linux disk image (qcow2, raw, VMDK, VHD, VHDX, VDI) what OpenStack
needs and the image lacks, without booting or mounting it.

  --format table        a table for a terminal (default)
  --format html         the report as a page, one file that needs no other
  --format json         the report as a document, schema ` + report.Schema + `
  --guest-report FILE   show beside it what the provisioner found in the guest,
                        from the file that it stored its report in

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
	options, err := parseInspect(args)
	if err != nil {
		return false, err
	}
	rep, err := report.Inspect(ctx, options.image)
	if err != nil {
		return false, err
	}
	if options.guestReport != "" {
		if err := rep.AddGuest(options.guestReport); err != nil {
			return false, err
		}
	}
	if err := options.write(rep, stdout); err != nil {
		return false, fmt.Errorf("write the report on %s: %w", options.image, err)
	}
	return len(rep.Failing()) == 0, nil
}

// inspectOptions are the arguments of inspect.
type inspectOptions struct {
	image       string
	guestReport string
	write       func(*report.Report, io.Writer) error
}

// parseInspect reads the arguments. Flags may stand before or behind the image.
func parseInspect(args []string) (options inspectOptions, err error) {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	format := flags.String("format", "table", "")
	flags.StringVar(&options.guestReport, "guest-report", "", "")
	var images []string
	for len(args) > 0 {
		if err := flags.Parse(args); err != nil {
			return options, err
		}
		if flags.NArg() == 0 {
			break
		}
		images = append(images, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if len(images) != 1 {
		return options, fmt.Errorf("%d images named, want one\n%s", len(images), usage)
	}
	options.image = images[0]
	switch *format {
	case "table":
		options.write = (*report.Report).WriteTable
	case "json":
		options.write = (*report.Report).WriteJSON
	case "html":
		options.write = (*report.Report).WritePage
	default:
		return options, fmt.Errorf("--format %q: want table, html or json", *format)
	}
	return options, nil
}
