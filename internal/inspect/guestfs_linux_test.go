package inspect

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// toldBy names for each fact the question to libguestfs that answers it.
var toldBy = map[string]string{
	"Disk.Format": "format", "Disk.VirtualSize": "disk",
	"Partitions.Kind": "table", "Partitions.SectorSize": "sector", "Partitions.DiskID": "diskid",
	"Partitions.Partitions.Number": "partitions", "Partitions.Partitions.Start": "partitions", "Partitions.Partitions.Size": "partitions",
	"Partitions.Partitions.Type": "partitions", "Partitions.Partitions.Name": "partitions", "Partitions.Partitions.UUID": "partitions",
	"Partitions.Partitions.Bootable": "partitions",
	"Root.Partition":                 "mounts", "Root.FileSystem": "type", "Root.UUID": "uuid", "Root.Label": "label", "Root.Size": "size", "Root.Clean": "clean",
	"OS.ID": "distro", "OS.VersionID": "version", "OS.PrettyName": "product", "OS.Init": "init", "Architecture": "arch",
	"Packages.Manager": "package format", "Packages.Packages.Name": "packages", "Packages.Packages.Version": "packages",
	"Kernels.Version": "modules", "Kernels.Image": "kernels", "Kernels.Initramfs": "initramfs", "Kernels.Config": "config",
	"CloudInit.Program": "cloud-init", "CloudInit.Installed": "cloud-init", "GuestAgent.Installed": "agent",
}

// toldByNone gives for each other fact the reason why libguestfs can not tell it.
var toldByNone = map[string]string{
	"Disk.Wrapping": "libguestfs takes nothing off", "Disk.FileSize": "it is the host's file's",
	"Disk.QCOW2": "details of formats are compared with qemu-img", "Disk.VMDK": "as QCOW2", "Disk.VHD": "as QCOW2", "Disk.VHDX": "as QCOW2", "Disk.VDI": "as QCOW2",
	"Partitions.UsableEnd": "parted tells of no usable range", "Partitions.Problems": "sentences of ours",
	"Partitions.Partitions.TypeName": "words of ours for Type",
	"Root.Volume":                    "these images have no LVM", "Root.Unclean": "a sentence of ours for Clean",
	"OS.IDLike": "libguestfs leaves ID_LIKE out", "Packages.Path": "libguestfs does not tell where it read", "PackagesUnknown": "a sentence of ours",
	"Boot":              "libguestfs knows no boot loader: entries are compared with GRUB's own programs",
	"CloudInit.Version": "is one of the packages", "CloudInit.Enabled": "libguestfs reads no units and no configuration of cloud-init",
	"CloudInit.DisabledBy": "as Enabled", "CloudInit.Datasources": "as Enabled", "CloudInit.DefaultUser": "as Enabled", "GuestAgent.Enabled": "as CloudInit.Enabled",
}

// TestFactsAreThoseOfLibguestfs lets libguestfs look at a Debian-like and an
// RPM-like image, in one appliance, and compares each fact that it tells.
// Debian's librpm finds no database in the appliance, since its macro _dbpath
// leads to the home folder: libguestfs takes RPM's database out of the image,
// and the real rpm tells what is in it.
func TestFactsAreThoseOfLibguestfs(t *testing.T) {
	disktest.Need(t, "the facts beside those of libguestfs", "guestfish", "rpm", "rpmbuild")
	program, status := hostFile(t, "/bin/true"), hostFile(t, "/var/lib/dpkg/status")
	k := familyKernels(t)["EL 9"]
	redHat := files{}
	for name, content := range el9Files() {
		redHat[name] = strings.ReplaceAll(content, "UUID=1111", "UUID="+bootUUID)
	}
	redHat["etc/fstab"] += "UUID=CAFE-1234 /boot/efi vfat umask=0077 0 2\n"
	redHat["boot/efi/"] = ""
	programs := files{"usr/bin/ls": program, "usr/lib/systemd/systemd": program}
	packages := files{"var/lib/rpm/Packages.db": gone, "var/lib/rpm/rpmdb.sqlite": rpmDatabase(t)}
	images := []string{
		makeDisk(t, "dos", rootPart(realFiles().with(programs).with(files{"var/lib/dpkg/status": status, "boot/config-" + version: "CONFIG_MODULES=y\n"}))),
		makeDisk(t, "gpt", espPart(t), part{mib: 40, kind: "L", uuid: bootUUID, tree: redHat.with(k.files(t, "virtio_blk")).with(programs).with(packages)}),
	}
	roots := []string{"/dev/sda1", "/dev/sdb2"}
	for i, want := range guestfish(t, images, roots) {
		facts := mustInspect(t, images[i]).Facts
		t.Run(facts.OS.ID, func(t *testing.T) {
			got := told(facts)
			got["mounts"] = mounts(t, images[i])
			for _, question := range slices.Sorted(maps.Keys(got)) {
				if answer, asked := want[question]; !asked || got[question] != answer {
					t.Errorf("%s: got %q, libguestfs says %q", question, got[question], answer)
				}
			}
			for fact, question := range toldBy {
				if _, ok := got[question]; !ok {
					t.Errorf("%s is not compared: nobody asks for %q", fact, question)
				}
			}
			t.Logf("the same: %v, and %d packages", slices.Sorted(maps.Keys(got)), strings.Count(want["packages"], "\n"))
		})
	}
}

