package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompletionInEachShell asks the shells themselves what they would offer.
func TestCompletionInEachShell(t *testing.T) {
	ask := map[string]string{
		"bash": `. "$SCRIPT"; COMP_WORDS=($LINE); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			[ "$LAST" ] || { COMP_WORDS+=(""); COMP_CWORD=$((COMP_CWORD + 1)); }
			_packer_plugin_openstack_ready; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `source $SCRIPT; complete -C "$LINE$SPACE" | cut -f 1`,
	}
	cases := []struct{ line, last, want string }{
		{"packer-plugin-openstack-ready", "", "inspect"},
		{"packer-plugin-openstack-ready ins", "ins", "inspect"},
		{"packer-plugin-openstack-ready inspect --f", "--f", "--format"},
		{"packer-plugin-openstack-ready inspect --format", "", "sarif"},
		{"packer-plugin-openstack-ready completion", "", "fish"},
		{"packer-plugin-openstack-ready help com", "com", "completion"},
	}
	for shell, script := range ask {
		t.Run(shell, func(t *testing.T) {
			path := completionOf(t, shell)
			for _, c := range cases {
				cmd := exec.Command(shell, "-c", script)
				cmd.Env = append(os.Environ(), "SCRIPT="+path, "LINE="+c.line, "LAST="+c.last, "SPACE="+space(c.last), "HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %s\n%s", c.line, err, out)
				}
				if got := strings.Fields(string(out)); !slices.Contains(got, c.want) {
					t.Errorf("%q offers %q, want %s among them", c.line, got, c.want)
				}
			}
		})
	}
}

func space(last string) string {
	if last == "" {
		return " "
	}
	return ""
}

// TestCompletionOfZsh: zsh completes only at a terminal, so it is asked whether
// it understands the script.
func TestCompletionOfZsh(t *testing.T) {
	path := completionOf(t, "zsh")
	if out, err := exec.Command("zsh", "-n", path).CombinedOutput(); err != nil {
		t.Errorf("%s\n%s", err, out)
	}
}

func completionOf(t *testing.T, shell string) string {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skipf("needs %s (Debian package %s): its completion is left out", shell, shell)
	}
	status, stdout, stderr := run("completion", shell)
	if status != Ready || stderr != "" {
		t.Fatalf("status = %d, stderr = %q", status, stderr)
	}
	path := filepath.Join(t.TempDir(), "completion")
	if err := os.WriteFile(path, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCompletionOfNoShell(t *testing.T) {
	for _, line := range []string{"completion", "completion csh", "completion bash zsh"} {
		if status, _, stderr := run(strings.Fields(line)...); status != Failed || !strings.Contains(stderr, "bash, zsh, fish") {
			t.Errorf("%s: status = %d, stderr = %q, want %d and the shells", line, status, stderr, Failed)
		}
	}
}
