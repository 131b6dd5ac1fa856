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

look_old_kernel() {
  lok_config=$ROOT/boot/config-$1
  if [ ! -f "$lok_config" ]; then
    unknown "kernel $1 has no configuration file in /boot"
    return 0
  fi
  for lok_option in CONFIG_PARAVIRT CONFIG_XEN CONFIG_XEN_BLKDEV_FRONTEND CONFIG_XEN_NETDEV_FRONTEND; do
    if ! grep -Eq "^$lok_option=[ym]" "$lok_config"; then
      unmet "kernel $1 is built without $lok_option"
    fi
  done
  otherwise_met "kernel $1 is built with Xen PV support"
}

# A kernel is the builder's choice.
mend_xen_pv_kernel() {
  :
}
