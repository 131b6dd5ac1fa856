package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

const inspectUsage = `Usage: packer-plugin-openstack-ready inspect [OPTION…] IMAGE

Says of a Linux disk image (qcow2, raw, VMDK, VHD, VHDX, VDI) what OpenStack
needs and the image lacks, without booting or mounting it.

  --format FORMAT       how to say it:
                          table  for a terminal (default)
                          html   a page, one file that needs no other
                          json   the document ` + report.Schema + `
                          junit  JUnit's XML, a test case a requirement
                          sarif  SARIF 2.1.0, a result for each that is not met
  --output FILE         write it to FILE, whole or not at all
  --guest-report FILE   show beside it what the provisioner found in the guest,
                        from the file that it stored its report in

A table has colours on a terminal, unless NO_COLOR is set.

Exit status: 0 every required requirement is met, 1 one is not, 2 the image
could not be inspected.
`

func inspectVerb() verb {
	return verb{
		name: "inspect", summary: "say what OpenStack needs and a disk image lacks",
		usage: inspectUsage,
		options: []option{
			{name: "format", values: report.Formats()},
			{name: "output"},
			{name: "guest-report"},
		},
		run: runInspect,
	}
}

func runInspect(ctx context.Context, args []string, stdout io.Writer) (status int, err error) {
	options, err := parseInspect(args)
	if err != nil {
		return Failed, err
	}
	rep, err := report.Inspect(ctx, options.image)
	if err != nil {
		return Failed, err
	}
	if options.guestReport != "" {
		if err := rep.AddGuest(options.guestReport); err != nil {
			return Failed, err
		}
	}
	if err := options.Write(rep, stdout); err != nil {
		return Failed, fmt.Errorf("write the report on %s: %w", options.image, err)
	}
	if len(rep.Failing()) > 0 {
		return NotReady, nil
	}
	return Ready, nil
}

// inspectOptions are the arguments of inspect.
type inspectOptions struct {
	output
	image       string
	guestReport string
}

func parseInspect(args []string) (options inspectOptions, err error) {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	options.register(flags)
	flags.StringVar(&options.guestReport, "guest-report", "", "")
	images, err := parse(flags, args)
	if err != nil {
		return options, err
	}
	if len(images) != 1 {
		return options, fmt.Errorf("%d images named, want one\n%s", len(images), inspectUsage)
	}
	options.image = images[0]
	return options, options.check()
}

// output says how and where to write a report; verbs that end with one share
// it.
type output struct {
	format, file string
}

func (o *output) register(flags *flag.FlagSet) {
	flags.StringVar(&o.format, "format", report.FormatTable, "")
	flags.StringVar(&o.file, "output", "", "")
}

func (o *output) check() error {
	if !report.IsFormat(o.format) {
		return fmt.Errorf("--format %q: want one of %s", o.format, strings.Join(report.Formats(), ", "))
	}
	return nil
}

// Write writes the report to the file that was named, or else to stdout.
func (o *output) Write(rep *report.Report, stdout io.Writer) error {
	switch {
	case o.file != "":
		return rep.SaveAs(o.file, o.format)
	case o.format == report.FormatTable && takesColour(stdout):
		return rep.WriteColourTable(stdout)
	}
	return rep.Write(stdout, o.format)
}

// takesColour is true of a terminal that is not known to have none; NO_COLOR is
// explained at no-color.org.
func takesColour(w io.Writer) bool {
	file, ok := w.(*os.File)
	kind := os.Getenv("TERM")
	return ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == "" && kind != "" && kind != "dumb"
}
