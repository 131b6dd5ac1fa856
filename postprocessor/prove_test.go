package postprocessor

import (
	"os"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/boot"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func TestProveOptionsReachTheBoot(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{"prove": map[string]any{
		"via": []string{"metadata"}, "timeout": "9m", "memory": 512, "cpus": 1, "disk_size": "8G", "ssh_user": "me", "log_dir": "logs",
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := c.Prove.options
	if len(got.Via) != 1 || got.Via[0] != boot.Metadata || got.Timeout.Minutes() != 9 || got.Memory != 512 || got.CPUs != 1 ||
		got.DiskSize != 8<<30 || got.SSHUser != "me" || got.LogDir != "logs" {
		t.Errorf("options = %+v", got)
	}
}

func TestProveMistakesAreToldAtOnce(t *testing.T) {
	var c Config
	err := c.decode(map[string]any{"prove": map[string]any{
		"via": []string{"cdrom"}, "timeout": "-1m", "memory": 1, "cpus": -1, "disk_size": "8 GB",
	}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"prove.via", "prove.timeout", "prove.memory", "prove.cpus", "prove.disk_size"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%s", want, err)
		}
	}
}

func TestAnImageThatCannotBeBootedEndsTheBuildWhateverElseIsForgiven(t *testing.T) {
	path := disktest.Debian(t) // Without any program, so of no known processor.
	_, _, err := process(t, path, map[string]any{"on_unmet": "warn", "prove": map[string]any{}})
	if err == nil || !strings.Contains(err.Error(), `prove: an image for "" cannot be booted here`) {
		t.Errorf("err = %v, want why the image cannot be booted", err)
	}
	if _, err := os.Stat(path + ".properties.json"); err == nil {
		t.Error("the properties were written although the proof could not be made")
	}
}
