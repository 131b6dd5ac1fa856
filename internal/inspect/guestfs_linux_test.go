package inspect

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// TestFactsAreThoseOfLibguestfs lets libguestfs look at a Debian-like and an
// RPM-like image, in one appliance, and compares each fact that it tells.
func TestFactsAreThoseOfLibguestfs(t *testing.T) {
	disktest.Need(t, "the facts beside those of libguestfs", "guestfish")
	program, status := hostFile(t, "/bin/true"), hostFile(t, "/var/lib/dpkg/status")
	k := familyKernels(t)["EL 9"]
	redHat := files{}
	for name, content := range el9Files() {
		redHat[name] = strings.ReplaceAll(content, "UUID=1111", "UUID="+bootUUID)
	}
	programs := files{"usr/bin/ls": program, "usr/lib/systemd/systemd": program}
	images := []string{
		makeDisk(t, "dos", rootPart(realFiles().with(programs).with(files{"var/lib/dpkg/status": status}))),
		makeDisk(t, "gpt", espPart(t), part{mib: 40, kind: "L", uuid: bootUUID, tree: redHat.with(k.files(t, "virtio_blk")).with(programs)}),
	}
	roots := []string{"/dev/sda1", "/dev/sdb2"}
	for i, said := range guestfish(t, images, roots) {
		facts := mustInspect(t, images[i]).Facts
		t.Run(facts.OS.ID, func(t *testing.T) {
			got := told(facts)
			for key, want := range said {
				if got[key] != want {
					t.Errorf("%s: got %q, libguestfs says %q", key, got[key], want)
				}
			}
			if facts.Packages.Manager == "rpm" {
				delete(got, "packages")
			}
			if said["kernels"] == "" || len(said) != len(got) {
				t.Errorf("libguestfs told of %v only", slices.Sorted(maps.Keys(said)))
			}
			t.Logf("the same: %v, and %d packages", slices.Sorted(maps.Keys(said)), strings.Count(said["packages"], "\n"))
		})
	}
}

func hostFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("needs a Debian with %s, to put into an image: the facts beside those of libguestfs are not tested", path)
	}
	return string(b)
}

// told writes the facts as libguestfs tells them.
func told(f Facts) map[string]string {
	all := map[string]string{
		"distro": f.OS.ID, "version": f.OS.VersionID, "product": f.OS.PrettyName, "arch": f.Architecture, "init": f.OS.Init,
		"type": f.Root.FileSystem, "uuid": f.Root.UUID, "label": f.Root.Label, "disk": fmt.Sprint(f.Disk.VirtualSize),
		"table": map[string]string{"mbr": "msdos", "gpt": "gpt"}[string(f.Partitions.Kind)],
	}
	for _, p := range f.Partitions.Partitions {
		all["partitions"] += fmt.Sprintf("%d: %d to %d\n", p.Number, p.Start, p.End())
	}
	for _, k := range f.Kernels {
		all["kernels"] += k.Image + "\n"
	}
	var packages []string
	for _, p := range f.Packages.Packages {
		packages = append(packages, p.Name+" "+p.Version+"\n")
	}
	slices.Sort(packages)
	all["packages"] = strings.Join(packages, "")
	return all
}

// mark stands before each answer.
const mark = "@@@"

// guestfish asks libguestfs about the images, whose roots it mounts one after
// the other.
func guestfish(t *testing.T, images, roots []string) []map[string]string {
	t.Helper()
	var script strings.Builder
	ask := func(key, format string, args ...any) {
		fmt.Fprintf(&script, "echo %s%s\n%s\n", mark, key, fmt.Sprintf(format, args...))
	}
	args := []string{"--ro", "--format=qcow2"}
	for _, image := range images {
		args = append(args, "-a", image)
	}
	script.WriteString("run\ninspect-os\n")
	for _, root := range roots {
		disk := root[:len(root)-1]
		ask("image", "")
		ask("distro", "inspect-get-distro %s", root)
		ask("version", "inspect-get-major-version %s", root)
		ask("product", "inspect-get-product-name %s", root)
		ask("arch", "inspect-get-arch %s", root)
		ask("type", "vfs-type %s", root)
		ask("uuid", "vfs-uuid %s", root)
		ask("label", "vfs-label %s", root)
		ask("disk", "blockdev-getsize64 %s", disk)
		ask("table", "part-get-parttype %s", disk)
		ask("partitions", "part-list %s", disk)
		ask("mounted", "mount-ro %s /", root)
		ask("init", "readlink /usr/sbin/init")
		ask("kernels", "glob-expand /boot/vmlinuz-*")
		// Debian's librpm finds no database in the appliance: packages of RPM are
		// compared with the real rpm beside the readers of its databases.
		if root == roots[0] {
			ask("packages", "inspect-list-applications2 %s", root)
		}
		ask("unmounted", "umount-all")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "guestfish", args...)
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_BACKEND_SETTINGS=force_tcg", "LIBGUESTFS_CACHEDIR="+t.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if strings.Contains(stderr.String(), "supermin") {
		t.Skipf("needs a kernel for libguestfs, in /boot or named by SUPERMIN_KERNEL: the facts beside those of libguestfs are not tested: %s", stderr.String())
	}
	if err != nil {
		t.Fatalf("guestfish: %v\n%s\n… %s", err, stderr.String(), out[max(0, len(out)-1000):])
	}
	return answers(string(out))
}

// answers brings what guestfish printed into one form.
func answers(out string) []map[string]string {
	var all []map[string]string
	for _, text := range strings.Split(out, mark+"image\n")[1:] {
		answer := map[string]string{}
		for _, section := range strings.Split(text, mark)[1:] {
			key, value, _ := strings.Cut(section, "\n")
			value = strings.TrimSuffix(value, "\n")
			switch key {
			case "mounted", "unmounted":
				continue
			case "init":
				value = filepath.Base(value)
			case "kernels":
				value = bootable(value)
			case "partitions":
				value = ranges(structs(value))
			case "packages":
				value = applications(structs(value))
			}
			answer[key] = value
		}
		all = append(all, answer)
	}
	return all
}

// bootable leaves out what boots no installed system.
func bootable(images string) string {
	kept := ""
	for image := range strings.Lines(images + "\n") {
		if !strings.Contains(image, "rescue") {
			kept += image
		}
	}
	return kept
}

// structs reads guestfish's lists of structures.
func structs(text string) []map[string]string {
	var list []map[string]string
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "] = {\n"):
			list = append(list, map[string]string{})
		case ok && len(list) > 0:
			list[len(list)-1][key] = value
		}
	}
	return list
}

func ranges(list []map[string]string) string {
	lines := ""
	for _, p := range list {
		var end int64
		if _, err := fmt.Sscan(p["part_end"], &end); err != nil {
			return err.Error()
		}
		lines += fmt.Sprintf("%s: %s to %d\n", p["part_num"], p["part_start"], end+1)
	}
	return lines
}

func applications(list []map[string]string) string {
	var lines []string
	for _, a := range list {
		version := a["app2_version"]
		if release := a["app2_release"]; release != "" {
			version += "-" + release
		}
		if epoch := a["app2_epoch"]; epoch != "0" {
			version = epoch + ":" + version
		}
		lines = append(lines, a["app2_name"]+" "+version+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
