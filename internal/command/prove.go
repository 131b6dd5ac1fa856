package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/boot"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

const proveUsage = `Usage: packer-plugin-openstack-ready prove [OPTION…] IMAGE

Inspects a Linux disk image, then boots a copy of it in QEMU as Nova would, on a
larger disk, and says what the instance does. The image is only read.

  --via WAY[,WAY]       how the instance gets its data: config-drive, metadata;
                        a boot each (default: both)
  --timeout TIME        for all boots together, such as 15m (default: 20m)
  --disk-size SIZE      the flavor's disk, such as 8G (default: twice as much)
  --memory MIB          the flavor's memory (default: 1024)
  --cpus N              the flavor's processors (default: 2)
  --ssh-user NAME       the account that the instance's key must reach (default:
                        the one that the image's own configuration names)
  --log DIR             keep each boot's console log and screenshot there
  --format FORMAT       these three
  --output FILE         are those
  --guest-report FILE   of inspect

Progress, and the last lines of a console where nobody could log in, go to
standard error.

Exit status: 0 every required requirement is met, 1 one is not or could not be
looked at, 2 the image could not be inspected or booted.
`

func proveVerb() verb {
	return verb{
		name: "prove", summary: "boot a copy of a disk image as Nova would, and say what it does",
		usage: proveUsage,
		options: []option{
			{name: "via", values: []string{string(boot.ConfigDrive), string(boot.Metadata)}},
			{name: "timeout"},
			{name: "disk-size"},
			{name: "memory"},
			{name: "cpus"},
			{name: "ssh-user"},
			{name: "log"},
			{name: "format", values: report.Formats()},
			{name: "output"},
			{name: "guest-report"},
		},
		run: runProve,
	}
}

func runProve(ctx context.Context, args []string, stdout, stderr io.Writer) (status int, err error) {
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	how := proveFlags(flags)
	options, err := parseImage(flags, args, proveUsage)
	if err != nil {
		return Failed, err
	}
	rep, err := options.inspect(ctx)
	if err != nil {
		return Failed, err
	}
	how.Image, how.Facts = options.image, &rep.Facts
	how.Progress = func(via boot.Via, stage boot.Stage, detail string) {
		_, _ = fmt.Fprintln(stderr, boot.ProgressLine(via, stage, detail))
	}
	began := time.Now()
	result, err := boot.Prove(ctx, *how)
	if err != nil {
		return Failed, err
	}
	rep.AddProof(result.Findings, report.Proof{Console: result.Console(), Screenshot: result.Screenshot()})
	rep.AddTiming("prove", time.Since(began))
	if err := result.WriteFailure(stderr); err != nil {
		return Failed, err
	}
	return options.show(rep, stdout)
}

// proveFlags are those of prove alone.
func proveFlags(flags *flag.FlagSet) *boot.Options {
	how := &boot.Options{}
	flags.Func("via", "", func(list string) (err error) {
		how.Via, err = boot.ParseWays(strings.Split(list, ","))
		return err
	})
	flags.DurationVar(&how.Timeout, "timeout", boot.DefaultTimeout, "")
	flags.Func("disk-size", "", func(size string) (err error) {
		how.DiskSize, err = boot.ParseSize(size)
		return err
	})
	flags.Func("memory", "", positive(&how.Memory))
	flags.Func("cpus", "", positive(&how.CPUs))
	flags.StringVar(&how.SSHUser, "ssh-user", "", "")
	flags.StringVar(&how.LogDir, "log", "", "")
	return how
}

func positive(n *int) func(string) error {
	return func(s string) (err error) {
		*n, err = strconv.Atoi(s)
		if err != nil || *n < 1 {
			return errors.New("want a number above 0")
		}
		return nil
	}
}

// relayVerb is for QEMU alone, and in no help.
func relayVerb() verb {
	return verb{name: boot.RelayVerb, run: runRelay}
}

func runRelay(ctx context.Context, args []string, stdout, _ io.Writer) (status int, err error) {
	if len(args) != 1 {
		return Failed, fmt.Errorf("%d sockets named, want one", len(args))
	}
	if err := boot.Relay(ctx, args[0], os.Stdin, stdout); err != nil {
		return Failed, err
	}
	return Ready, nil
}
