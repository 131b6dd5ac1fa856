// Package command holds the verbs that a person runs on the plugin's binary
// without Packer.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The exit statuses of every verb.
const (
	// Ready: every required requirement is met; of other verbs, that they did
	// what was asked.
	Ready = 0
	// NotReady: a required requirement is not met, or could not be looked at.
	NotReady = 1
	// Failed: the image could not be inspected, or the arguments are wrong.
	Failed = 2
)

const program = "packer-plugin-openstack-ready"

// verb is one thing that a person can ask for.
type verb struct {
	name, summary string
	// usage is the text of --help.
	usage string
	// options are what completion offers.
	options []option
	// words are what can stand in place of a file; nil where a file is wanted.
	words []string
	// run returns one of the exit statuses; flag.ErrHelp makes the usage appear.
	run func(ctx context.Context, args []string, stdout, stderr io.Writer) (status int, err error)
}

// option is a long option of a verb.
type option struct {
	name string
	// values are what can stand behind it; nil where a file is wanted.
	values []string
}

// verbs lists the verbs in the order in which help shows them.
func verbs() []verb { return []verb{inspectVerb(), proveVerb(), completionVerb(), helpVerb()} }

// find returns the verb called name; help has the names that people try.
func find(name string) (verb, bool) {
	if slices.Contains([]string{"-h", "-help", "--help"}, name) {
		name = "help"
	}
	for _, v := range append(verbs(), relayVerb()) {
		if v.name == name {
			return v, true
		}
	}
	return verb{}, false
}

// Is reports whether name is a verb of this package; Packer's own verbs, such
// as describe and start, are not.
func Is(name string) bool {
	_, ok := find(name)
	return ok
}

// Run runs the verb args[0], of which Is must hold, and returns the exit
// status.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	v, _ := find(args[0])
	status, err := v.run(ctx, args[1:], stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, v.usage)
		return Ready
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "%s %s: %s\n", program, v.name, err)
		return Failed
	}
	return status
}

// parse reads flags that may stand before or behind the other arguments, and
// returns these.
func parse(flags *flag.FlagSet, args []string) (others []string, err error) {
	flags.SetOutput(io.Discard)
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return others, nil
		}
		others = append(others, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

func helpVerb() verb {
	return verb{
		name: "help", summary: "say what there is, or how one verb is used",
		usage: "Usage: " + program + " help [VERB]\n",
		run:   runHelp,
	}
}

func runHelp(_ context.Context, args []string, stdout, _ io.Writer) (status int, err error) {
	if len(args) == 0 {
		_, err := io.WriteString(stdout, overview())
		return Ready, err
	}
	v, ok := find(args[0])
	if !ok {
		return Failed, fmt.Errorf("%q is no verb of this program; it has %s", args[0], strings.Join(verbNames(), ", "))
	}
	_, err = io.WriteString(stdout, v.usage)
	return Ready, err
}

func overview() string {
	var b strings.Builder
	b.WriteString("Usage: " + program + ` VERB [ARGUMENT…]

Makes Linux images ready for OpenStack as a plugin of Packer; by hand:

`)
	for _, v := range verbs() {
		fmt.Fprintf(&b, "  %-12s%s\n", v.name, v.summary)
	}
	b.WriteString(`
"VERB --help" says more of each. Packer itself uses describe and start.

Exit status: 0 ready, or done; 1 not ready; 2 it could not be done.
`)
	return b.String()
}

func verbNames() []string {
	var names []string
	for _, v := range verbs() {
		names = append(names, v.name)
	}
	return names
}
