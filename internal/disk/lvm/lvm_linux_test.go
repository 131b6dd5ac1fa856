package lvm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// tool runs the real lvm on its own devices only, and without the kernel's
// device mapper.
type tool struct {
	testing.TB
	devices []string
	files   []string
}

func newTool(t testing.TB, count int) *tool {
	t.Helper()
	disktest.Need(t, "what lvm itself writes", "lvm", "losetup")
	l := &tool{TB: t}
	for i := range count {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 32<<20); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("losetup", "-f", "--show", path).CombinedOutput()
		if err != nil {
			t.Skipf("needs root and loop devices: what lvm itself writes is not tested: losetup: %v %s", err, out)
		}
		device := strings.TrimSpace(string(out))
		t.Cleanup(func() { disktest.Run(t, "losetup", "-d", device) })
		l.devices, l.files = append(l.devices, device), append(l.files, path)
	}
	return l
}

func (l *tool) run(args ...string) string {
	l.Helper()
	filter := ""
	for _, d := range l.devices {
		filter += fmt.Sprintf(`"a|^%s$|", `, d)
	}
	config := "devices { filter=[" + filter + `"r|.*|"] } backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 }`
	cmd := exec.Command("lvm", append([]string{args[0], "--driverloaded", "n", "--config", config}, args[1:]...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		l.Fatalf("lvm %s: %v\n%s%s", strings.Join(args, " "), err, out, &complaints)
	}
	return string(out)
}

// row is a segment as lvm reports it; ranges are "device:first-last".
type row struct {
	Name   string `json:"lv_name"`
	Stripe string `json:"stripe_size"`
	Ranges string `json:"seg_pe_ranges"`
}

func (l *tool) segments() []row {
	l.Helper()
	out := l.run("lvs", "--segments", "--units", "b", "--nosuffix", "-o", "lv_name,stripe_size,seg_pe_ranges", "--reportformat", "json", "vg")
	var report struct {
		Report []struct{ Seg []row }
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &report); err != nil || len(report.Report) != 1 {
		l.Fatalf("%v in %s", err, out)
	}
	return report.Report[0].Seg
}

// fill writes content of its own into every volume, where lvm says that it is,
// and returns it by the volumes' names.
func (l *tool) fill(extent, first int) map[string][]byte {
	l.Helper()
	want, number := map[string][]byte{}, 0
	for _, seg := range l.segments() {
		ranges := strings.Fields(seg.Ranges)
		chunk, err := strconv.Atoi(strings.TrimSpace(seg.Stripe))
		if err != nil {
			l.Fatal(err)
		}
		if chunk == 0 {
			chunk = extent
		}
		length := l.extents(ranges[0]) * extent
		for at := 0; at < length; at += chunk {
			for _, r := range ranges {
				number++
				piece := bytes.Repeat([]byte(fmt.Sprintf("%08d", number)), chunk/8)
				l.write(r, extent, first, at, piece)
				want[seg.Name] = append(want[seg.Name], piece...)
			}
		}
	}
	return want
}

func (l *tool) extents(text string) int {
	var from, to int
	if _, err := fmt.Sscanf(text[strings.Index(text, ":")+1:], "%d-%d", &from, &to); err != nil {
		l.Fatal(text, err)
	}
	return to - from + 1
}

func (l *tool) write(text string, extent, first, at int, piece []byte) {
	device, numbers, _ := strings.Cut(text, ":")
	from, err := strconv.Atoi(numbers[:strings.Index(numbers, "-")])
	if err != nil {
		l.Fatal(err)
	}
	for i := range l.devices {
		if l.devices[i] != device {
			continue
		}
		f, err := os.OpenFile(l.files[i], os.O_RDWR, 0)
		if err != nil {
			l.Fatal(err)
		}
		if _, err := f.WriteAt(piece, int64(first+from*extent+at)); err != nil {
			l.Fatal(err)
		}
		if err := f.Close(); err != nil {
			l.Fatal(err)
		}
	}
}

func (l *tool) read() [][]byte {
	l.Helper()
	var all [][]byte
	for _, path := range l.files {
		data, err := os.ReadFile(path)
		if err != nil {
			l.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

// TestVolumesThatLVMMade has so small a ring for the metadata that it wraps.
func TestVolumesThatLVMMade(t *testing.T) {
	l := newTool(t, 3)
	const extent, first = 1 << 20, 1 << 20
	for i, device := range l.devices {
		copies := "1"
		if i == 1 {
			copies = "0"
		}
		l.run("pvcreate", "-q", "-y", "--metadatasize", "16k", "--metadatacopies", copies, "--dataalignment", "1m", device)
	}
	l.run("vgcreate", "-q", "-s", "1m", "vg", l.devices[0], l.devices[1])
	create := []string{"lvcreate", "-q", "-an", "-Zn", "-Wn", "-y"}
	l.run(append(create, "-L", "3M", "-n", "root", "vg")...)
	l.run(append(create, "-L", "2M", "-n", "in-the-way", "vg")...)
	l.run(append(create, "-i", "2", "-I", "64k", "-L", "6M", "-n", "striped", "vg")...)
	l.run("lvextend", "-q", "-L", "+2M", "vg/root")
	l.run("vgextend", "-q", "vg", l.devices[2])
	l.run("lvextend", "-q", "-i", "3", "-I", "128k", "-L", "+6M", "vg/striped")
	for i := range 6 {
		l.run("lvrename", "-q", "vg", fmt.Sprintf("in-the-way%s", strings.Repeat("-", i)), fmt.Sprintf("in-the-way%s", strings.Repeat("-", i+1)))
	}
	want := l.fill(extent, first)
	found := groups(t, l.read()...)
	if len(found) != 1 || len(found[0].Volumes) != len(want) || len(want) != 3 || len(found[0].PVs) != 3 {
		t.Fatalf("got %+v", found)
	}
	for name, w := range want {
		if v := volume(t, found, "vg/"+name); v.Err != nil || !bytes.Equal(content(t, v), w) {
			t.Errorf("%s: %d bytes of wrong content, want %d (%v)", name, v.Size, len(w), v.Err)
		}
	}
}

func TestLVMAcceptsTheGroupsThatTestsMake(t *testing.T) {
	l := newTool(t, 1)
	if err := os.WriteFile(l.files[0], disktest.VolumeGroup("vg", 27, disktest.Volume{Name: "root", Content: filled('r', 2)}, disktest.Volume{Name: "var", Content: filled('v', 2)}), 0o600); err != nil {
		t.Fatal(err)
	}
	got := l.segments()
	device := l.devices[0]
	if len(got) != 2 || got[0].Name != "root" || got[0].Ranges != device+":0-1" || got[1].Ranges != device+":2-3" {
		t.Errorf("got %+v", got)
	}
}
