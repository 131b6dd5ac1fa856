package property

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is what a property may hold.
type kind struct {
	// want says it to people.
	want string
	// holds reports whether a value is of the kind; nil takes every text.
	holds func(value string) bool
}

// check returns why value is not of the kind.
func (k kind) check(value string) error {
	if k.holds == nil || k.holds(value) {
		return nil
	}
	return fmt.Errorf("%q: want %s", value, k.want)
}

func text(want string) kind { return kind{want: want} }

func oneOf(values ...string) kind {
	return kind{
		want:  "one of " + strings.Join(values, ", "),
		holds: func(value string) bool { return slices.Contains(values, value) },
	}
}

// orAlias widens an enumeration by what Nova makes lower case and translates
// before it looks the value up.
func (k kind) orAlias(aliases ...string) kind {
	return kind{want: k.want, holds: func(value string) bool {
		lower := strings.ToLower(value)
		return k.holds(lower) || slices.Contains(aliases, lower)
	}}
}

// flag is what Nova reads as a boolean (oslo.utils, strutils.bool_from_string).
// Nova takes every other text for false, silently.
func flag() kind {
	return kind{want: "true or false", holds: func(value string) bool {
		return isTrue(value) || slices.Contains([]string{"0", "f", "false", "off", "n", "no"}, strings.ToLower(value))
	}}
}

func isTrue(value string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(value))
}

// number is a whole number from least to most.
func number(least, most int64) kind {
	return kind{
		want: fmt.Sprintf("a whole number from %d to %d", least, most),
		holds: func(value string) bool {
			n, err := strconv.ParseInt(value, 10, 64)
			return err == nil && n >= least && n <= most
		},
	}
}

func pattern(want, expression string) kind {
	return kind{want: want, holds: regexp.MustCompile("^(?:" + expression + ")$").MatchString}
}

func uuid() kind {
	return pattern("a UUID", `[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)
}

// date is a day or a time of one of the layouts of package time, in UTC.
func date(want string, layouts ...string) kind {
	return kind{want: want, holds: func(value string) bool {
		return slices.ContainsFunc(layouts, func(layout string) bool {
			_, err := time.Parse(layout, value)
			// Parse takes an hour of one digit where the layout has two.
			return err == nil && len(value) == len(layout)
		})
	}}
}

// or is what is of one of two kinds.
func (k kind) or(other kind) kind {
	return kind{
		want:  k.want + ", or " + other.want,
		holds: func(value string) bool { return k.holds(value) || other.holds(value) },
	}
}
