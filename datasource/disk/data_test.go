package disk

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

func TestExecuteGivesWhatATemplateCanSwitchOn(t *testing.T) {
	path := disktest.Debian(t)
	got, err := execute(t, map[string]any{"path": path})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetAttr("ready").True() {
		t.Error("a disk that lacks everything is ready")
	}
	var failing []string
	for _, id := range got.GetAttr("failing").AsValueSlice() {
		failing = append(failing, id.AsString())
	}
	if !slices.Contains(failing, "identity-reset") || slices.Contains(failing, "partition-layout") || slices.Contains(failing, "guest-agent") {
		t.Errorf("failing = %q, want identity-reset, and neither partition-layout nor guest-agent", failing)
	}
	verdicts := got.GetAttr("verdicts").AsValueMap()
	if len(verdicts) != 17 || verdicts["partition-layout"].AsString() != "met" || verdicts["identity-reset"].AsString() != "unmet" {
		t.Errorf("verdicts = %#v", verdicts)
	}
	size, _ := got.GetAttr("virtual_size").AsBigFloat().Int64()
	if size != 32<<20 {
		t.Errorf("virtual_size = %d, want %d", size, 32<<20)
	}
	if distro := got.GetAttr("properties").AsValueMap()["os_distro"]; distro != cty.StringVal("debian") {
		t.Errorf("os_distro = %#v", distro)
	}
	var document struct{ Schema string }
	if err := json.Unmarshal([]byte(got.GetAttr("report").AsString()), &document); err != nil || document.Schema != "openstack-ready/report/v1" {
		t.Errorf("report has schema %q, %v", document.Schema, err)
	}
}

func execute(t *testing.T, options map[string]any) (cty.Value, error) {
	t.Helper()
	var d Datasource
	if err := d.Configure(options); err != nil {
		t.Fatal(err)
	}
	return d.Execute()
}

func TestExecuteSaysWhatCannotBeInspected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("no disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := execute(t, map[string]any{"path": path})
	if err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v, want one that names the file", err)
	}
	if !got.IsNull() {
		t.Errorf("value = %#v, want null: nothing else survives RPC", got)
	}
}

func TestExecuteEndsInTime(t *testing.T) {
	if _, err := execute(t, map[string]any{"path": disktest.Debian(t), "timeout": "1ns"}); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("error = %v, want one of the deadline", err)
	}
}

func TestConfigureNamesEveryMistake(t *testing.T) {
	var d Datasource
	err := d.Configure(map[string]any{"timeout": "-1s"})
	if err == nil || !strings.Contains(err.Error(), "path:") || !strings.Contains(err.Error(), "timeout:") {
		t.Errorf("error = %v, want one that names path and timeout", err)
	}
}
