package guest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A SupportLevel is how far tests went with a distribution.
type SupportLevel int

// The levels, each of which implies those before it.
const (
	Fixtures SupportLevel = iota
	PackageManager
	Booted
)

func (l SupportLevel) String() string {
	return [...]string{"fixtures only", "package manager real", "booted"}[l]
}

// supportPage is the table of docs that is made of what tests ran.
const supportPage = "../../docs/support.md"

var (
	update = flag.Bool("update-support", false, "write "+supportPage)

	ranLock sync.Mutex
	ran     = map[string]SupportLevel{}
)

// Ran puts a distribution into the table, if the test does not fail or skip.
func Ran(t *testing.T, system string, level SupportLevel) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		ranLock.Lock()
		defer ranLock.Unlock()
		ran[system] = max(ran[system], level)
	})
}

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = settleSupport()
	}
	os.Exit(code)
}

// settleSupport compares the table with what this run did, as far as it went,
// or writes it.
func settleSupport() int {
	if *update {
		keepOthers()
		if err := os.WriteFile(supportPage, []byte(supportText()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	page, err := os.ReadFile(supportPage)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for system, level := range ran {
		if documented, ok := documentedLevel(string(page), system); !ok || documented < level {
			fmt.Fprintf(os.Stderr, "%s does not say that %s is tested as %q: run \"make support\"\n", supportPage, system, level)
			return 1
		}
	}
	return 0
}

// keepOthers keeps the rows of tests that were not asked to run.
func keepOthers() {
	page, err := os.ReadFile(supportPage)
	if err != nil || flag.Lookup("test.run").Value.String() == "" {
		return
	}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			continue
		}
		system := strings.TrimSpace(cells[1])
		if level, ok := documentedLevel(string(page), system); ok {
			ran[system] = max(ran[system], level)
		}
	}
}

func documentedLevel(page, system string) (SupportLevel, bool) {
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.TrimSpace(cells[1]) != system {
			continue
		}
		for _, level := range []SupportLevel{Fixtures, PackageManager, Booted} {
			if strings.TrimSpace(cells[2]) == level.String() {
				return level, true
			}
		}
	}
	return 0, false
}

// supportedRoots are those that were made ready outside of these tests.
const supportedRoots = `
Roots and firmware of Debian 12 that the real Packer made ready in QEMU:

| Root | Firmware | Instance set up by | Tested |
|---|---|---|---|
| ext4 in a partition, DOS table | BIOS | cloud-init | ` + "`" + `make demo` + "`" + `; proved by ` + "`" + `make test` + "`" + ` |
| XFS on LVM, DOS table | BIOS | our boot program | ` + "`" + `make test-roots` + "`" + `, proved on a disk four times its size |
| Btrfs in a subvolume, GPT | UEFI | cloud-init | ` + "`" + `make test-roots` + "`" + `, proved on a disk four times its size |
`

func supportText() string {
	var b strings.Builder
	b.WriteString(`# What is tested

This table is written by the tests themselves (` + "`make support`" + `): a distribution
is in it when its tests passed. What was never booted here is said openly.

- **booted**: a guest was installed from the distribution's own packages, made
  unready, made ready, and started again.
- **package manager real**: the distribution's package manager installed packages
  that the test built, in a tree with the distribution's files. Nothing was booted.
- **fixtures only**: the program worked on trees of files made after the
  distribution's documentation. Its package manager was a stand-in.

| Distribution | Tested |
|---|---|
`)
	systems := make([]string, 0, len(ran))
	for system := range ran {
		systems = append(systems, system)
	}
	slices.SortFunc(systems, func(a, b string) int {
		return cmp.Or(cmp.Compare(ran[b], ran[a]), strings.Compare(a, b))
	})
	for _, system := range systems {
		fmt.Fprintf(&b, "| %s | %s |\n", system, ran[system])
	}
	b.WriteString(supportedRoots)
	return b.String()
}
