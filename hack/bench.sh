#!/bin/sh
# Measures inspect on a real Debian of 2 GB, beside libguestfs, and on the same
# tree in other file systems and formats. Run by "make bench", which has built
# the plugin. The images stay in .build/bench; the base image is that of "make
# demo". Only root can mount: without it, the rows of xfs, btrfs and LVM are
# left out.
set -eu

hack=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$hack")
build=$checkout/.build
dir=$build/bench
base=$build/demo/base/debian-12.qcow2
plugin=$build/packer-plugin-openstack-ready

# Where the disk's only partition is, and where a volume group's data is in it.
partition_mib=1
extents_mib=1

main() {
  if [ "${1-}" = --make ]; then
    shift
    "$@"
    return
  fi
  cd "$checkout"
  mkdir -p "$dir"
  "$hack/packages.sh" demo || fail "the base image cannot be made without these packages"
  install_others
  "$hack/base-image.sh" "$base"
  accelerator=$("$hack/accelerator.sh")
  forget_old_images
  make_images
  kernel=$("$hack/guestfs-kernel.sh" "$build/guestfs-kernel") || fail "there is no kernel for libguestfs (the reason is above)"
  eval "$kernel"
  export LIBGUESTFS_BACKEND=direct LIBGUESTFS_CACHEDIR="$dir"
  [ "$accelerator" = kvm ] || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
  go run ./hack/bench -plugin "$plugin" -base "$base" -images "$dir" -accelerator "$accelerator"
}

# install_others installs what single rows need; each of them says if it is
# left out.
install_others() {
  status=0
  "$hack/packages.sh" bench || status=$?
  case $status in
  0 | 3) ;;
  *) exit "$status" ;;
  esac
}

# forget_old_images removes the images that another base image, or another
# version of this program, made.
forget_old_images() {
  recipe=$(cat "$0" "${base%.qcow2}.recipe" | sha256sum | cut -d ' ' -f 1)
  [ "$(cat "$dir/recipe" 2>/dev/null)" != "$recipe" ] || return 0
  rm -rf "$dir"
  mkdir -p "$dir"
  printf '%s\n' "$recipe" >"$dir/recipe"
}

make_images() {
  make_image compressed.qcow2 convert_compressed
  make_image stream.vmdk convert_stream
  if [ "$(id -u)" -ne 0 ]; then
    say "needs root, to mount file systems: xfs, btrfs and LVM are left out"
    return
  fi
  make_image xfs.qcow2 on_partition xfs
  make_image btrfs.qcow2 on_partition btrfs
  make_image lvm.qcow2 on_volume
}

# make_image NAME COMMAND…: the command makes an image at the path that is its
# last argument. Its mounts are its own, so that they end with it.
make_image() {
  image=$dir/$1
  shift
  [ ! -e "$image" ] || return 0
  say "making $(basename "$image") ($(date +%T))"
  work=$(mktemp -d "$dir/work.XXXXXX")
  if own_mounts env work="$work" sh "$0" --make "$@" "$work/image" >"$work/log" 2>&1; then
    mv "$work/image" "$image"
  else
    tail -n 5 "$work/log" >&2
    say "$(basename "$image") could not be made on this machine (the reason is above): its row is left out"
  fi
  rm -rf "$work"
}

own_mounts() {
  if [ "$(id -u)" -eq 0 ]; then unshare --mount --propagation private "$@"; else "$@"; fi
}

convert_compressed() {
  qemu-img convert -f qcow2 -O qcow2 -c "$base" "$1"
}

convert_stream() {
  qemu-img convert -f qcow2 -O vmdk -o subformat=streamOptimized "$base" "$1"
}

# on_partition KIND IMAGE: the partition holds the file system.
on_partition() {
  start_disk
  make_tree "$1" $((disk_mib - partition_mib))
  put_tree "$partition_mib"
  finish_disk "$2"
}

# on_volume IMAGE: the partition is a physical volume, with XFS in its only
# logical one. lvm needs no device mapper to write what it knows on the disk.
on_volume() {
  start_disk
  sfdisk -q --part-type "$work/disk" 1 8e
  size=$((disk_mib - partition_mib - 8))
  device=$(losetup --find --show --offset "${partition_mib}MiB" "$work/disk")
  trap 'losetup --detach "$device"' EXIT
  lvm_here pvcreate -q --dataalignment "${extents_mib}m" "$device"
  lvm_here vgcreate -q bench "$device"
  lvm_here lvcreate -q -an -Zn -Wn -n root -L "${size}m" bench
  make_tree xfs "$size"
  put_tree $((partition_mib + extents_mib))
  finish_disk "$1"
}

lvm_here() {
  verb=$1
  shift
  LVM_SUPPRESS_FD_WARNINGS=1 lvm "$verb" --driverloaded n --config \
    "devices { filter=[ \"a|^$device\$|\", \"r|.*|\" ] } backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 }" "$@"
}

# start_disk makes a raw disk with the base image's boot code and partition
# table.
start_disk() {
  qemu-img convert -f qcow2 -O raw "$base" "$work/base"
  disk_mib=$(($(stat -c %s "$work/base") / 1048576))
  truncate -s "${disk_mib}M" "$work/disk"
  dd if="$work/base" of="$work/disk" bs=1M count="$partition_mib" conv=notrunc status=none
}

# make_tree KIND MIB makes a file system with the base image's tree and UUID,
# so that the boot menu is right for it. mkfs.btrfs refuses a UUID that a
# mounted file system has: it comes first.
make_tree() {
  kind=$1
  uuid=$(blkid -p -O $((partition_mib * 1048576)) -o value -s UUID "$work/base")
  truncate -s "${2}M" "$work/tree"
  case $kind in
  xfs) mkfs.xfs -q -m uuid="$uuid" "$work/tree" ;;
  btrfs) mkfs.btrfs -q -U "$uuid" "$work/tree" ;;
  esac
  mkdir "$work/from" "$work/to"
  mount -o "loop,ro,offset=$((partition_mib * 1048576))" "$work/base" "$work/from"
  mount -t "$kind" -o loop "$work/tree" "$work/to"
  cp -a "$work/from/." "$work/to"
  sed -i "s/ ext4 errors=remount-ro 0 1/ $kind defaults 0 0/" "$work/to/etc/fstab"
  umount "$work/to"
  umount "$work/from"
}

# put_tree MIB puts the file system on the disk, there.
put_tree() {
  dd if="$work/tree" of="$work/disk" bs=1M seek="$1" conv=notrunc,sparse status=none
}

finish_disk() {
  qemu-img convert -f raw -O qcow2 "$work/disk" "$1"
}

say() { printf 'bench: %s\n' "$*"; }

fail() {
  printf 'bench.sh: %s\n' "$*" >&2
  exit 1
}

main "$@"
