package postprocessor

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	registryimage "github.com/hashicorp/packer-plugin-sdk/packer/registry/image"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
	guestreport "github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

// process runs the post-processor on the disk at path.
func process(t *testing.T, path string, options map[string]any) (packersdk.Artifact, string, error) {
	t.Helper()
	var p PostProcessor
	if err := p.Configure(options); err != nil {
		t.Fatal(err)
	}
	ui := &packersdk.MockUi{}
	artifact, keep, force, err := p.PostProcess(context.Background(), ui, &packersdk.MockArtifact{FilesValue: []string{path}})
	if !keep || force {
		t.Errorf("keep = %t, force = %t: the input must be kept unless the user says otherwise", keep, force)
	}
	var said []string
	for _, m := range ui.SayMessages {
		said = append(said, m.Message)
	}
	return artifact, strings.Join(said, "\n"), err
}

func TestAnUnreadyDiskEndsTheBuildAndIsReported(t *testing.T) {
	path := disktest.Debian(t)
	reportPath := filepath.Join(t.TempDir(), "report.json")
	_, said, err := process(t, path, map[string]any{"report": reportPath})
	if err == nil {
		t.Fatal("no error for a disk that is not ready")
	}
	for _, want := range []string{"identity-reset (unmet, disk side)", "root-resize (unknown, disk side)", "on_unmet"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %s", want, err)
		}
	}
	if !strings.Contains(said, "REQUIREMENT      DISK     EVIDENCE") {
		t.Errorf("the user saw no table:\n%s", said)
	}
	var saved report.Report
	readJSON(t, reportPath, &saved)
	if saved.Schema != report.Schema || len(saved.Findings) != 17 {
		t.Errorf("saved report has schema %q and %d findings, want %q and 17", saved.Schema, len(saved.Findings), report.Schema)
	}
}

