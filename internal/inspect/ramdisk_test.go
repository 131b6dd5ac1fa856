package inspect

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// A file that the guest has no more stays in the initramfs, behind the modules,
// until that is made anew.
func TestNoHardcodedMACInAnOldInitramfs(t *testing.T) {
	rule := "usr/lib/udev/rules.d/70-persistent-net.rules"
	link := "usr/lib/systemd/network/10-lan.link"
	initrd := debianInitramfs(t, map[string]string{
		rule: "# x\nSUBSYSTEM==\"net\", ATTR{address}==\"" + readyMAC + "\", NAME=\"eth0\"\n",
		link: "[Match]\nMACAddress=" + readyMAC + "\n",
	})
	made := time.Unix(1_700_000_000, 0)
	before, after, later := made.Add(-time.Hour), made.Add(time.Hour), made.Add(2*time.Hour)
	const rules = "etc/udev/rules.d"
	for name, row := range map[string]struct {
		changes map[string]time.Time // of folders and files
		verdict requirement.Verdict
	}{
		"nothing changed since":   {map[string]time.Time{rules: before, rules + "/80-x.rules": before}, met},
		"a file was removed":      {map[string]time.Time{rules: after, rules + "/80-x.rules": before}, unmet},
		"the last was removed":    {map[string]time.Time{rules: after}, unmet},
		"the folder was removed":  {map[string]time.Time{"etc/udev": after, "etc/udev/udev.conf": before}, unmet},
		"a file was edited":       {map[string]time.Time{rules: before, rules + "/80-x.rules": after}, unmet},
		"a file was added":        {map[string]time.Time{rules: after, rules + "/80-x.rules": later}, met},
		"a link file was removed": {map[string]time.Time{"etc/systemd/network": after, rules: before}, unmet},
	} {
		t.Run(name, func(t *testing.T) {
			tree := readyFiles().with(files{"boot/initrd.img-" + version: initrd}).fs()
			for _, file := range tree {
				file.ModTime = before
			}
			tree["boot/initrd.img-"+version].ModTime = made
			for file, at := range row.changes {
				mode := fs.FileMode(0o644)
				if path.Ext(file) == "" || path.Ext(file) == ".d" {
					mode = fs.ModeDir | 0o755
				}
				tree[file] = &fstest.MapFile{Mode: mode, ModTime: at}
			}
			g := newGuest(newTree(tree), readyLayout(), &Facts{})
			wait := g.readRamdisks(t.Context())
			got := noHardcodedMAC(g)
			wait()
			if got.Verdict != row.verdict {
				t.Fatalf("got %s, want %s: %q", got.Verdict, row.verdict, got.Evidence)
			}
			all := strings.Join(got.Evidence, "\n")
			for _, want := range []string{rule + ":2", link + ":2"} {
				want = "/boot/initrd.img-" + version + ", " + want
				if row.verdict == unmet && !strings.Contains(all, want) {
					t.Errorf("got %q, want %q in it", all, want)
				}
			}
		})
	}
}

// debianInitramfs is a real archive in the order in which mkinitramfs has it,
// with the modules and other files.
func debianInitramfs(t *testing.T, others map[string]string) string {
	t.Helper()
	disktest.Need(t, "the files in a real initramfs", "cpio", "gzip")
	dir := t.TempDir()
	for _, name := range moduleFiles("virtio_blk", "virtio_pci", "virtio_scsi") {
		others[name] = strings.Repeat("module", 1000)
	}
	for name, content := range others {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, file, 0, []byte(content), int64(len(content)))
	}
	out := filepath.Join(t.TempDir(), "initrd")
	disktest.Run(t, "sh", "-c", `cd "$1" && find . | LC_ALL=C sort | cpio --quiet -R 0:0 -o -H newc | gzip >"$2"`, "sh", dir, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
