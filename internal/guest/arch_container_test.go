//go:build linux

package guest_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
)

// unreadyArch makes the container an Arch with entries of systemd-boot. Its
// mkinitcpio does no more than what the requirements turn on.
const unreadyArch = unreadyForeign + `
printf 'ID=arch\nPRETTY_NAME="Arch Linux"\n' >/etc/os-release
printf '[options]\nArchitecture = auto\nSigLevel = Never\n[core]\nServer = file:///srv/repo\n' >/etc/pacman.conf
rm -rf /var/lib/pacman/local /var/lib/pacman/sync
mkdir -p /var/lib/pacman/local/openssh-10.2p1-2 /var/lib/pacman/sync /boot/loader/entries
echo 9 >/var/lib/pacman/local/ALPM_DB_VERSION
printf '%%NAME%%\nopenssh\n\n%%VERSION%%\n10.2p1-2\n\n%%ARCH%%\nany\n' >/var/lib/pacman/local/openssh-10.2p1-2/desc
printf 'HOOKS=(base udev autodetect modconf block filesystems)\n' >/etc/mkinitcpio.conf
echo linux >/lib/modules/6.4.0-test/pkgbase
echo vmlinuz >/boot/vmlinuz-linux
cp /boot/vmlinuz-linux /lib/modules/6.4.0-test/vmlinuz
echo 'timeout 3' >/boot/loader/loader.conf
printf 'title Arch\nlinux /vmlinuz-linux\noptions root=UUID=1f5f rw quiet\n' >/boot/loader/entries/arch.conf
cat >/usr/bin/mkinitcpio <<'END'
#!/bin/sh
test "$1" = -P || exit 2
drivers='ahci'
grep -q '^HOOKS=.*autodetect' /etc/mkinitcpio.conf || drivers='ahci virtio_blk virtio_pci virtio_scsi'
for driver in $drivers; do
  echo usr/lib/modules/6.4.0-test/kernel/drivers/$driver.ko.zst
done >/boot/initramfs-linux.img
END
printf '#!/bin/sh\ncat "$1"\n' >/usr/bin/lsinitcpio
chmod +x /usr/bin/mkinitcpio /usr/bin/lsinitcpio
mkinitcpio -P
`

func TestUnreadyArchWithPacmanIsMended(t *testing.T) {
	c := guesttest.NewContainerOf(t, "foreign", foreignPackages)
	guest.Ran(t, "Arch Linux", guest.PackageManager)
	repository := c.Dir + "/srv/repo"
	makePacmanRepository(t, repository, "e2fsprogs 1.47.3-1", "cloud-guest-utils 0.33-2", "cloud-init 25.3-1")
	c.Chroot(t, unreadyArch)
	c.Listen(t)
	c.Boot(t)

	expectMissed(t, provision(t, c, report.Mend), "error: target not found: qemu-guest-agent")
	makePacmanRepository(t, repository, "e2fsprogs 1.47.3-1", "cloud-guest-utils 0.33-2", "cloud-init 25.3-1", "qemu-guest-agent 10.1.2-1")
	c.Chroot(t, "pacman -Sy")
	expectStillMet(t, provision(t, c, report.Mend))
	expectNothingToDo(t, c)
	expectForeignInstance(t, c, "pacman -Q cloud-init cloud-guest-utils qemu-guest-agent", "test -z \"$(ls /var/cache/pacman/pkg)\"")
}

// makePacmanRepository makes the repository core of the given packages, "name
// version" each.
func makePacmanRepository(t *testing.T, dir string, packages ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	index := map[string]string{}
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		content := packageFiles(name, "arch")
		if content == nil {
			content = map[string]string{"usr/share/" + name: name}
		}
		content[".PKGINFO"] = fmt.Sprintf("pkgname = %s\npkgver = %s\npkgdesc = x\narch = any\nsize = 1\n", name, version)
		file := name + "-" + version + "-any.pkg.tar.gz"
		size := makeTar(t, filepath.Join(dir, file), content)
		index[name+"-"+version+"/desc"] = fmt.Sprintf("%%FILENAME%%\n%s\n\n%%NAME%%\n%s\n\n%%VERSION%%\n%s\n\n%%CSIZE%%\n%d\n\n%%ISIZE%%\n1\n\n%%ARCH%%\nany\n\n", file, name, version, size)
	}
	makeTar(t, filepath.Join(dir, "core.db"), index)
}

// makeTar packs files in the order of their names, and returns the archive's size.
func makeTar(t *testing.T, path string, content map[string]string) int {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(content)) {
		text := content[name]
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return packed.Len()
}
