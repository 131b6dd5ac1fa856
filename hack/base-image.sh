#!/bin/sh
# Makes a small Debian 12 disk that is not ready for OpenStack, as a build VM's
# disk often is: fixed MAC address, firewall, quiet boot without a serial
# console, host keys, machine-id and a builder's SSH key baked in, no cloud-init.
# Usage: hack/base-image.sh OUT.qcow2 [ext4|lvm-xfs|btrfs-uefi], the root and the
# firmware; the default is ext4 in a partition, started by BIOS.
# Beside it come OUT.key and OUT.key.pub, the builder's key pair, and OUT.recipe: an
# image that this recipe made before is kept. Needs no root.
set -eu

suite=bookworm
disk_mib=2048
# The address that QEMU gives to its first network card.
mac=52:54:00:12:34:56
packages=linux-image-cloud-amd64,openssh-server,sudo,python3,ca-certificates,locales,man-db,bash-completion,dbus
boot_timeout=600
done_mark="base image: boot loader installed"

umask 022
hack=$(cd "$(dirname "$0")" && pwd)

main() {
  if [ "${1-}" = --write-disk ]; then
    work=$2 key=$3 layout=$4
    write_disk
    return
  fi
  [ $# -eq 1 ] || [ $# -eq 2 ] || fail "usage: hack/base-image.sh OUT.qcow2 [ext4|lvm-xfs|btrfs-uefi]"
  out=$1 layout=${2:-ext4}
  case $layout in
  ext4) packages=$packages,grub-pc ;;
  lvm-xfs) packages=$packages,grub-pc,lvm2,xfsprogs ;;
  btrfs-uefi) packages=$packages,grub-efi-amd64,btrfs-progs,dosfstools ;;
  *) fail "the layout $layout is none of ext4, lvm-xfs, btrfs-uefi" ;;
  esac
  mkdir -p "$(dirname "$out")"
  out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
  key=${out%.qcow2}.key
  make_key
  recipe=$({ echo "$layout" && cat "$0" "$key.pub"; } | sha256sum | cut -d ' ' -f 1)
  if [ -e "$out" ] && [ "$(cat "${out%.qcow2}.recipe" 2>/dev/null)" = "$recipe" ]; then
    say "kept, its recipe has not changed: $out"
    return
  fi
  build
}

# make_key makes the builder's key pair once: the image holds its public half.
make_key() {
  if [ -e "$key" ] && [ -e "$key.pub" ]; then return; fi
  rm -f "$key" "$key.pub"
  ssh-keygen -q -t ed25519 -N '' -C builder -f "$key"
}

build() {
  work=$(mktemp -d "$(dirname "$out")/base-image.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  say "installing Debian $suite ($(date +%T))"
  install_tree
  say "writing the disk ($(date +%T))"
  as_owner_of_all "$0" --write-disk "$work" "$key" "$layout"
  accelerator=$("$hack/accelerator.sh")
  say "booting once under $accelerator to install the boot loader ($(date +%T))"
  install_boot_loader
  say "converting to qcow2 ($(date +%T))"
  qemu-img convert -f raw -O qcow2 "$work/$made" "$work/disk.qcow2"
  mv "$work/disk.qcow2" "$out"
  printf '%s\n' "$recipe" >"${out%.qcow2}.recipe"
  say "made $out"
}

# install_tree runs mmdebstrap with its default mirrors and takes the host's
# proxy and validity settings over for the time of the installation.
install_tree() {
  apt-config dump Acquire | sed -n -E '/^Acquire::(http|https|Check-)[^ ]* "[^"]/p' >"$work/apt.conf"
  # shellcheck disable=SC2016 # the hook's own $1
  mmdebstrap --quiet --include="$packages" --aptopt="$work/apt.conf" \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"' \
    "$suite" "$work/tree.tar" >"$work/mmdebstrap.log" 2>&1 || {
    tail -n 30 "$work/mmdebstrap.log" >&2
    fail "mmdebstrap did not install Debian $suite (its last lines are above)"
  }
}

# as_owner_of_all runs a command so that the files which it unpacks, and packs
# again, keep their owners.
as_owner_of_all() {
  if [ "$(id -u)" -eq 0 ]; then sh "$@"; else fakeroot sh "$@"; fi
}

