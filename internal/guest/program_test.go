package guest

import (
	"bytes"
	"io/fs"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

func TestEachRequirementHasItsScript(t *testing.T) {
	code, err := program(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		for _, verb := range []string{"look", "mend"} {
			name := verb + "_" + strings.ReplaceAll(string(r.ID), "-", "_")
			n := len(regexp.MustCompile(`(?m)^`+name+`\(\) \{$`).FindAll(code, -1))
			if n != 1 {
				t.Errorf("%s is defined %d times, want once", name, n)
			}
		}
	}
	ready, cleanup, err := requirementOrder()
	if err != nil {
		t.Fatal(err)
	}
	readyFiles, _ := names("scripts/requirements")
	cleanupFiles, _ := names("scripts/cleanup")
	if len(ready) != len(readyFiles) || len(cleanup) != len(cleanupFiles) {
		t.Errorf("%d+%d scripts, but %d+%d requirements", len(readyFiles), len(cleanupFiles), len(ready), len(cleanup))
	}
}

func TestNoFunctionIsDefinedTwice(t *testing.T) {
	code, err := program(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	code = regexp.MustCompile(`(?s)<<'`+bootFileEnd+`'\n.*?\n`+bootFileEnd+`\n`).ReplaceAll(code, nil)
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)\(\)`).FindAllSubmatch(code, -1) {
		if seen[string(m[1])] {
			t.Errorf("%s is defined twice", m[1])
		}
		seen[string(m[1])] = true
	}
}

func TestProgramIsPlainShell(t *testing.T) {
	code, err := program(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"dash", "-n"},
		{"busybox", "sh", "-n"},
		{"bash", "--posix", "-n"},
		{"shellcheck", "--shell=sh", "-"},
		{"shfmt", "-i", "2", "-d"},
	} {
		t.Run(command[0], func(t *testing.T) {
			if _, err := exec.LookPath(command[0]); err != nil {
				t.Skipf("needs %s (Debian package %[1]s): what it says of the guest program is left out", command[0])
			}
			cmd := exec.Command(command[0], command[1:]...)
			cmd.Stdin = bytes.NewReader(code)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", command, err, out)
			}
		})
	}
}

func TestBootFilesArePlainShell(t *testing.T) {
	for _, program := range []string{"shellcheck", "shfmt"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s: what it says of the boot program is left out", program)
		}
	}
	files, err := fs.Glob(scripts, "scripts/boot/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "scripts/boot/boot.sh") {
		text, err := fs.ReadFile(scripts, file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("#!")) {
			continue
		}
		for _, command := range []string{"shellcheck --shell=sh ", "shfmt -i 2 -d "} {
			if out, err := exec.Command("sh", "-c", command+file).CombinedOutput(); err != nil {
				t.Errorf("%s%s: %v\n%s", command, file, err, out)
			}
		}
	}
}
