package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
)

// glance is what one wants to know of an image before all else.
func glance(r *Report) []named {
	facts := r.Facts
	return known([]named{
		{"Operating system", orUnknown(facts.OS.PrettyName)},
		{"Architecture", orUnknown(facts.Architecture)},
		{"Format", formatInWords(r)},
		{"Size", fmt.Sprintf("%s (%s on disk)", Bytes(r.Image.VirtualSize), Bytes(r.Image.FileSize))},
		{"Root file system", rootInWords(r)},
		{"Starts by", startsBy(r)},
		{"Kernel", kernelsInWords(r)},
		{"Init system", facts.OS.Init},
		{"cloud-init", cloudInitInWords(r)},
		{"Account for the SSH key", facts.CloudInit.DefaultUser},
		{"QEMU guest agent", guestAgentInWords(r)},
		{"Packages", packagesInWords(r)},
	})
}

// known leaves out what has no value.
func known(facts []named) []named {
	return slices.DeleteFunc(facts, func(f named) bool { return f.Value == "" })
}

func rootInWords(r *Report) string {
	root := r.Facts.Root
	switch {
	case root.FileSystem == "":
		return ""
	case root.Volume != "":
		return fmt.Sprintf("%s on logical volume %s, %s", root.FileSystem, root.Volume, Bytes(root.Size))
	case root.Partition == 0:
		return fmt.Sprintf("%s on the whole disk, %s", root.FileSystem, Bytes(root.Size))
	}
	return fmt.Sprintf("%s on partition %d, %s", root.FileSystem, root.Partition, Bytes(root.Size))
}

func startsBy(r *Report) string {
	var ways []string
	if r.Facts.Boot.BIOS {
		ways = append(ways, "BIOS")
	}
	if r.Facts.Boot.UEFI {
		ways = append(ways, "UEFI")
	}
	if len(r.Facts.Boot.Loaders) > 0 {
		ways = append(ways, strings.Join(r.Facts.Boot.Loaders, " and "))
	}
	return strings.Join(ways, ", ")
}

func kernelsInWords(r *Report) string {
	versions := make([]string, len(r.Facts.Kernels))
	for i, k := range r.Facts.Kernels {
		versions[i] = k.Version
	}
	return strings.Join(versions, ", ")
}

func cloudInitInWords(r *Report) string {
	switch c := r.Facts.CloudInit; {
	case !c.Installed:
		return "not installed"
	case !c.Enabled:
		return strings.TrimSpace(c.Version + " switched off")
	case c.Version == "":
		return "installed and enabled"
	default:
		return c.Version
	}
}

func guestAgentInWords(r *Report) string {
	switch a := r.Facts.GuestAgent; {
	case !a.Installed:
		return "not installed"
	case !a.Enabled:
		return "installed, does not start"
	default:
		return "installed, starts"
	}
}

func packagesInWords(r *Report) string {
	if r.Facts.Packages == nil {
		return r.Facts.PackagesUnknown
	}
	return fmt.Sprintf("%d, of %s", len(r.Facts.Packages.Packages), r.Facts.Packages.Manager)
}

// layoutWidth is that of the picture of the disk, in units of its own.
const layoutWidth = 1000

// slice is a partition in the picture of the disk.
type slice struct {
	X, Width float64
	Label    string
	Root     bool
}

func layout(r *Report) []slice {
	table := r.Facts.Partitions
	if table == nil || r.Image.VirtualSize <= 0 {
		return nil
	}
	scale := func(n int64) float64 { return float64(n) / float64(r.Image.VirtualSize) * layoutWidth }
	var slices []slice
	for _, p := range table.Partitions {
		if p.Extended() || p.Start < 0 || p.Size <= 0 {
			continue
		}
		slices = append(slices, slice{
			X: scale(p.Start), Width: max(scale(p.Size), 2),
			Label: partitionInWords(p), Root: p.Number == r.Facts.Root.Partition,
		})
	}
	return slices
}

func partitionInWords(p partition.Partition) string {
	kind := p.TypeName
	if kind == "" {
		kind = p.Type
	}
	return fmt.Sprintf("%d: %s, %s", p.Number, kind, Bytes(p.Size))
}

// pageProof is what the start of a copy left behind.
type pageProof struct {
	Screenshot template.URL
	Console    string
	Lines      int
}

func newPageProof(p *Proof) *pageProof {
	if p == nil {
		return nil
	}
	console := readable(p.Console)
	return &pageProof{
		Screenshot: pngURL(p.Screenshot), Console: console,
		Lines: strings.Count(strings.TrimSuffix(console, "\n"), "\n") + 1,
	}
}

// pngURL is empty for what is no PNG file.
func pngURL(b []byte) template.URL {
	if !bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) {
		return ""
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b))
}

// steering matches what tells a terminal to move, colour or title: the control
// sequences of ECMA-48 and the commands of xterm.
var steering = regexp.MustCompile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\^_=>78]|[()][0-9A-B])")

// readable is the text of a terminal without what steers one.
func readable(console string) string {
	text := strings.ReplaceAll(steering.ReplaceAllString(console, ""), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			return r
		case r == '\r':
			return -1
		}
		return unicode.ReplacementChar
	}, text)
}

// bars is the chart of timings.
type bars struct {
	Height int
	Bars   []bar
}

type bar struct {
	Stage, Took  string
	Y, TextY     int
	Width, TextX float64
}

const (
	barPitch = 28
	barLeft  = 162
	barRoom  = 460
)

func newBars(timings []Timing) *bars {
	if len(timings) == 0 {
		return nil
	}
	longest := slices.MaxFunc(timings, func(a, b Timing) int { return int(1e3 * (a.Seconds - b.Seconds)) }).Seconds
	chart := &bars{Height: barPitch * len(timings)}
	for i, t := range timings {
		width := 2.0
		if longest > 0 {
			width = max(width, t.Seconds/longest*barRoom)
		}
		y := i*barPitch + 5
		chart.Bars = append(chart.Bars, bar{
			Stage: t.Stage, Took: took(t.Seconds), Y: y, TextY: y + 14, Width: width, TextX: barLeft + width + 8,
		})
	}
	return chart
}

// took writes a time with three digits, as far as it has them.
func took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