# write_disk makes a disk with a DOS partition table and one partition that an
# ext4 file system with the tree fills.
write_disk() {
  tree=$work/tree
  mkdir "$tree"
  # No extended attributes: fakeroot's are none that mke2fs can read. What is
  # lost is the capability of ping.
  tar -x --numeric-owner --no-xattrs -f "$work/tree.tar" -C "$tree"
  rm "$work/tree.tar"
  uuid=$(cat /proc/sys/kernel/random/uuid)
  configure_tree
  cp "$tree"/boot/vmlinuz-* "$work/vmlinuz"
  cp "$tree"/boot/initrd.img-* "$work/initrd"
  truncate -s "${disk_mib}M" "$work/disk.raw"
  printf 'label: dos\nstart=2048, type=83, bootable\n' | sfdisk -q "$work/disk.raw"
  mke2fs -q -F -t ext4 -U "$uuid" -d "$tree" -E offset=1048576 "$work/disk.raw" "$((disk_mib - 1))M"
  rm -rf "$tree"
}

configure_tree() {
  echo debian >"$tree/etc/hostname"
  printf '127.0.0.1\tlocalhost\n127.0.1.1\tdebian\n' >"$tree/etc/hosts"
  printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$uuid" >"$tree/etc/fstab"
  rm -f "$tree/etc/resolv.conf"
  record_mac
  enable_firewall
  bake_identity
  leave_secrets
  write_first_boot
}

record_mac() {
  mkdir -p "$tree/etc/udev/rules.d"
  cat >"$tree/etc/udev/rules.d/70-persistent-net.rules" <<END
SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="$mac", ATTR{type}=="1", NAME="eth0"
END
  cat >"$tree/etc/network/interfaces" <<END
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet dhcp
    hwaddress ether $mac
END
}

enable_firewall() {
  cat >"$tree/etc/nftables.conf" <<'END'
#!/usr/sbin/nft -f
flush ruleset

table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
  }
}
END
  mkdir -p "$tree/etc/systemd/system/sysinit.target.wants"
  ln -sf /lib/systemd/system/nftables.service "$tree/etc/systemd/system/sysinit.target.wants/nftables.service"
}

bake_identity() {
  tr -d - </proc/sys/kernel/random/uuid >"$tree/etc/machine-id"
  for type in rsa ecdsa ed25519; do
    rm -f "$tree/etc/ssh/ssh_host_${type}_key"
    ssh-keygen -q -t "$type" -N '' -C root@debian -f "$tree/etc/ssh/ssh_host_${type}_key"
  done
  mkdir -p "$tree/var/lib/systemd" "$tree/var/lib/dhcp"
  head -c 512 /dev/urandom >"$tree/var/lib/systemd/random-seed"
  chmod 600 "$tree/var/lib/systemd/random-seed"
  cat >"$tree/var/lib/dhcp/dhclient.eth0.leases" <<'END'
lease {
  interface "eth0";
  fixed-address 10.0.2.15;
  option subnet-mask 255.255.255.0;
  option dhcp-lease-time 86400;
  option dhcp-server-identifier 10.0.2.2;
  renew 4 2026/01/01 00:00:00;
  rebind 4 2026/01/01 00:00:00;
  expire 4 2026/01/01 00:00:00;
}
END
}

leave_secrets() {
  mkdir -p "$tree/root/.ssh"
  chmod 700 "$tree/root/.ssh"
  cp "$key.pub" "$tree/root/.ssh/authorized_keys"
  chmod 600 "$tree/root/.ssh/authorized_keys"
  printf 'apt-get update\nvi /etc/network/interfaces\n' >"$tree/root/.bash_history"
  chmod 600 "$tree/root/.bash_history"
}

# write_first_boot leaves a program that runs in init's place, once: GRUB is
# installed from within, where the disk has device nodes.
write_first_boot() {
  configure_grub
  case $layout in
  ext4) write_install ;;
  *) write_copy ;;
  esac
  chmod 755 "$tree/first-boot"
}

configure_grub() {
  sed -i 's/^GRUB_TIMEOUT=.*/GRUB_TIMEOUT=1/; s/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT="quiet"/' "$tree/etc/default/grub"
}

