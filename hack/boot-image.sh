#!/bin/sh
# Makes a small Debian 12 disk that is ready for OpenStack and boots fast, for
# the tests that prove images: a raw disk with cloud-init, an SSH server and GRUB.
# Usage: hack/boot-image.sh OUT.raw
# An image that this recipe made before is kept. Needs no root.
set -eu

suite=bookworm
disk_mib=1536
packages=linux-image-cloud-amd64,grub-pc-bin,cloud-init,cloud-guest-utils,e2fsprogs,openssh-server,sudo,ifupdown,isc-dhcp-client,dbus,libpam-systemd,iproute2,nftables,netbase
# The loader's core lies behind the boot sector, before the partition.
core_sector=1
partition_sector=2048

umask 022

main() {
  if [ "${1-}" = --write-disk ]; then
    work=$2
    write_disk
    return
  fi
  [ $# -eq 1 ] || fail "usage: hack/boot-image.sh OUT.raw"
  mkdir -p "$(dirname "$1")"
  out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
  recipe=$(sha256sum "$0" | cut -d ' ' -f 1)
  if [ -e "$out" ] && [ "$(cat "$out.recipe" 2>/dev/null)" = "$recipe" ]; then
    say "kept, its recipe has not changed: $out"
    return
  fi
  work=$(mktemp -d "$(dirname "$out")/boot-image.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  say "installing Debian $suite ($(date +%T))"
  install_tree
  say "writing the disk ($(date +%T))"
  if [ "$(id -u)" -eq 0 ]; then sh "$0" --write-disk "$work"; else fakeroot sh "$0" --write-disk "$work"; fi
  mv "$work/disk.raw" "$out"
  printf '%s\n' "$recipe" >"$out.recipe"
  say "made $out"
}

# install_tree takes the host's proxy and validity settings over for the time of
# the installation.
install_tree() {
  apt-config dump Acquire | sed -n -E '/^Acquire::(http|https|Check-)[^ ]* "[^"]/p' >"$work/apt.conf"
  # shellcheck disable=SC2016 # the hook's own $1
  mmdebstrap --quiet --variant=minbase --include="systemd-sysv,$packages" --aptopt="$work/apt.conf" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"' \
    "$suite" "$work/tree.tar" >"$work/mmdebstrap.log" 2>&1 || {
    tail -n 30 "$work/mmdebstrap.log" >&2
    fail "mmdebstrap did not install Debian $suite (its last lines are above)"
  }
}

write_disk() {
  tree=$work/tree
  mkdir "$tree"
  # No extended attributes: fakeroot's are none that mke2fs can read.
  tar -x --numeric-owner --no-xattrs -f "$work/tree.tar" -C "$tree"
  rm "$work/tree.tar"
  uuid=$(cat /proc/sys/kernel/random/uuid)
  configure_tree
  disk=$work/disk.raw
  truncate -s "${disk_mib}M" "$disk"
  printf 'label: dos\nstart=%s, type=83, bootable\n' "$partition_sector" | sfdisk -q "$disk"
  mke2fs -q -F -t ext4 -U "$uuid" -d "$tree" -E "offset=$((partition_sector * 512))" "$disk" "$((disk_mib - 1))M"
  install_loader
}

configure_tree() {
  printf 'UUID=%s / ext4 errors=remount-ro 0 1\n' "$uuid" >"$tree/etc/fstab"
  rm -f "$tree/etc/resolv.conf" "$tree"/etc/ssh/ssh_host_*
  : >"$tree/etc/machine-id"
  rm -f "$tree/var/lib/dbus/machine-id" "$tree/etc/hostname"
  # A single line, the only form that cloud-init's ds-identify reads.
  echo 'datasource_list: [ ConfigDrive, OpenStack, None ]' >"$tree/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg"
  write_stages
  write_menu
  for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    dpkg-db-backup.timer systemd-pstore.service nftables.service; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
  done
}

# write_stages keeps those modules of cloud-init that a proof looks at.
write_stages() {
  cat >"$tree/etc/cloud/cloud.cfg.d/50_stages.cfg" <<'END'
cloud_init_modules: [ seed_random, growpart, resizefs, set_hostname, update_hostname, update_etc_hosts, users-groups, ssh ]
cloud_config_modules: [ set-passwords ]
cloud_final_modules: [ scripts-user, final-message ]
END
}

write_menu() {
  kernel=$(cd "$tree/boot" && echo vmlinuz-*)
  mkdir -p "$tree/boot/grub/i386-pc"
  cp "$tree"/usr/lib/grub/i386-pc/*.mod "$tree"/usr/lib/grub/i386-pc/*.lst "$tree/boot/grub/i386-pc/"
  cat >"$tree/boot/grub/grub.cfg" <<END
set timeout=0
menuentry "Debian" {
  search --no-floppy --fs-uuid --set=root $uuid
  linux /boot/$kernel root=UUID=$uuid ro console=tty0 console=ttyS0,115200n8
  initrd /boot/initrd.img-${kernel#vmlinuz-}
}
END
}

# install_loader puts GRUB's boot sector, which expects the core behind itself,
# around the partition table (grub-mkimage writes the core's length into it).
install_loader() {
  grub-mkimage -d "$tree/usr/lib/grub/i386-pc" -O i386-pc -o "$work/core.img" -p '(hd0,msdos1)/boot/grub' \
    biosdisk part_msdos ext2 search search_fs_uuid linux normal configfile
  [ "$(wc -c <"$work/core.img")" -lt "$(((partition_sector - core_sector) * 512))" ] || fail "GRUB's core is too large"
  dd if="$tree/usr/lib/grub/i386-pc/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
  dd if="$work/core.img" of="$disk" bs=512 seek="$core_sector" conv=notrunc status=none
}

say() { printf 'boot image: %s\n' "$*"; }

fail() {
  printf 'boot-image.sh: %s\n' "$*" >&2
  exit 1
}

main "$@"