func TestEveryFactIsComparedOrSaysWhyNot(t *testing.T) {
	seen := map[string]bool{}
	var walk func(name string, kind reflect.Type)
	walk = func(name string, kind reflect.Type) {
		_, compared := toldBy[name]
		_, not := toldByNone[name]
		if compared || not {
			seen[name] = true
			return
		}
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		if kind.Kind() != reflect.Struct {
			t.Errorf("%s is neither compared with what libguestfs says, nor says the test why not", name)
			return
		}
		for i := range kind.NumField() {
			field := kind.Field(i)
			walk(strings.TrimPrefix(name+"."+field.Name, "."), field.Type)
		}
	}
	walk("", reflect.TypeFor[Facts]())
	for _, table := range []map[string]string{toldBy, toldByNone} {
		for name := range table {
			if !seen[name] {
				t.Errorf("%s is no fact any more, or one of both tables", name)
			}
		}
	}
}

// rpmDatabase has packages that the real rpm has entered.
func rpmDatabase(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	spec, err := filepath.Abs("packages/testdata/guest.spec")
	if err != nil {
		t.Fatal(err)
	}
	disktest.Run(t, "rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, spec)
	built, err := filepath.Glob(filepath.Join(dir, "RPMS/noarch/*.rpm"))
	if err != nil || len(built) == 0 {
		t.Fatalf("rpmbuild made no packages: %v", err)
	}
	disktest.Run(t, "rpm", append([]string{"--dbpath", filepath.Join(dir, "db"), "-i", "--justdb", "--nodeps"}, built...)...)
	return hostFile(t, filepath.Join(dir, "db/rpmdb.sqlite"))
}

// mounts are what the fstab mounts, as the layout finds it.
func mounts(t *testing.T, path string) string {
	t.Helper()
	img, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}()
	l, err := readLayout(img, img.Size())
	if err == nil {
		err = l.findRoot()
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := newTree(l.root.fs).read("/etc/fstab", maxText)
	if err != nil {
		t.Fatal(err)
	}
	lines := ""
	for _, e := range parseFstab(string(b)) {
		if v := l.find(e.device); v != nil {
			lines += fmt.Sprintf("%s: %d\n", e.dir, v.part.Number)
		}
	}
	return lines
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
		"type": f.Root.FileSystem, "uuid": f.Root.UUID, "label": f.Root.Label, "size": fmt.Sprint(f.Root.Size), "clean": fmt.Sprint(f.Root.Clean),
		"format": string(f.Disk.Format), "disk": fmt.Sprint(f.Disk.VirtualSize),
		"table": map[string]string{"mbr": "dos", "gpt": "gpt"}[string(f.Partitions.Kind)], "diskid": f.Partitions.DiskID,
		"sector": fmt.Sprint(f.Partitions.SectorSize), "package format": map[string]string{"dpkg": "deb", "rpm": "rpm"}[f.Packages.Manager],
		"cloud-init": f.CloudInit.Program, "agent": fmt.Sprint(f.GuestAgent.Installed),
	}
	if f.CloudInit.Installed != (f.CloudInit.Program != "") {
		all["cloud-init"] = "installed without a program"
	}
	for _, p := range f.Partitions.Partitions {
		all["partitions"] += fmt.Sprintf("%d: %d+%d %s %q %s %v\n", p.Number, p.Start, p.Size, p.Type, p.Name, p.UUID, p.Bootable)
	}
	for _, k := range f.Kernels {
		all["kernels"] += line(k.Image)
		all["initramfs"] += line(k.Initramfs)
		all["config"] += line(k.Config)
		all["modules"] += line(k.Version)
	}
	var packages []string
	for _, p := range f.Packages.Packages {
		packages = append(packages, p.Name+" "+p.Version+"\n")
	}
	slices.Sort(packages)
	all["packages"] = strings.Join(packages, "")
	return all
}

