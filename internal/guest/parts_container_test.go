//go:build linux

package guest_test

import (
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// otherPackages are what a Debian server can have in place of the parts of the
// usual container. Those that a test does not want, it purges.
const otherPackages = "systemd,systemd-sysv,dbus,libpam-systemd,udev,openssh-server,sudo,iproute2,dracut," +
	"linux-image-cloud-amd64,network-manager,netplan.io,firewalld,ufw,nftables,u-boot-menu,extlinux," +
	"systemd-boot,e2fsprogs,ca-certificates,kmod,procps"

// quickDracut keeps dracut to the modules that the tests look for, since it
// compresses long, and the kernels without an initramfs that is of use.
const quickDracut = `
printf 'dracutmodules+=" base kernel-modules "\ncompress="cat"\n' >/etc/dracut.conf.d/90-test.conf
for k in /lib/modules/*; do rm /boot/initrd.img-${k##*/}; cp /bin/true /boot/initrd.img-${k##*/}; done
`

// networkManager has a menu for U-Boot or extlinux, firewalld and nftables.
const networkManager = guesttest.UnreadyServer + quickDracut + `
dpkg --purge netplan.io ufw systemd-boot
rm -r /etc/netplan
systemctl enable nftables.service firewalld.service
printf '[connection]\nid=Wired\nuuid=6d2231e4-0975-4f35-a94f-56738c1a8150\ntype=ethernet\n[ethernet]\nmac-address=52:54:00:12:34:56\n' \
  >/etc/NetworkManager/system-connections/Wired.nmconnection
chmod 0600 /etc/NetworkManager/system-connections/Wired.nmconnection
sed -i 's/^#U_BOOT_PARAMETERS=.*/U_BOOT_PARAMETERS="ro quiet splash console=ttyS0,9600"/' /etc/default/u-boot
u-boot-update
`

// netplan has systemd-networkd to configure, ufw, and systemd-boot, whose
// entries are those that kernel-install makes. A directory is no EFI system
// partition, so bootctl gets a file system to fill.
const netplan = guesttest.UnreadyServer + quickDracut + `
dpkg --purge network-manager firewalld u-boot-menu
rm -rf /boot/extlinux
sed -i 's/^ENABLED=.*/ENABLED=yes/' /etc/ufw/ufw.conf
mkdir -p /boot/efi /srv/esp
mount -t proc none /proc
mount -t tmpfs esp /boot/efi
SYSTEMD_RELAX_ESP_CHECKS=1 bootctl --esp-path=/boot/efi --no-variables --make-entry-directory=yes install
cp -r /boot/efi/. /srv/esp
umount /boot/efi
cp -r /srv/esp/. /boot/efi
rm -r /srv/esp
echo 'root=UUID=6d2231e4-0975-4f35-a94f-56738c1a8150 ro quiet splash' >/etc/kernel/cmdline
for k in /lib/modules/*; do
  kernel-install add ${k##*/} /boot/vmlinuz-${k##*/} /boot/initrd.img-${k##*/}
done
`

func TestDebianOfOtherPartsIsMended(t *testing.T) {
	for _, test := range []struct{ name, unready, ready string }{
		{
			"dracut, NetworkManager, firewalld and extlinux", networkManager,
			"systemctl is-enabled NetworkManager && lsinitrd /boot/initrd.img-* | grep virtio_blk",
		},
		{
			"dracut, netplan, ufw and systemd-boot", netplan,
			"cmp /boot/initrd.img-* /boot/efi/0123456789abcdef0123456789abcdef/*/initrd.img-* && lsinitrd /boot/initrd.img-* | grep virtio_blk",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := guesttest.NewContainerOf(t, "debian-12-parts", otherPackages)
			c.Chroot(t, test.unready)
			expectMendedForGood(t, c, checkChangesNothing)
			if _, err := c.As("root").Output(test.ready); err != nil {
				t.Error(err)
			}
		})
	}
}
