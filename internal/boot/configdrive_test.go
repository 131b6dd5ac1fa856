package boot

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigDriveIsFoundByItsLabelAndHoldsEveryFile(t *testing.T) {
	for program, pkg := range map[string]string{"blkid": "util-linux", "isoinfo": "genisoimage"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian package %s): the config drive is not read back by another program", program, pkg)
		}
	}
	i := testInstance(t)
	files := i.configDriveFiles()
	drive := filepath.Join(t.TempDir(), "config.iso")
	if err := writeConfigDrive(drive, files); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(output(t, "blkid", "-p", "-s", "LABEL", "-o", "value", drive)); got != "config-2" {
		t.Errorf("blkid's label = %q, want config-2", got)
	}
	for name, want := range files {
		got := output(t, "isoinfo", "-R", "-i", drive, "-x", "/"+name)
		if !bytes.Equal([]byte(got), want) {
			t.Errorf("%s has %d bytes, want %d", name, len(got), len(want))
		}
	}
	if left, err := os.ReadDir(filepath.Dir(drive)); err != nil || len(left) != 1 {
		t.Errorf("beside the config drive there are %v, %v", left, err)
	}
}

func testInstance(t *testing.T) *instance {
	t.Helper()
	i, err := newInstance("ttyS0")
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return string(out)
}