func line(s string) string {
	if s == "" {
		return ""
	}
	return s + "\n"
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
	rpmDirs := make([]string, len(roots))
	for i, root := range roots {
		disk := root[:len(root)-1]
		ask("image", "")
		ask("format", "disk-format %s", images[i])
		ask("distro", "inspect-get-distro %s", root)
		ask("version", "inspect-get-major-version %s", root)
		ask("product", "inspect-get-product-name %s", root)
		ask("arch", "inspect-get-arch %s", root)
		ask("package format", "inspect-get-package-format %s", root)
		ask("mounts", "inspect-get-mountpoints %s", root)
		ask("type", "vfs-type %s", root)
		ask("uuid", "vfs-uuid %s", root)
		ask("label", "vfs-label %s", root)
		ask("superblock", "tune2fs-l %s", root)
		ask("disk", "blockdev-getsize64 %s", disk)
		ask("sector", "blockdev-getss %s", disk)
		ask("table of partitions", "blkid %s", disk)
		for number := 1; number <= int(root[len(root)-1]-'0'); number++ {
			ask("partition", "blkid %s%d", disk, number)
		}
		ask("mounted", "mount-ro %s /", root)
		ask("init", "readlink /usr/sbin/init")
		ask("kernels", "glob-expand /boot/vmlinuz-*")
		ask("initramfs", "glob-expand /boot/init*")
		ask("config", "glob-expand /boot/config-*")
		ask("modules", "ls /usr/lib/modules")
		ask("cloud-init", "glob-expand /usr/bin/cloud-init")
		ask("agent", "is-file /usr/sbin/qemu-ga")
		if i == 0 {
			ask("packages", "inspect-list-applications2 %s", root)
		} else {
			rpmDirs[i] = t.TempDir()
			ask("database", "copy-out /var/lib/rpm %s", rpmDirs[i])
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
	all := answers(string(out))
	for i, dir := range rpmDirs {
		if dir != "" {
			all[i]["packages"] = rpmPackages(t, filepath.Join(dir, "rpm"))
		}
	}
	return all
}

// rpmPackages is what the real rpm says. The architecture of a package is no
// fact: nothing is judged by it.
func rpmPackages(t *testing.T, dbPath string) string {
	t.Helper()
	out := disktest.Run(t, "rpm", "--dbpath", dbPath, "-qa", "--qf", `%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n`)
	lines := slices.Sorted(strings.Lines(out))
	return strings.Join(lines, "")
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
			case "mounted", "unmounted", "database":
				continue
			case "init":
				value = filepath.Base(value)
			case "kernels", "initramfs":
				value = bootable(value)
			case "config", "modules":
				value = line(value)
			case "packages":
				value = applications(structs(value))
			case "mounts":
				value = partitionNumbers(value)
			case "superblock":
				answer["size"], answer["clean"] = superblock(hash(value))
				continue
			case "table of partitions":
				answer["table"], answer["diskid"] = hash(value)["PTTYPE"], hash(value)["PTUUID"]
				continue
			case "partition":
				answer["partitions"] += partitionLine(hash(value))
				continue
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

// hash reads guestfish's tables of keys and values.
func hash(text string) map[string]string {
	table := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		table[key] = strings.TrimSpace(value)
	}
	return table
}

// partitionNumbers leaves the disk's name out, which is the appliance's.
func partitionNumbers(mounts string) string {
	lines, table := "", hash(mounts)
	for _, dir := range slices.Sorted(maps.Keys(table)) {
		lines += dir + ": " + strings.TrimLeft(table[dir], "/abdevs") + "\n"
	}
	return lines
}

// superblock: as tune2fs(8) tells of ext.
func superblock(said map[string]string) (size, clean string) {
	var count, block int64
	if _, err := fmt.Sscan(said["Block count"]+" "+said["Block size"], &count, &block); err != nil {
		return err.Error(), ""
	}
	return fmt.Sprint(count * block), fmt.Sprint(said["Filesystem state"] == "clean")
}

// partitionLine: libblkid counts in sectors of 512 bytes.
func partitionLine(said map[string]string) string {
	var start, size int64
	if _, err := fmt.Sscan(said["PART_ENTRY_OFFSET"]+" "+said["PART_ENTRY_SIZE"], &start, &size); err != nil {
		return err.Error()
	}
	bootable := map[string]string{"dos": "0x80", "gpt": "0x4"}[said["PART_ENTRY_SCHEME"]]
	return fmt.Sprintf("%s: %d+%d %s %q %s %v\n", said["PART_ENTRY_NUMBER"], start*512, size*512, said["PART_ENTRY_TYPE"],
		said["PART_ENTRY_NAME"], said["PART_ENTRY_UUID"], said["PART_ENTRY_FLAGS"] == bootable)
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
