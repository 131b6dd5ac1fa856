package report

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/joshdk/go-junit"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/xeipuuv/gojsonschema"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/property"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// mixed is a report with every verdict, and with every level that is unmet.
func mixed() *Report {
	r := sample()
	r.Findings = append(r.Findings,
		requirement.Finding{ID: requirement.DHCP, Side: requirement.Disk, Verdict: requirement.Unknown, Evidence: []string{"\x1b[2J & <nobody> looked"}},
		requirement.Finding{ID: requirement.GuestAgent, Side: requirement.Disk, Verdict: requirement.Unmet, Evidence: []string{"none"}},
		requirement.Finding{ID: requirement.SSHServer, Side: requirement.Guest, Verdict: requirement.Met, Evidence: []string{"sshd"}},
	)
	return r
}

func TestJUnitAsItsReadersSeeIt(t *testing.T) {
	var b bytes.Buffer
	if err := mixed().Write(&b, FormatJUnit); err != nil {
		t.Fatal(err)
	}
	suites, err := junit.Ingest(b.Bytes())
	if err != nil {
		t.Fatalf("%s:\n%s", err, &b)
	}
	if len(suites) != 2 || suites[0].Totals.Tests != 1 || suites[1].Totals.Tests != 5 {
		t.Fatalf("suites = %+v, want one of 1 test for the guest and one of 5 for the disk", suites)
	}
	want := map[string]junit.Status{
		"root-resize": junit.StatusPassed, "console-log": junit.StatusFailed, "xen-pv-kernel": junit.StatusSkipped,
		"dhcp": junit.StatusError, "guest-agent": junit.StatusSkipped,
	}
	for _, test := range suites[1].Tests {
		if test.Status != want[test.Name] || test.Classname != "openstack-ready.disk" {
			t.Errorf("%s of %s is %s, want %s", test.Name, test.Classname, test.Status, want[test.Name])
		}
	}
	if got := suites[1].Tests[1].Error.Error(); !strings.Contains(got, "What to do: put console=tty0") || !strings.Contains(got, "second line") {
		t.Errorf("text of the failure = %q, want evidence and remedy", got)
	}
	if got := suites[1].Tests[3].Message; got != "unknown (required): \uFFFD[2J & <nobody> looked" {
		t.Errorf("message of the error = %q", got)
	}
}

func TestSARIFKeepsToItsSchema(t *testing.T) {
	r := mixed()
	r.Require = []requirement.ID{requirement.GuestAgent}
	var b bytes.Buffer
	if err := r.Write(&b, FormatSARIF); err != nil {
		t.Fatal(err)
	}
	result, err := gojsonschema.Validate(gojsonschema.NewStringLoader(sarifSchema(t)), gojsonschema.NewBytesLoader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, mistake := range result.Errors() {
		t.Error(mistake)
	}
	log, err := sarif.FromBytes(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if got, want := len(run.Tool.Driver.Rules), len(requirement.All()); got != want {
		t.Errorf("%d rules, want %d", got, want)
	}
	var got []string
	for _, result := range run.Results {
		got = append(got, *result.RuleID+" "+result.Level+" "+*result.Locations[0].PhysicalLocation.ArtifactLocation.URI)
	}
	want := "console-log error debian.qcow2, dhcp error debian.qcow2, guest-agent error debian.qcow2"
	if strings.Join(got, ", ") != want {
		t.Errorf("results = %q, want %q", got, want)
	}
}

// sarifSchema is that of OASIS, out of the source of the module that reads the
// log for this test and keeps it to itself.
func sarifSchema(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(dir)), "pkg/report/v210/sarif/schema.go")
	source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	schema := ""
	ast.Inspect(source, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			schema, err = strconv.Unquote(literal.Value)
		}
		return err == nil
	})
	if err != nil || !strings.Contains(schema, "Static Analysis Results Format") {
		t.Fatalf("%s holds no schema: %v", file, err)
	}
	return schema
}

