package boot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// blank is a disk without a system, and the folder for all temporary files.
func blank(t *testing.T) (options Options, temp string) {
	t.Helper()
	needPrograms(t, "qemu-system-x86_64", "qemu-system-x86", "qemu-img", "qemu-utils")
	path := filepath.Join(t.TempDir(), "blank.raw") // Before TMPDIR changes, which it follows.
	temp = tempFolder(t)
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	facts := &inspect.Facts{Architecture: "x86_64"}
	facts.Disk.Format, facts.Disk.VirtualSize = disk.FormatRaw, 1<<20
	return Options{Image: path, Facts: facts, Memory: MinMemory, CPUs: 1}, temp
}

// tempFolder is one for all temporary files of the test; a socket's path in it
// must be short.
func tempFolder(t *testing.T) string {
	t.Helper()
	temp, err := os.MkdirTemp("/tmp", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(temp); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("TMPDIR", temp)
	return temp
}

// expectNothingLeft looks for files, and for programs that were given one.
func expectNothingLeft(t *testing.T, temp string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	if err != nil || len(left) > 0 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range commands {
		b, err := os.ReadFile(name)
		if err == nil && strings.Contains(string(b), temp+"/") {
			t.Errorf("a program is left behind: %s", strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
}

func TestDiskWithoutASystemIsUnknownInAllAndLeavesNothingBehind(t *testing.T) {
	options, temp := blank(t)
	options.Timeout = 20 * time.Second
	options.LogDir = filepath.Join(t.TempDir(), "log")
	result, err := Prove(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	expectNothingLeft(t, temp)
	for _, f := range result.Findings {
		want := requirement.Unknown
		if f.ID == requirement.GuestAgent {
			want = requirement.NotApplicable
		}
		if f.Verdict != want || len(f.Evidence) == 0 {
			t.Errorf("%s is %s by %q, want %s with a reason", f.ID, f.Verdict, f.Evidence, want)
		}
	}
	for _, run := range result.Runs {
		if run.Stage != Firmware && run.Stage != Shutdown || !strings.Contains(run.Over, "the time was over") {
			t.Errorf("run = %+v, want the firmware and that the time was over", run)
		}
		if b, err := os.ReadFile(run.Screenshot); err != nil || !strings.HasPrefix(string(b), "\x89PNG") {
			t.Errorf("screenshot %q: %v, want a PNG", run.Screenshot, err)
		}
		if _, err := os.Stat(run.ConsoleLog); err != nil {
			t.Error(err)
		}
	}
	var told strings.Builder
	if err := result.WriteFailure(&told); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"With its data from the config drive the instance let nobody in", result.Runs[1].ConsoleLog, result.Runs[1].Screenshot, "Not proved: root-resize (unknown)"} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("the failure lacks %q:\n%s", want, told.String())
		}
	}
}

func TestRestEndsWithTheFirstReading(t *testing.T) {
	options, _ := blank(t)
	if err := options.complete(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := newProver(ctx, options, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.newMachine(ctx, ConfigDrive)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{options: &p.options, machine: m, sight: &sight{via: ConfigDrive, instance: m.instance}}
	defer func() {
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := l.start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.monitor.run(ctx, "stop", nil, nil); err != nil {
		t.Fatal(err)
	}
	l.rest.look(ctx, l.monitor, l.process)
	for range 2 {
		l.rest.looked = time.Now().Add(-restWindow)
		l.rest.since = l.rest.looked
		l.rest.look(ctx, l.monitor, l.process)
		if got := l.rest.lasted(); got < restWindow {
			t.Fatalf("a machine that stands still is at rest for %s, want %s", got, restWindow)
		}
	}
	if err := l.monitor.run(ctx, "cont", nil, nil); err != nil {
		t.Fatal(err)
	}
	for l.rest.lasted() > 0 && pause(ctx, time.Second) {
		l.rest.looked = time.Now().Add(-restWindow)
		l.rest.look(ctx, l.monitor, l.process)
	}
	if got := l.rest.lasted(); got != 0 {
		t.Errorf("a machine whose firmware reads the disk is at rest for %s", got)
	}
}

func TestCancelEndsTheMachine(t *testing.T) {
	options, temp := blank(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	options.Progress = func(Via, Stage, string) { time.AfterFunc(time.Second, cancel) }
	began := time.Now()
	if _, err := Prove(ctx, options); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want %v", err, context.Canceled)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the end took %s", took)
	}
	expectNothingLeft(t, temp)
}

func TestImageThatCannotBeReadIsNamed(t *testing.T) {
	options, temp := blank(t)
	if err := os.Remove(options.Image); err != nil {
		t.Fatal(err)
	}
	if _, err := Prove(context.Background(), options); err == nil || !strings.Contains(err.Error(), "make a disk on top of "+options.Image) {
		t.Errorf("err = %v, want the image named", err)
	}
	expectNothingLeft(t, temp)
}
