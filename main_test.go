package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclparse"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/plugin"
	"github.com/hashicorp/packer-plugin-sdk/rpc"
	"github.com/zclconf/go-cty/cty"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// encodings are the two ways in which Packer and a plugin exchange values;
// Packer before 1.12 knows gob alone.
var encodings = map[string][]string{"gob": nil, "protobuf": {"--protobuf"}}

// buildPlugin builds the binary that the tests run.
func buildPlugin(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "packer-plugin-openstack-ready")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build the plugin: %s\n%s", err, out)
	}
	return path
}

func TestDescribeListsTheComponents(t *testing.T) {
	out, err := exec.Command(buildPlugin(t), "describe").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version        string   `json:"version"`
		APIVersion     string   `json:"api_version"`
		Provisioners   []string `json:"provisioners"`
		Datasources    []string `json:"datasources"`
		PostProcessors []string `json:"post_processors"`
		Protocol       string   `json:"protocol_version"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("describe printed %s: %s", out, err)
	}
	if got.APIVersion != "x5.0" || got.Protocol != "v2" || got.Version == "" {
		t.Errorf("describe = %+v, want API x5.0, protocol v2 and a version", got)
	}
	if want := []string{plugin.DEFAULT_NAME, "image"}; !slices.Equal(got.Datasources, want) {
		t.Errorf("data sources = %q, want %q", got.Datasources, want)
	}
	for kind, names := range map[string][]string{"provisioner": got.Provisioners, "post-processor": got.PostProcessors} {
		if len(names) != 1 || names[0] != plugin.DEFAULT_NAME {
			t.Errorf("%s = %q, want one under the plugin's own name", kind, names)
		}
	}
}

// client starts one component of the plugin as Packer does, and returns the
// other end of its connection.
func client(t *testing.T, binary, kind string, flags ...string) *rpc.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, binary, append([]string{"start", kind, plugin.DEFAULT_NAME}, flags...)...)
	cmd.Env = append(os.Environ(), plugin.MagicCookieKey+"="+plugin.MagicCookieValue)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // It was killed just now.
	})
	return connect(t, bufio.NewReader(stdout), len(flags) > 0)
}

func connect(t *testing.T, stdout *bufio.Reader, protobuf bool) *rpc.Client {
	t.Helper()
	line, err := stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("read the plugin's address: %s", err)
	}
	fields := strings.Split(strings.TrimSpace(line), "|")
	if len(fields) != 4 {
		t.Fatalf("the plugin's address is %q, want four fields", line)
	}
	conn, err := net.Dial(fields[2], fields[3])
	if err != nil {
		t.Fatal(err)
	}
	c, err := rpc.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	c.UseProto = protobuf
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// options decodes an HCL body by the specification that came over RPC, as
// Packer does.
func options(t *testing.T, spec hcldec.ObjectSpec, body string) cty.Value {
	t.Helper()
	file, diags := hclparse.NewParser().ParseHCL([]byte(body), "test.pkr.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	value, diags := hcldec.Decode(file.Body, spec, &hcl.EvalContext{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return value
}

func TestPostProcessorOverRPC(t *testing.T) {
	binary := buildPlugin(t)
	for name, flags := range encodings {
		t.Run(name, func(t *testing.T) {
			path := notAnImage(t)
			p := client(t, binary, "post-processor", flags...).PostProcessor()
			config := options(t, p.ConfigSpec(), `
				on_unmet   = "warn"
				properties = { hw_disk_bus = "scsi" }
				timeout    = "1m"
			`)
			if err := p.Configure(config); err != nil {
				t.Fatal(err)
			}
			if err := p.Configure(config); err != nil {
				t.Fatalf("configured again: %s", err)
			}
			_, _, _, err := p.PostProcess(context.Background(), packersdk.TestUi(t), &packersdk.MockArtifact{FilesValue: []string{path}})
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error for a file that is no disk image = %v, want one that names it", err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("the input is gone: %s", err)
			}
		})
	}
}

func TestDatasourceOverRPC(t *testing.T) {
	binary := buildPlugin(t)
	path := disktest.Debian(t)
	for name, flags := range encodings {
		t.Run(name, func(t *testing.T) {
			d := client(t, binary, "datasource", flags...).Datasource()
			if err := d.Configure(options(t, d.ConfigSpec(), fmt.Sprintf("path = %q", path))); err != nil {
				t.Fatal(err)
			}
			got, err := d.Execute()
			if err != nil {
				t.Fatal(err)
			}
			if got.GetAttr("ready").True() || got.GetAttr("format").AsString() != "raw" {
				t.Errorf("ready = %#v, format = %#v, want a raw disk that is not ready", got.GetAttr("ready"), got.GetAttr("format"))
			}
			verdicts, properties := got.GetAttr("verdicts").AsValueMap(), got.GetAttr("properties").AsValueMap()
			if verdicts["identity-reset"].AsString() != "unmet" || properties["auto_disk_config"].AsString() != "True" {
				t.Errorf("verdicts = %#v, properties = %#v", verdicts, properties)
			}
		})
	}
}

func notAnImage(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("no disk image"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMistakesOfATemplateOverRPC(t *testing.T) {
	binary := buildPlugin(t)
	cases := map[string]struct {
		kind string
		body string
		want []string
	}{
		"post-processor": {
			"post-processor",
			`require = ["no-such"]
			 on_unmet = "maybe"
			 min_ram = -1
			 disk_file = "a/b"`,
			[]string{"require", `"no-such"`, "known are: root-resize", "on_unmet", "min_ram", "disk_file"},
		},
		"provisioner": {
			"provisioner",
			`skip = ["no-such"]
			 mode = "maybe"`,
			[]string{"skip", `"no-such"`, "known are: root-resize", "mode"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := configure(t, binary, c.kind, c.body)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%s", want, err)
				}
			}
		})
	}
}

func configure(t *testing.T, binary, kind, body string) error {
	t.Helper()
	c := client(t, binary, kind)
	if kind == "provisioner" {
		p := c.Provisioner()
		return p.Prepare(options(t, p.ConfigSpec(), body))
	}
	p := c.PostProcessor()
	return p.Configure(options(t, p.ConfigSpec(), body))
}
