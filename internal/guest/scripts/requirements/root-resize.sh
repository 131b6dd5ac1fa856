# shellcheck shell=sh
# root-resize: cloud-init grows the root partition and its file system, and the
# boot program LVM's volumes, or all where it stands in for cloud-init.

look_root_resize() {
  if without_cloud_init; then
    look_root_device
    look_boot_program openstack-ready-grow
    if ! has_partition_tool; then
      need_package growpart
    fi
    otherwise_met "$BOOT_PROGRAM grows it at boot"
    return 0
  fi
  need_package growpart
  look_root_device
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  rr_modules=" $CC_init_modules "
  case ${rr_modules%% resizefs *} in
  "$rr_modules") unmet 'cloud_init_modules does not run resizefs' \
    'list growpart and then resizefs in cloud_init_modules of /etc/cloud/cloud.cfg' ;;
  *' growpart'*) met 'cloud_init_modules runs growpart, then resizefs' ;;
  *) unmet 'cloud_init_modules does not run growpart before resizefs' \
    'list growpart and then resizefs in cloud_init_modules of /etc/cloud/cloud.cfg' ;;
  esac
  case $CC_growpart_mode in
  - | auto | growpart) ;;
  *) unmet "growpart has mode $CC_growpart_mode in cloud-init's configuration" ;;
  esac
  case " $CC_growpart_devices " in
  ' - ' | *' / '*) ;;
  *) unmet "growpart's devices are $CC_growpart_devices, without /" ;;
  esac
  case $CC_resize_rootfs in
  false | off) unmet "resize_rootfs is off in cloud-init's configuration" ;;
  esac
  if [ -e "$ROOT/etc/growroot-disabled" ] && [ "$CC_growroot_file_ignored" != true ]; then
    unmet '/etc/growroot-disabled switches growpart off'
  fi
}

# look_root_device: cloud-init grows a root file system on a partition; it
# skips volumes of LVM and LUKS (cloud-init, cc_growpart).
look_root_device() {
  find_root
  case $ROOT_KIND in
  partition) met "the root file system is $ROOT_FS on the partition $ROOT_NAME" ;;
  disk) met "the root file system is $ROOT_FS on the whole disk $ROOT_NAME" ;;
  lvm)
    note "the root file system is on the LVM volume $ROOT_NAME, which cloud-init does not grow"
    look_boot_program openstack-ready-grow
    otherwise_met "$BOOT_PROGRAM grows the root file system's volume"
    ;;
  luks) unmet "the root file system is on the encrypted volume $ROOT_NAME, which cloud-init does not grow without a key" \
    'build with the root file system on a plain partition' ;;
  *) unknown "the root file system's device could not be found: $ROOT_REASON" \
    'build with the root file system on a plain partition' ;;
  esac
  case $ROOT_FS in
  ext2 | ext3 | ext4) need_package ext-tools ;;
  xfs) need_package xfs-tools ;;
  btrfs) need_package btrfs-tools ;;
  esac
  if [ "$ROOT_KIND" = partition ]; then
    look_old_kernels
    if needs_sgdisk; then
      need_package gpt-tools
    fi
  fi
}

# look_old_kernels: before 3.8 a kernel takes no new size for a partition in use,
# which therefore has to grow in the initramfs (cloud-utils, growpart).
look_old_kernels() {
  kernels | grep -E '^([012]\.|3\.[0-7]([.-]|$))' >"$WORK/kernels" || return 0
  need_package growroot
  while read -r lok_version; do
    if ! initramfs_grows_root "$lok_version"; then
      unmet "the initramfs of kernel $lok_version does not grow the root partition, and a kernel below 3.8 cannot later"
    fi
  done <"$WORK/kernels"
}

initramfs_grows_root() {
  [ -n "$(initramfs_image "$1")" ] && grep -q '/[0-9]*growroot' "$(initramfs_names "$1")"
}

# needs_sgdisk: growpart cannot use sfdisk on GPT before util-linux 2.26
# (cloud-utils, growpart, get_resizer).
needs_sgdisk() {
  installed util-linux || return 1
  case $VERSION in
  2.1?* | 2.2[0-5]*) return 0 ;;
  esac
  return 1
}

has_partition_tool() {
  has_program growpart || has_program sfdisk || has_program sgdisk || has_program parted
}

mend_root_resize() {
  find_root
  if without_cloud_init || [ "$ROOT_KIND" = lvm ]; then
    mend_boot_program openstack-ready-grow
  fi
  if ! without_cloud_init; then
    mend_cloud_init
  fi
  remove /etc/growroot-disabled
  if installed "$(family package growroot)"; then
    mark_initramfs
  fi
}
