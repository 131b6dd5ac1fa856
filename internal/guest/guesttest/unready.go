package guesttest

// UnreadyServer is a script that leaves in the container what a build leaves on any Debian:
// among others the account packer, with sudo, and its key in .ssh/id_ed25519.
const UnreadyServer = `
useradd -m -s /bin/bash packer
echo 'packer:packer' | chpasswd
echo 'packer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/packer
mkdir -p /home/packer/.ssh /etc/netplan /var/lib/dhcp
ssh-keygen -q -t ed25519 -N '' -C builder@example -f /home/packer/.ssh/id_ed25519
cp /home/packer/.ssh/id_ed25519.pub /home/packer/.ssh/authorized_keys
echo 'openstack token issue' >/home/packer/.bash_history
chown -R packer: /home/packer
mkdir -p /root/.config/openstack && echo 'clouds: {}' >/root/.config/openstack/clouds.yaml
echo 'SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", NAME="eth0"' >/etc/udev/rules.d/70-persistent-net.rules
printf 'network: {version: 2, ethernets: {id0: {match: {macaddress: "52:54:00:12:34:56"}, dhcp4: true}}}\n' >/etc/netplan/00-installer-config.yaml
echo 'lease { interface "enp0s99"; }' >/var/lib/dhcp/dhclient.enp0s99.leases
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
rm -f /var/lib/dbus/machine-id
mkdir -p /var/log/journal /var/lib/systemd
head -c 512 /dev/urandom >/var/lib/systemd/random-seed
`

// Unready is a script that makes a container of NewDebian lack what the image guide asks for. A container
// has no disk of its own, which is all that grub-probe is told to invent.
const Unready = UnreadyServer + `
cat >>/etc/network/interfaces <<END
auto lo
iface lo inet loopback
allow-hotplug enp0s99
iface enp0s99 inet dhcp
  hwaddress ether 52:54:00:12:34:56
END
systemctl enable nftables.service
cat >/usr/sbin/grub-probe <<'END'
#!/bin/sh
case "$*" in
  *device*) echo /dev/vda1 ;;
  *fs_uuid*) echo 6d2231e4-0975-4f35-a94f-56738c1a8150 ;;
  *--target=fs*) echo ext2 ;;
  *partmap*) echo msdos ;;
esac
END
mkdir -p /boot/grub
printf 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_CMDLINE_LINUX_DEFAULT="quiet splash"\nGRUB_CMDLINE_LINUX="console=ttyS0,9600"\n' >/etc/default/grub
echo 'MODULES=dep' >/etc/initramfs-tools/conf.d/driver-policy
for k in /lib/modules/*; do rm /boot/initrd.img-${k##*/}; cp /bin/true /boot/initrd.img-${k##*/}; done
update-grub
`
