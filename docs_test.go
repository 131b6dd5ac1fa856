package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hcldec"

	"github.com/openstack-ready/packer-plugin-openstack-ready/datasource/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
	"github.com/openstack-ready/packer-plugin-openstack-ready/postprocessor"
	"github.com/openstack-ready/packer-plugin-openstack-ready/provisioner"
)

// block is a piece of HCL in a page.
type block struct{ place, text string }

var fence = regexp.MustCompile("(?s)```hcl\n(.*?)```")

// blocksOf finds the HCL of every page for people.
func blocksOf(t *testing.T) []block {
	t.Helper()
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("docs", func(path string, entry fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") || strings.HasSuffix(path, ".mdx") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range fence.FindAllSubmatchIndex(b, -1) {
			line := strings.Count(string(b[:at[2]]), "\n") + 1
			blocks = append(blocks, block{fmt.Sprintf("%s:%d", page, line), string(b[at[2]:at[3]])})
		}
	}
	return blocks
}

// TestPackerAcceptsEveryBlockOfTheDocs validates what the pages show, and the
// examples, with the real Packer.
func TestPackerAcceptsEveryBlockOfTheDocs(t *testing.T) {
	packer := findPacker(t)
	dir := installPlugins(t, packer)
	for _, b := range blocksOf(t) {
		t.Run(b.place, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "block.pkr.hcl"), []byte(completed(b.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			validate(t, packer, dir, "block.pkr.hcl")
		})
	}
	examples, err := filepath.Glob("example/*/*.pkr.hcl")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for i, example := range examples {
		examples[i] = filepath.Dir(example)
	}
	for _, example := range slices.Compact(examples) {
		t.Run(example, func(t *testing.T) {
			absolute, err := filepath.Abs(example)
			if err != nil {
				t.Fatal(err)
			}
			validate(t, packer, dir, absolute)
		})
	}
}

// installPlugins returns a folder in which Packer has the plugins that the docs
// speak of, and a key by the name that they use.
func installPlugins(t *testing.T, packer string) string {
	t.Helper()
	qemu, err := filepath.Abs(".build/tools/packer-plugin-qemu")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(qemu); err != nil {
		t.Skip("needs .build/tools/packer-plugin-qemu (make tools): whether Packer accepts the blocks of the docs is left out")
	}
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("needs ssh-keygen (Debian package openssh-client): whether Packer accepts the blocks of the docs is left out")
	}
	dir := t.TempDir()
	run(t, dir, packer, "plugins", "install", "--path", qemu, "github.com/hashicorp/qemu")
	installPlugin(t, packer, dir)
	run(t, dir, keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "debian-12.key"))
	return dir
}

func validate(t *testing.T, packer, dir, template string) {
	t.Helper()
	cmd := packerCommand(dir, packer, "validate", template)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", err, out)
	}
}

// completed puts around a piece of a template what it needs to be one.
func completed(text string) string {
	switch {
	case !regexp.MustCompile(`(?m)^build \{`).MatchString(text) && regexp.MustCompile(`(?m)^(provisioner|post-processors?) `).MatchString(text):
		text = "build {\n  sources = [\"source.null.none\"]\n" + text + "\n}\n"
	case !regexp.MustCompile(`(?m)^build \{`).MatchString(text):
		text += "\nbuild {\n  sources = [\"source.null.none\"]\n}\n"
	}
	if strings.Contains(text, "source.null.none") {
		text += "\nsource \"null\" \"none\" {\n  communicator = \"none\"\n}\n"
	}
	for _, match := range regexp.MustCompile(`source\.qemu\.([a-z]+)"`).FindAllStringSubmatch(text, -1) {
		if head := fmt.Sprintf("source \"qemu\" %q", match[1]); !strings.Contains(text, head) {
			text += "\n" + head + " {\n  disk_image = true\n  iso_url = \"disk.qcow2\"\n  iso_checksum = \"none\"\n  ssh_username = \"root\"\n}\n"
		}
	}
	return text
}

