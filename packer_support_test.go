package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func findPacker(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"packer", ".build/tools/packer"} {
		if path, err := exec.LookPath(name); err == nil {
			path, err = filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Skip("needs packer (make tools): to make a guest ready by the real Packer is left out")
	return ""
}

// pluginSource is how templates name the plugin.
const pluginSource = "github.com/openstack-ready/openstack-ready"

// installPlugin has Packer install the plugin in dir.
func installPlugin(t *testing.T, packer, dir string) {
	t.Helper()
	run(t, dir, packer, "plugins", "install", "--path", buildPlugin(t), pluginSource)
}

// realClouds returns the clouds.yaml of running clouds, which Packer and the
// openstack client then read, or skips the test.
func realClouds(t *testing.T, leftOut string) string {
	t.Helper()
	clouds := os.Getenv("OPENSTACK_READY_TEST_CLOUD")
	if clouds == "" {
		t.Skipf("needs a cloud in OPENSTACK_READY_TEST_CLOUD (hack/cloud.sh): %s is left out", leftOut)
	}
	t.Setenv("OS_CLIENT_CONFIG_FILE", clouds)
	return clouds
}

// run runs a program of Packer, which keeps to dir, and returns what it said.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	out, err := packerCommand(dir, program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args[0], err, out)
	}
	return string(out)
}

// runRefused runs a program of Packer as run does, and wants it to fail.
func runRefused(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	out, err := packerCommand(dir, program, args...).CombinedOutput()
	if err == nil {
		t.Fatalf("%s %s did not fail:\n%s", program, args[0], out)
	}
	return string(out)
}

func packerCommand(dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PACKER_CONFIG_DIR="+dir, "PACKER_PLUGIN_PATH="+dir+"/plugins",
		"PACKER_CACHE_DIR="+dir+"/cache", "CHECKPOINT_DISABLE=1")
	return cmd
}
