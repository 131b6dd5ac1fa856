# shellcheck shell=sh
# virtio: every kernel reaches its disk and network card in Nova.

# LVM_DEVICES: lvmdevices(8), of EL 9. Without it LVM looks at every disk.
LVM_DEVICES=/etc/lvm/devices/system.devices

look_virtio() {
  kernels >"$WORK/kernels"
  if [ ! -s "$WORK/kernels" ]; then
    unknown 'no kernel was found in /lib/modules and /boot'
    return 0
  fi
  while read -r v_version; do
    look_kernel_virtio "$v_version"
  done <"$WORK/kernels"
  if [ -s "$ROOT$LVM_DEVICES" ]; then
    unmet "$LVM_DEVICES lists the disks of the build VM: LVM takes no other"
  fi
  look_device_names
}

look_kernel_virtio() {
  v_dir=$ROOT/lib/modules/$1
  v_from=
  for v_module in virtio_pci virtio_blk virtio_scsi; do
    if built_in "$v_module"; then
      v_from="$v_from, $v_module built in"
    elif [ -z "$(initramfs_image "$1")" ]; then
      unmet "kernel $1 has no initramfs and $v_module is not built in"
    elif initramfs_has "$1" "$v_module"; then
      v_from="$v_from, $v_module in its initramfs"
    else
      unmet "the initramfs of kernel $1 lacks $v_module"
    fi
  done
  if [ -n "$SET_XEN" ]; then
    look_xen_drivers "$1"
  fi
  if built_in virtio_net || has_module virtio_net; then
    v_from="$v_from, virtio_net in the system"
  else
    unmet "kernel $1 has no virtio_net"
  fi
  otherwise_met "kernel $1: ${v_from#, }"
  look_config_drive_drivers "$1"
}

# look_xen_drivers KERNEL: a Xen guest's disk and network card.
look_xen_drivers() {
  for v_module in xen-blkfront xen-netfront; do
    if ! built_in "$v_module" && ! initramfs_has "$1" "$v_module"; then
      unmet "the initramfs of kernel $1 lacks $v_module, which xen = true asks for"
    fi
  done
}

built_in() { grep -qs "/$1\.ko" "$v_dir/modules.builtin"; }

has_module() { grep -qs "/$1\.ko" "$v_dir/modules.dep"; }

# look_config_drive_drivers: Nova attaches the config drive as a CD-ROM, by
# IDE on machine type pc and by SATA on q35 (nova, blockinfo.py).
look_config_drive_drivers() {
  v_lacks=
  for v_module in isofs sr_mod ata_piix ahci; do
    if ! built_in "$v_module" && ! has_module "$v_module"; then
      v_lacks="$v_lacks $v_module"
    fi
  done
  case $v_lacks in
  '') ;;
  ' ahci') note "kernel $1 lacks ahci: it does not see a config drive on machine type q35, and uses the metadata service there" ;;
  *) note "kernel $1 lacks$v_lacks: it may not see a config drive" ;;
  esac
}

mend_virtio() {
  remove "$LVM_DEVICES"
  mend_device_names
  if [ -z "$INITRAMFS" ]; then
    trouble "none of $INITRAMFS_MAKERS is installed to put drivers into the initramfs"
    return 0
  fi
  initramfs widen
  mark_initramfs
}
