package command

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	guestreport "github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
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

func runInspect(ctx context.Context, args []string, stdout, _ io.Writer) (status int, err error) {
	options, err := parseImage(flag.NewFlagSet("inspect", flag.ContinueOnError), args, inspectUsage)
	if err != nil {
		return Failed, err
	}
	rep, err := options.inspect(ctx)
	if err != nil {
		return Failed, err
	}
	return options.show(rep, stdout)
}

// imageOptions are the arguments of the verbs that report on an image.
type imageOptions struct {
	output
	image       string
	guestReport string
}

// parseImage reads the arguments of a verb whose own flags are in flags.
func parseImage(flags *flag.FlagSet, args []string, usage string) (options imageOptions, err error) {
	options.register(flags)
	flags.StringVar(&options.guestReport, "guest-report", "", "")
	images, err := parse(flags, args)
	if err != nil {
		return options, err
	}
	if len(images) != 1 {
		return options, fmt.Errorf("%d images named, want one\n%s", len(images), usage)
	}
	options.image = images[0]
	return options, options.check()
}

// inspect inspects the image and adds the guest's findings.
func (o *imageOptions) inspect(ctx context.Context) (*report.Report, error) {
	rep, err := report.Inspect(ctx, o.image)
	if err != nil {
		return nil, err
	}
	if o.guestReport != "" {
		if err := rep.AddGuest(o.guestReport, guestreport.Origin{}); err != nil {
			return nil, err
		}
	}
	return rep, nil
}

// show writes the report and returns the exit status that its findings make.
func (o *imageOptions) show(rep *report.Report, stdout io.Writer) (status int, err error) {
	if err := o.Write(rep, stdout); err != nil {
		return Failed, fmt.Errorf("write the report on %s: %w", o.image, err)
	}
	if len(rep.Failing()) > 0 {
		return NotReady, nil
	}
	return Ready, nil
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