func TestSARIFOfAReadyImageHasNoResult(t *testing.T) {
	r := sample()
	r.Findings = r.Findings[:1]
	var b bytes.Buffer
	if err := r.WriteSARIF(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"results": []`) {
		t.Errorf("no empty list of results:\n%s", &b)
	}
}

func TestURIOfAPath(t *testing.T) {
	for path, want := range map[string]string{
		"out/debian 12.qcow2": "out/debian%2012.qcow2", "/srv/a#b.raw": "file:///srv/a%23b.raw",
	} {
		if got := uriOf(path); got != want {
			t.Errorf("uriOf(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestTheNameOfAFileDecidesItsFormat(t *testing.T) {
	for name, want := range map[string]string{
		"r.html": "<!doctype html>", "R.HTM": "<!doctype html>", "r.xml": "<?xml ", "r.sarif": "{\n  \"$schema\"", "r.json": "{\n  \"schema\"", "r": "{\n  \"schema\"",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := mixed().Save(path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(got, []byte(want)) {
			t.Errorf("%s begins with %.20q, %v, want %q", name, got, err, want)
		}
	}
}

func TestOutcomeCountsARequirementOnce(t *testing.T) {
	met := requirement.Finding{ID: requirement.SSHKey, Side: requirement.Disk, Verdict: requirement.Met}
	unmet := requirement.Finding{ID: requirement.DHCP, Side: requirement.Guest, Verdict: requirement.Unmet}
	unmetToo := requirement.Finding{ID: requirement.DHCP, Side: requirement.Disk, Verdict: requirement.Unknown}
	unknown := requirement.Finding{ID: requirement.Virtio, Side: requirement.Disk, Verdict: requirement.Unknown}
	agent := requirement.Finding{ID: requirement.GuestAgent, Side: requirement.Disk, Verdict: requirement.Unmet}
	cases := map[string][]requirement.Finding{
		"Ready: Every required requirement is met.":                                         {met, agent},
		"Not ready: 1 of 2 required requirements is not met.":                               {met, unmet, unmetToo},
		"Not ready: 1 of 3 required requirements is not met, and 1 could not be looked at.": {met, unmetToo, unmet, unknown},
		"Not known to be ready: 1 of 2 required requirements could not be looked at.":       {met, unknown, agent},
	}
	for want, findings := range cases {
		o := (&Report{Findings: findings}).outcome()
		if got := o.Title + ": " + o.Sentence; got != want {
			t.Errorf("outcome = %q, want %q", got, want)
		}
	}
}

func TestColoursAreAroundWordsAlone(t *testing.T) {
	var plain, coloured bytes.Buffer
	if err := mixed().WriteTable(&plain); err != nil {
		t.Fatal(err)
	}
	if err := mixed().WriteColourTable(&coloured); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("the plain table has colours")
	}
	for _, want := range []string{"\x1b[32mmet\x1b[0m      ", "\x1b[1;31munmet\x1b[0m    ", "\x1b[33munknown\x1b[0m  ", "\x1b[1;31mNot ready\x1b[0m: "} {
		if !strings.Contains(coloured.String(), want) {
			t.Errorf("the coloured table lacks %q", want)
		}
	}
	if got := steering.ReplaceAllString(coloured.String(), ""); got != plain.String() {
		t.Errorf("without its colours the table is\n%s\nwant\n%s", got, &plain)
	}
}

func TestAWideValueHasALineOfItsOwn(t *testing.T) {
	var b strings.Builder
	writeProperties(&b, []property.Property{
		{Name: "os_type", Value: "linux", Reason: "it is Linux"},
		{Name: "rootfs_uuid", Value: "ba5c1e25-3898-49e9-b11a-8358acbca63f", Reason: "the UUID of the root file system"},
	})
	want := "PROPERTY     VALUE                 BECAUSE\n" +
		"os_type      linux                 it is Linux\n" +
		"rootfs_uuid  ba5c1e25-3898-49e9-b11a-8358acbca63f\n" +
		"                                   the UUID of the root file system\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
