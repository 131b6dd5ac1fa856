# shellcheck shell=sh
# xen-pv-kernel: a kernel below 3.0 has Xen PV support.

look_xen_pv_kernel() {
  kernels >"$WORK/kernels"
  if [ ! -s "$WORK/kernels" ]; then
    unknown 'no kernel was found in /lib/modules and /boot'
    return 0
  fi
  while read -r xpk_version; do
    case $xpk_version in
    [012].*) look_old_kernel "$xpk_version" ;;
    *) inapplicable "kernel $xpk_version is not below 3.0" ;;
    esac
  done <"$WORK/kernels"
}

# look_old_kernel VERSION: XenLinux, with the suffix xen, is what came before
# Xen was in Linux.
look_old_kernel() {
  lok_config=$ROOT/boot/config-$1
  case $1 in
  *xen*)
    met "kernel $1 is XenLinux"
    return 0
    ;;
  esac
  if [ ! -f "$lok_config" ]; then
    unknown "kernel $1 has no configuration file in /boot"
    return 0
  fi
  if grep -Eq '^CONFIG_X86(_64)?_XEN=y' "$lok_config"; then
    met "kernel $1 is XenLinux"
    return 0
  fi
  for lok_option in CONFIG_PARAVIRT_GUEST CONFIG_PARAVIRT CONFIG_XEN CONFIG_XEN_NETDEV_FRONTEND; do
    if ! grep -Eq "^$lok_option=[ym]" "$lok_config"; then
      unmet "kernel $1 is built without $lok_option"
    fi
  done
  look_xen_disk "$1"
  if ! grep -q '^CONFIG_HVC_XEN=y' "$lok_config"; then
    note "kernel $1 is built without CONFIG_HVC_XEN: it has no console under Xen PV"
  fi
  otherwise_met "kernel $1 is built with Xen PV support"
}

# look_xen_disk VERSION: the root file system is behind this driver.
look_xen_disk() {
  if grep -q '^CONFIG_XEN_BLKDEV_FRONTEND=y' "$lok_config"; then
    return 0
  elif ! grep -q '^CONFIG_XEN_BLKDEV_FRONTEND=m' "$lok_config"; then
    unmet "kernel $1 is built without CONFIG_XEN_BLKDEV_FRONTEND"
  elif ! initramfs_has "$1" 'xen-blkfront'; then
    unmet "the initramfs of kernel $1 lacks xen-blkfront"
  fi
}

# A kernel is the builder's choice; only its initramfs is ours.
mend_xen_pv_kernel() {
  if [ -n "$INITRAMFS" ]; then
    initramfs widen
    mark_initramfs
  fi
}