write_install() {
  # A shell without a file of its own, since an open file that was removed keeps
  # the file system from becoming read-only, and with that clean.
  cat >"$tree/first-boot" <<END
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec sh -c '
  rm -f /first-boot
  grub-install --target=i386-pc /dev/vda && update-grub && sync &&
    mount -o remount,ro / && echo "$done_mark"
  echo o >/proc/sysrq-trigger
  sleep 60
'
END
}

# write_copy leaves a program that copies the system onto a second disk, laid out
# as asked for.
write_copy() {
  {
    cat <<'END'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# No udev runs here.
lvm() { command lvm "$@" --config 'activation { udev_sync = 0 udev_rules = 0 }'; }

mount_root() {
  mount "$@" /mnt && rm -f /first-boot && cp -ax /. /mnt
}

bind() {
  for place in dev proc sys; do mount --bind "/$place" "/mnt/$place" || return; done
}

lvm_xfs() {
  echo 'start=2048, type=8e, bootable' | sfdisk -q -X dos /dev/vdb &&
    lvm pvcreate /dev/vdb1 && lvm vgcreate debian /dev/vdb1 &&
    lvm lvcreate -Wn -Zn -n root -l 100%FREE debian && mkfs.xfs -q /dev/debian/root &&
    mount_root /dev/debian/root && bind &&
    echo '/dev/mapper/debian-root / xfs defaults 0 0' >/mnt/etc/fstab &&
    chroot /mnt grub-install --target=i386-pc /dev/vdb && chroot /mnt update-grub
}

# btrfs_uefi: the subvolume's name is that of Debian's installer. update-grub
# names the root by a UUID that udev has made a link of.
btrfs_uefi() {
  printf 'size=64MiB, type=U\ntype=L\n' | sfdisk -q -X gpt /dev/vdb &&
    mkfs.vfat -F 32 /dev/vdb1 && mkfs.btrfs -q /dev/vdb2 &&
    mount /dev/vdb2 /mnt && btrfs -q subvolume create /mnt/@rootfs && umount /mnt &&
    mount_root -o subvol=@rootfs /dev/vdb2 && bind &&
    mkdir -p /mnt/boot/efi && mount /dev/vdb1 /mnt/boot/efi &&
    root=$(blkid -s UUID -o value /dev/vdb2) && esp=$(blkid -s UUID -o value /dev/vdb1) &&
    printf 'UUID=%s / btrfs defaults,subvol=@rootfs 0 0\nUUID=%s /boot/efi vfat umask=0077 0 1\n' "$root" "$esp" >/mnt/etc/fstab &&
    mkdir -p /dev/disk/by-uuid && ln -s /dev/vdb2 "/dev/disk/by-uuid/$root" &&
    chroot /mnt grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram && chroot /mnt update-grub
}

END
    cat <<END
$(echo "$layout" | tr - _) && umount -R /mnt && sync && echo "$done_mark"
echo o >/proc/sysrq-trigger
sleep 60
END
  } >"$tree/first-boot"
}

install_boot_loader() {
  cpu=max made=disk.raw
  [ "$accelerator" = tcg ] || cpu=host
  if [ "$layout" != ext4 ]; then
    made=target.raw
    truncate -s "${disk_mib}M" "$work/$made"
    set -- -drive "file=$work/$made,format=raw,if=virtio,cache=unsafe"
  fi
  timeout -k 5 "$boot_timeout" qemu-system-x86_64 -machine "pc,accel=$accelerator" -cpu "$cpu" -m 512 -smp 2 \
    -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -drive "file=$work/disk.raw,format=raw,if=virtio,cache=unsafe" "$@" \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" \
    -append "root=/dev/vda1 rw console=ttyS0 panic=-1 init=/first-boot" </dev/null >"$work/boot.log" 2>&1 ||
    fail_boot "QEMU ended with status $?"
  grep -q "$done_mark" "$work/boot.log" || fail_boot "the boot loader was not installed"
}

fail_boot() {
  tail -n 30 "$work/boot.log" >&2
  fail "$1 (the console's last lines are above)"
}

say() { printf 'base image: %s\n' "$*"; }

fail() {
  printf 'base-image.sh: %s\n' "$*" >&2
  exit 1
}

main "$@"
