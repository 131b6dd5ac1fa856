package btrfs_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/btrfs"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// mounted makes a file system that Linux fills, which is unmounted again.
func mounted(t testing.TB, what string, fill func(dir string)) string {
	t.Helper()
	disktest.Need(t, what, "mkfs.btrfs", "btrfs")
	path := makeFS(t, "", "120M")
	disktest.Mount(t, what, path, "btrfs", "defaults", fill)
	return path
}

func write(t testing.TB, path, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// snapper makes the subvolumes of a SUSE: the root is a snapshot, and holds a
// subvolume that a second snapshot has only the name of.
func snapper(t testing.TB) string {
	t.Helper()
	return mounted(t, "reading subvolumes", func(dir string) {
		run := func(args ...string) { disktest.Run(t, "btrfs", append([]string{"subvolume"}, args...)...) }
		at := func(name string) string { return filepath.Join(dir, name) }
		run("create", at("@"))
		run("create", at("@/.snapshots"))
		write(t, at("@/.snapshots/1/info.xml"), "first")
		run("create", at("@/.snapshots/1/snapshot"))
		write(t, at("@/.snapshots/1/snapshot/etc/os-release"), "ID=suse")
		run("create", at("@/.snapshots/1/snapshot/var"))
		write(t, at("@/.snapshots/1/snapshot/var/log"), "log")
		write(t, at("@/.snapshots/2/info.xml"), "second")
		run("snapshot", "-r", at("@/.snapshots/1/snapshot"), at("@/.snapshots/2/snapshot"))
		write(t, at("@/.snapshots/1/snapshot/etc/os-release"), "ID=opensuse")
		run("create", at("@home"))
		write(t, at("@home/user/file"), "home")
		run("create", at("deleted"))
		run("delete", at("deleted"))
		run("set-default", at("@/.snapshots/1/snapshot"))
	})
}

func TestSubvolumesAreListedWithTheirPaths(t *testing.T) {
	got, err := openVolume(t, snapper(t)).Subvolumes()
	want := []btrfs.Subvolume{
		{ID: btrfs.TopLevel, Path: "."},
		{ID: 256, Path: "@"},
		{ID: 257, Path: "@/.snapshots"},
		{ID: 258, Path: "@/.snapshots/1/snapshot"},
		{ID: 259, Path: "@/.snapshots/1/snapshot/var"},
		{ID: 260, Path: "@/.snapshots/2/snapshot", ReadOnly: true, Snapshot: true},
		{ID: 261, Path: "@home"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestDefaultSubvolumeIsTheTopLevelUntilAnotherIsSet(t *testing.T) {
	for want, path := range map[uint64]string{
		258:            snapper(t),
		btrfs.TopLevel: mounted(t, "the default subvolume", func(string) {}),
	} {
		if got, err := openVolume(t, path).Default(); err != nil || got != want {
			t.Errorf("got %d, %v, want %d", got, err, want)
		}
	}
}

func TestSubvolumeIsFoundByItsPath(t *testing.T) {
	v := openVolume(t, snapper(t))
	for name, want := range map[string]uint64{
		"": btrfs.TopLevel, "/": btrfs.TopLevel, "@": 256, "/@": 256, "//@home/": 261, "@/.snapshots/1/snapshot": 258,
	} {
		if got, err := v.Lookup(name); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", name, got, err, want)
		}
	}
	for name, want := range map[string]error{
		"missing": fs.ErrNotExist, "@home/user": fs.ErrInvalid, "@home/user/file": fs.ErrInvalid,
		"@/.snapshots/2/snapshot/var": fs.ErrInvalid, "deleted": fs.ErrNotExist,
	} {
		if got, err := v.Lookup(name); !errors.Is(err, want) {
			t.Errorf("%q: got %d, %v, want %v", name, got, err, want)
		}
	}
}

func TestSubvolumeShowsThoseInsideIt(t *testing.T) {
	v := openVolume(t, snapper(t))
	for id, want := range map[uint64]map[string]string{
		0:   {"@home/user/file": "home", "@/.snapshots/1/snapshot/var/log": "log", "@/.snapshots/2/snapshot/etc/os-release": "ID=suse"},
		256: {".snapshots/1/snapshot/etc/os-release": "ID=opensuse", ".snapshots/2/info.xml": "second"},
		258: {"etc/os-release": "ID=opensuse", "var/log": "log"},
		261: {"user/file": "home"},
	} {
		fsys := subvolume(t, v, id)
		for name, content := range want {
			if got, err := fs.ReadFile(fsys, name); err != nil || string(got) != content {
				t.Errorf("subvolume %d: %s: got %q, %v, want %q", id, name, got, err, content)
			}
		}
		if err := fstest.TestFS(fsys, slices.Collect(maps.Keys(want))...); err != nil {
			t.Errorf("subvolume %d: %v", id, err)
		}
	}
}

func TestNameOfASubvolumeThatASnapshotLacksIsAnEmptyDirectory(t *testing.T) {
	v := openVolume(t, snapper(t))
	for id, name := range map[uint64]string{260: "var", btrfs.TopLevel: "@/.snapshots/2/snapshot/var"} {
		fsys := subvolume(t, v, id)
		info, err := fsys.Stat(name)
		if err != nil || info.Mode() != fs.ModeDir|0o755 {
			t.Errorf("subvolume %d: %s: got %v, %v, want a directory", id, name, info, err)
		}
		if list, err := fsys.ReadDir(name); err != nil || len(list) != 0 {
			t.Errorf("subvolume %d: %s: got %v, %v, want nothing in it", id, name, list, err)
		}
		if err := disktest.FirstError(fsys); err != nil {
			t.Errorf("subvolume %d: %v", id, err)
		}
	}
}

func TestOnlySubvolumesAreOpened(t *testing.T) {
	v := openVolume(t, snapper(t))
	for _, id := range []uint64{1, 2, 3, 7, 255, 262, 1 << 40, 1<<64 - 9} {
		if _, err := v.Subvolume(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: got %v, want ErrNotExist", id, err)
		}
	}
}

// TestLogTreeIsToldOf copies the disk while it is mounted, right after a file
// was synced: that is what pulling the plug leaves.
func TestLogTreeIsToldOf(t *testing.T) {
	crashed := filepath.Join(t.TempDir(), "crashed")
	whole := mounted(t, "telling clean from unclean file systems", func(dir string) {
		write(t, filepath.Join(dir, "before"), "before")
		disktest.Run(t, "sync", "-f", dir)
		write(t, filepath.Join(dir, "synced"), "synced")
		disktest.Run(t, "sync", filepath.Join(dir, "synced"))
		source := strings.TrimSpace(disktest.Run(t, "findmnt", "-n", "-o", "SOURCE", dir))
		disktest.Run(t, "dd", "if="+source, "of="+crashed, "bs=1M", "conv=sparse", "status=none")
	})
	g := openVolume(t, crashed).Geometry()
	if g.Clean || !strings.Contains(g.Unclean, "log tree must be replayed") {
		t.Errorf("crashed: got %v %q, want the log tree named", g.Clean, g.Unclean)
	}
	if got, err := fs.ReadFile(openFS(t, crashed), "before"); err != nil || string(got) != "before" {
		t.Errorf("crashed: got %q, %v, want the last commit", got, err)
	}
	if g := openVolume(t, whole).Geometry(); !g.Clean || g.Unclean != "" {
		t.Errorf("unmounted: got %v %q, want clean", g.Clean, g.Unclean)
	}
}

func TestFeaturesAreNamedAndRead(t *testing.T) {
	disktest.Need(t, "reading file systems with another metadata UUID", "mkfs.btrfs", "btrfstune")
	tree := t.TempDir()
	write(t, filepath.Join(tree, "file"), "content")
	path := makeFS(t, tree, "120M", "-U", "11111111-2222-3333-4444-555555555555")
	disktest.Run(t, "btrfstune", "-M", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", path)
	disktest.SameTree(t, openFS(t, path), tree)
	g := openVolume(t, path).Geometry()
	if g.UUID != "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" {
		t.Errorf("UUID: got %s, want that of btrfstune", g.UUID)
	}
	for _, want := range []string{"metadata_uuid", "no_holes", "skinny_metadata", "free_space_tree"} {
		if !slices.Contains(g.Features, want) {
			t.Errorf("features: got %v, want %s among them", g.Features, want)
		}
	}
}

func TestVolumeIsReadByManyAtOnce(t *testing.T) {
	v := openVolume(t, snapper(t))
	failures := make(chan error)
	const readers = 8
	for range readers {
		go func() {
			fsys, err := v.Subvolume(btrfs.TopLevel)
			if err == nil {
				err = disktest.FirstError(fsys)
			}
			failures <- err
		}()
	}
	for range readers {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}
