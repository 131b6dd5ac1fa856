package guest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// asItIs keeps sudo out of tests, which work on trees of files.
func asItIs(i guest.Invocation) (string, error) { return i.Command, nil }

func TestCheckOfATreeReports(t *testing.T) {
	root := guesttest.NewTree(t, map[string]string{"etc/machine-id": ""})
	var stages []string
	comm := &spy{Communicator: guesttest.InTree(root, "")}
	rep, err := guest.Run(context.Background(), comm, guest.Options{
		Mode:           report.Check,
		Skip:           []requirement.ID{requirement.Virtio},
		Progress:       func(s string) { stages = append(stages, s) },
		ExecuteCommand: asItIs,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(rep.Findings), len(requirement.SeenFrom(requirement.Guest))-1; got != want {
		t.Errorf("got %d findings, want %d", got, want)
	}
	for _, f := range rep.Findings {
		if f.ID == requirement.Virtio {
			t.Error("looked at a requirement that was to be skipped")
		}
	}
	if got, want := strings.Join(stages, ", "), "probe, look before"; got != want {
		t.Errorf("stages: got %q, want %q", got, want)
	}
	if got, want := rep.System.Family+" "+rep.System.VersionID+" "+rep.System.Init, "debian 12 systemd"; got != want {
		t.Errorf("system: got %q, want %q", got, want)
	}
	comm.expectNoFolder(t)
}

// spy is a communicator that notes the work folder of its last run.
type spy struct {
	packersdk.Communicator
	folder string
}

var folderForm = regexp.MustCompile(`/tmp/\.openstack-ready\.[A-Za-z0-9]{10}\b`)

func (s *spy) Start(ctx context.Context, cmd *packersdk.RemoteCmd) error {
	if folder := folderForm.FindString(cmd.Command); folder != "" {
		s.folder = folder
	}
	return s.Communicator.Start(ctx, cmd)
}

func (s *spy) left() bool {
	_, err := os.Stat(s.folder)
	return s.folder != "" && err == nil
}

func (s *spy) expectNoFolder(t *testing.T) {
	t.Helper()
	if s.left() {
		t.Errorf("%s is left in the guest", s.folder)
	}
}

func TestGuestThatIsNotKnownIsNamedAndLeftAlone(t *testing.T) {
	for _, test := range []struct {
		name  string
		tree  map[string]string
		stubs map[string]string
		want  string
	}{
		{"another kernel", nil, map[string]string{"uname": "echo FreeBSD"}, `the guest runs "FreeBSD"; only Linux is known, and nothing was changed`},
		{"another family", map[string]string{"etc/os-release": "ID=plan9\nPRETTY_NAME='Plan 9'\n"}, nil, "the guest is Plan 9 (ID=plan9, ID_LIKE=); known are the families: alpine arch debian"},
		{"no os-release", map[string]string{"etc/os-release": "-"}, nil, "a system without /etc/os-release"},
		{"another init", map[string]string{"run/systemd/system/": "-"}, nil, "whose init is none of"},
		{"no POSIX shell", nil, map[string]string{"sh": "echo \"'sh' is not recognized as an internal or external command\""}, "did not answer as a POSIX shell does, but: \"'sh' is not recognized"},
		{"strange folder", nil, map[string]string{"mktemp": "echo '/tmp/x; reboot'"}, "which was not asked for"},
		{"strange account", nil, map[string]string{"id": "echo '$(reboot)'"}, "which is no account name"},
		{"no sudo", nil, map[string]string{"id": `case $1 in -u) echo 1000 ;; *) echo bob ;; esac`, "sudo": "echo 'sudo: a password is required' >&2; exit 1"}, "give bob passwordless sudo, or set execute_command"},
		{"no room", nil, map[string]string{"cat": "exit 1"}, "upload the program"},
		{"package list broken", nil, map[string]string{"dpkg-query": "echo 'database is damaged' >&2; exit 2"}, "database is damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := test.tree
			if tree == nil {
				tree = map[string]string{}
			}
			root := guesttest.NewTree(t, tree)
			comm := &spy{Communicator: guesttest.InTree(root, guesttest.Stubs(t, test.stubs))}
			opts := guest.Options{ExecuteCommand: asItIs, Mode: report.Check}
			if test.stubs["sudo"] != "" {
				opts.ExecuteCommand = nil
			}
			_, err := guest.Run(context.Background(), comm, opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			comm.expectNoFolder(t)
		})
	}
}

// cutting is a communicator whose uploads arrive cut short and count as a
// success, as happens over RPC.
type cutting struct{ guesttest.Exec }

func (c cutting) Upload(path string, r io.Reader, fi *os.FileInfo) error {
	return c.Exec.Upload(path, io.LimitReader(r, 10_000), fi)
}

func TestDamagedUploadIsNotRun(t *testing.T) {
	root := guesttest.NewTree(t)
	comm := &spy{Communicator: cutting{guesttest.InTree(root, "")}}
	_, err := guest.Run(context.Background(), comm, guest.Options{ExecuteCommand: asItIs})
	if err == nil || !strings.Contains(err.Error(), "did not arrive whole") {
		t.Errorf("got error %v, want one that says the program did not arrive whole", err)
	}
	comm.expectNoFolder(t)
}

func TestTimeLimitEndsTheProgram(t *testing.T) {
	root := guesttest.NewTree(t)
	comm := guesttest.InTree(root, guesttest.Stubs(t, map[string]string{"dpkg-query": "sleep 60"}))
	started := time.Now()
	_, err := guest.Run(context.Background(), comm, guest.Options{ExecuteCommand: asItIs, Timeout: time.Second, Mode: report.Check})
	if err == nil || !strings.Contains(err.Error(), "time limit") {
		t.Errorf("got error %v, want one that names the time limit", err)
	}
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestCancelReturnsAtOnceAndStopsTheProgram(t *testing.T) {
	root := guesttest.NewTree(t)
	release := filepath.Join(t.TempDir(), "release")
	comm := &spy{Communicator: guesttest.InTree(root, guesttest.Stubs(t, map[string]string{
		"dpkg-query": "while [ ! -e " + release + " ]; do sleep 0.1; done",
	}))}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := guest.Run(ctx, comm, guest.Options{ExecuteCommand: asItIs, Progress: func(stage string) {
		if stage == "probe" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if err := os.WriteFile(release, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); comm.left(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the program did not stop and leave %s", comm.folder)
		}
	}
	if _, err := os.Stat(root + "/etc/systemd/system-preset"); err == nil {
		t.Error("the program went on mending")
	}
}