func readJSON(t *testing.T, path string, document any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, document); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutACloudThePropertiesAreWrittenBesideTheDisk(t *testing.T) {
	path := disktest.Debian(t)
	artifact, said, err := process(t, path, map[string]any{
		"on_unmet": "warn", "properties": map[string]string{"hw_disk_bus": "scsi", "os_version": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	if artifact.Id() != path || artifact.State(registryimage.ArtifactStateURI) != nil {
		t.Errorf("artifact = %q with HCP metadata %v, want the disk's path and none", artifact.Id(), artifact.State(registryimage.ArtifactStateURI))
	}
	var saved struct {
		Schema     string
		Properties []struct{ Name, Value string }
	}
	readJSON(t, path+".properties.json", &saved)
	got := map[string]string{}
	for _, p := range saved.Properties {
		got[p.Name] = p.Value
	}
	for name, want := range map[string]string{"auto_disk_config": "True", "hw_disk_bus": "scsi", "os_distro": "debian", "min_disk": "1", "os_version": ""} {
		if got[name] != want {
			t.Errorf("property %s = %q, want %q", name, got[name], want)
		}
	}
	if !strings.Contains(said, "Nothing is uploaded") {
		t.Errorf("the user is not told that nothing was uploaded:\n%s", said)
	}
}

func TestTheGuestsFindingsCountLikeTheDisks(t *testing.T) {
	path := disktest.Debian(t)
	guest := filepath.Join(t.TempDir(), "guest.json")
	writeFile(t, guest, []byte(`{"schema":"openstack-ready/guest-report/v1","findings":[{"id":"dhcp","side":"guest","verdict":"unmet","evidence":["seen in the guest"]}]}`))
	_, said, err := process(t, path, map[string]any{"guest_report": guest})
	if err == nil || !strings.Contains(err.Error(), "dhcp (unmet, guest side)") {
		t.Errorf("error = %v, want one that names the guest's finding", err)
	}
	if !strings.Contains(said, "GUEST    DISK") {
		t.Errorf("the table has no column for the guest:\n%s", said)
	}
	for name, content := range map[string]string{"no JSON": "nonsense", "a foreign verdict": `{"schema":"openstack-ready/guest-report/v1","findings":[{"id":"dhcp","side":"guest","verdict":"fine"}]}`} {
		writeFile(t, guest, []byte(content))
		if _, _, err := process(t, path, map[string]any{"guest_report": guest}); err == nil || !strings.Contains(err.Error(), guest) {
			t.Errorf("%s: error = %v, want one that names the file", name, err)
		}
	}
}

func TestAGuestReportOfAnotherBuildIsRefused(t *testing.T) {
	path := disktest.Debian(t)
	guest := filepath.Join(t.TempDir(), "guest.json")
	written := &guestreport.Report{Schema: guestreport.Schema, Origin: guestreport.Origin{Run: "run-1", Build: "qemu.debian"}}
	if err := written.WriteFile(guest); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		run, source string
		any         bool
		want        string
	}{
		{"run-1", "debian", false, ""},
		{"run-2", "debian", false, `guest_report: ` + guest + `: the guest report is of Packer's run "run-1", this one is "run-2"`},
		{"run-1", "ubuntu", false, `the guest report is of the source "qemu.debian", this one is "qemu.ubuntu"`},
		{"run-2", "ubuntu", true, ""},
		{"", "", false, ""},
	} {
		t.Setenv("PACKER_RUN_UUID", c.run)
		options := map[string]any{"guest_report": guest, "guest_report_of_any_build": c.any, "on_unmet": "warn"}
		if c.source != "" {
			options["packer_build_name"], options["packer_builder_type"] = c.source, "qemu"
		}
		_, _, err := process(t, path, options)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("run %q, source %q, any %v: error = %v, want %q", c.run, c.source, c.any, err, c.want)
		}
	}
}

func TestAReportThatCannotBeWrittenEndsTheBuildBeforeAnythingElse(t *testing.T) {
	path := disktest.Debian(t)
	_, _, err := process(t, path, map[string]any{"on_unmet": "warn", "report": filepath.Join(path, "report.json")})
	if err == nil || !strings.Contains(err.Error(), "report: write "+path) {
		t.Errorf("error = %v, want one that names the option and the file", err)
	}
	if _, err := os.Stat(path + ".properties.json"); err == nil {
		t.Error("the properties were written all the same")
	}
}

// TestPublish uses a real Keystone and Glance.
func TestPublish(t *testing.T) {
	client := realCloud(t)
	path := disktest.Debian(t)
	artifact, said, err := process(t, path, map[string]any{
		"cloud": clouds("demo"), "image_name": "post-processor test", "on_unmet": "warn", "tags": []string{"test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	image, err := client.Get(context.Background(), artifact.Id())
	if err != nil {
		t.Fatal(err)
	}
	sum := strings.Fields(disktest.Run(t, "sha512sum", path))[0]
	if image.Status != "active" || image.HashValue != sum || image.MinDisk != 1 {
		t.Errorf("image = %+v, want it active with hash %s and min_disk 1", image, sum)
	}
	for name, want := range map[string]string{"auto_disk_config": "True", "os_distro": "debian", "os_version": "12", "os_type": "linux"} {
		if got := image.Properties[name]; got != want {
			t.Errorf("property %s = %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(said, "Published image "+image.ID) {
		t.Errorf("the user is not told of the image:\n%s", said)
	}
	metadata, ok := artifact.State(registryimage.ArtifactStateURI).([]*registryimage.Image)
	if !ok || len(metadata) != 1 || metadata[0].ImageID != image.ID || metadata[0].Labels["os_distro"] != "debian" {
		t.Errorf("HCP metadata = %+v", metadata)
	}
	if err := artifact.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(context.Background(), image.ID); err == nil {
		t.Error("the image is still in Glance after Destroy")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the disk is gone after Destroy: %s", err)
	}
}

func TestAnUnknownCloudIsNamed(t *testing.T) {
	realCloud(t)
	_, _, err := process(t, disktest.Debian(t), map[string]any{"cloud": clouds("no-such"), "image_name": "x", "on_unmet": "warn"})
	if err == nil || !strings.Contains(err.Error(), "no-such") || !strings.Contains(err.Error(), "demo") {
		t.Errorf("error = %v, want one that names the cloud and the known ones", err)
	}
}

// cloudVariable names the clouds.yaml of a running cloud of hack/cloud.sh.
const cloudVariable = "OPENSTACK_READY_TEST_CLOUD"

func realCloud(t *testing.T) *glance.Client {
	t.Helper()
	file := os.Getenv(cloudVariable)
	if file == "" {
		t.Skipf("needs a running Keystone and Glance, named by %s (make test starts them): nothing is published", cloudVariable)
	}
	if _, err := exec.LookPath("sha512sum"); err != nil {
		t.Skip("needs sha512sum (Debian package coreutils): what Glance stores is not compared")
	}
	t.Setenv("OS_CLIENT_CONFIG_FILE", file)
	client, err := glance.SignIn(context.Background(), glance.Access{Cloud: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
