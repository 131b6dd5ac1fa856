package boot

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Result is what the runs showed.
type Result struct {
	// Accelerator says how the guest was run, and why not by KVM.
	Accelerator string `json:"accelerator"`
	// Findings has one finding of the boot side for each requirement that a boot
	// can show, in the order of the catalogue.
	Findings []requirement.Finding `json:"findings"`
	Runs     []Run                 `json:"runs"`
}

// Run is one boot.
type Run struct {
	Via Via `json:"via"`
	// Stage is the last that was reached.
	Stage Stage `json:"stage"`
	// LoginSeconds is the time from power-on to the login prompt on the serial
	// console, SSHSeconds that to the first login by SSH, and ProvedSeconds that
	// to the last proof but reboot and shutdown; 0 where it did not come to it.
	LoginSeconds  float64 `json:"login_seconds"`
	SSHSeconds    float64 `json:"ssh_seconds"`
	ProvedSeconds float64 `json:"proved_seconds"`
	// User is the account that let the key in.
	User string `json:"user,omitempty"`
	// ConsoleLog and Screenshot are files in LogDir; empty without one.
	ConsoleLog string `json:"console_log,omitempty"`
	Screenshot string `json:"screenshot,omitempty"`
	// LastLines are the last lines of the console.
	LastLines []string `json:"last_lines"`
	// Over says why the wait for a login ended without one.
	Over string `json:"over,omitempty"`

	console string
	picture []byte
}

// Console is what the instances wrote to their serial consoles, one after
// another, each below a line that names the way of its data.
func (r *Result) Console() string {
	var b strings.Builder
	for _, run := range r.Runs {
		fmt.Fprintf(&b, "=== instance data from the %s ===\n%s\n", run.Via.inWords(), run.console)
	}
	return b.String()
}

// Screenshot is the display of the first run that let nobody in, else that of
// the last one, as PNG; empty where none could be taken.
func (r *Result) Screenshot() []byte {
	var picture []byte
	for _, run := range r.Runs {
		picture = run.picture
		if run.Over != "" {
			break
		}
	}
	return picture
}

// WriteFailure writes for each run that let nobody in how far it came, the last
// lines of its console, and where the whole log is; nothing where all did.
func (r *Result) WriteFailure(w io.Writer) error {
	var b strings.Builder
	for _, run := range r.Runs {
		if run.Over == "" {
			continue
		}
		fmt.Fprintf(&b, "With its data from the %s the instance let nobody in: %s. The last lines of its console:\n", run.Via.inWords(), run.Over)
		for _, line := range run.LastLines {
			fmt.Fprintf(&b, "  %s\n", strings.Trim(strconv.QuoteToGraphic(line), `"`))
		}
		where := "Name a log folder to keep the whole console log and a screenshot"
		if run.ConsoleLog != "" {
			where = "The whole console log: " + run.ConsoleLog
		}
		if run.Screenshot != "" {
			where += "; the display: " + run.Screenshot
		}
		fmt.Fprintf(&b, "%s\n", where)
	}
	var missing []string
	for _, f := range r.Findings {
		if !f.Verdict.OK() {
			missing = append(missing, fmt.Sprintf("%s (%s)", f.ID, f.Verdict))
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "Not proved: %s\n", strings.Join(missing, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sizeUnits are binary, as those of qemu-img and of Packer's disk_size.
const sizeUnits = "KMGT"

// ParseSize reads a size in bytes, such as 8G or 8192M.
func ParseSize(s string) (int64, error) {
	number, shift := s, 0
	if s != "" {
		if unit := strings.IndexByte(sizeUnits, s[len(s)-1]); unit >= 0 {
			number, shift = s[:len(s)-1], 10*(unit+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n<<shift>>shift != n {
		return 0, fmt.Errorf("%q: want a size such as 8G or 8192M", s)
	}
	return n << shift, nil
}

// ProgressLine tells of a stage in words.
func ProgressLine(via Via, stage Stage, detail string) string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s", via.inWords(), stage, detail))
}