// TestEveryOptionHasAnExample looks for each option of each component in the
// HCL of the component's page or of the examples.
func TestEveryOptionHasAnExample(t *testing.T) {
	components := map[string]hcldec.ObjectSpec{
		"docs/provisioners/openstack-ready.mdx":    new(provisioner.Provisioner).ConfigSpec(),
		"docs/post-processors/openstack-ready.mdx": new(postprocessor.PostProcessor).ConfigSpec(),
		"docs/datasources/openstack-ready.mdx":     new(disk.Datasource).ConfigSpec(),
	}
	for page, spec := range components {
		shown := ""
		for _, b := range blocksOf(t) {
			if strings.HasPrefix(b.place, page) {
				shown += b.text
			}
		}
		for _, option := range optionsOf(spec) {
			if !regexp.MustCompile(`(?m)^\s*` + option + `\s*(=|\{)`).MatchString(shown) {
				t.Errorf("%s shows no example of the option %s", page, option)
			}
		}
	}
}

// optionsOf lists the options of a component, those of its blocks among them,
// without Packer's own.
func optionsOf(spec hcldec.ObjectSpec) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(spec)) {
		if strings.HasPrefix(name, "packer_") {
			continue
		}
		names = append(names, name)
		switch nested := spec[name].(type) {
		case *hcldec.BlockSpec:
			names = append(names, optionsOf(nested.Nested.(hcldec.ObjectSpec))...)
		case *hcldec.BlockListSpec:
			names = append(names, optionsOf(nested.Nested.(hcldec.ObjectSpec))...)
		}
	}
	return names
}

// TestEveryRequirementHasItsPage: the pages say what the catalogue says.
func TestEveryRequirementHasItsPage(t *testing.T) {
	index, err := os.ReadFile("docs/requirements.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requirement.All() {
		name := "requirements/" + string(r.ID) + ".md"
		if !strings.Contains(string(index), "("+name+")") {
			t.Errorf("docs/requirements.md does not lead to %s", name)
		}
		b, err := os.ReadFile("docs/" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		text := strings.Join(strings.Fields(strings.ReplaceAll(string(b), "\n>", "\n")), " ")
		for _, want := range []string{
			"# `" + string(r.ID) + "`", r.Title + ".", "Level: " + string(r.Level), r.Source, r.Quote, "By hand: " + r.Remedy,
			"## Why", "## Today", "## How it is looked at", "## How it is mended", "## How a start proves it",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("docs/%s lacks %q", name, want)
			}
		}
		const nothing = "A start shows nothing of it"
		if strings.Contains(text, nothing) == r.SeenFrom(requirement.Boot) {
			t.Errorf("docs/%s says %q, seen from a boot: %t", name, nothing, r.SeenFrom(requirement.Boot))
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)

// TestLinksLeadSomewhere looks at the links between the pages.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := exec.Command("git", "ls-files", "*.md", "*.mdx").Output()
	if err != nil {
		t.Skipf("needs a checkout of git: the links between the pages are left out: %s", err)
	}
	for _, page := range strings.Fields(string(pages)) {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, match := range link.FindAllSubmatch(b, -1) {
			target := filepath.Join(filepath.Dir(page), string(match[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, match[1])
			}
		}
	}
}

var (
	message = regexp.MustCompile("(?s)\\*\\*`(.*?)`")
	// filledIn is what a message has in place of a verb of fmt.
	filledIn = regexp.MustCompile(`…|\bN\b|"?NAME"?|\d+m\d+s|\bpublic\b`)
)

// TestTroubleshootingHasRealMessages looks for each message in the code, so that
// who searches for it finds it.
func TestTroubleshootingHasRealMessages(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("git", "grep", "-h", "-e", `"`, "--", "*.go", ":!*_test.go").Output()
	if err != nil {
		t.Skipf("needs a checkout of git: whether the messages of docs/troubleshooting.md are real is left out: %s", err)
	}
	messages := message.FindAllStringSubmatch(string(page), -1)
	if len(messages) < 5 {
		t.Errorf("%d messages, want more", len(messages))
	}
	for _, m := range messages {
		for _, piece := range filledIn.Split(strings.Join(strings.Fields(m[1]), " "), -1) {
			piece = strings.Trim(piece, " ;:")
			if !strings.Contains(string(out), piece) {
				t.Errorf("no message of the code holds %q, which docs/troubleshooting.md quotes", piece)
			}
		}
	}
}
