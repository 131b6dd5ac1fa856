# shellcheck shell=sh
# Boot loader, kernels and initramfs. What must be made anew is only marked by
# a mend, and made once after all of them.

GRUB_CONFIG=/boot/grub/grub.cfg
GRUB_DROPIN=/etc/default/grub.d/99-openstack-ready.cfg

# serial_console: the kernel's name of the console that Nova records.
serial_console() {
  case $ARCH in
  x86_64 | i?86) echo ttyS0,115200n8 ;;
  aarch64 | arm*) echo ttyAMA0,115200n8 ;;
  ppc64*) echo hvc0 ;;
  *) return 1 ;;
  esac
}

# write_grub_dropin: a shell file, as grub-mkconfig sources it. It takes away
# what would hide the kernel's log or switch cloud-init off, and sorts last, so
# that its console is the one the system's own messages go to.
write_grub_dropin() {
  wgd_serial=$(serial_console)
  {
    echo '# Written by packer-plugin-openstack-ready.'
    echo 'openstack_ready_keep() {'
    echo "  printf ' %s ' \"\$1\" | sed -E -e 's/ /  /g' \\"
    echo "    -e 's/ (quiet|splash|rhgb|console=tty0|console=${wgd_serial%%,*}(,[^ ]*)?) / /g' \\"
    echo "    -e 's/ (cloud-init=disabled|BOOTIF=[^ ]*|ifname=[^ ]*) / /g' \\"
    echo "    -e 's/  */ /g' -e 's/^ //' -e 's/ \$//'"
    echo '}'
    echo "GRUB_CMDLINE_LINUX=\"\$(openstack_ready_keep \"\${GRUB_CMDLINE_LINUX-}\")\""
    echo "GRUB_CMDLINE_LINUX_DEFAULT=\"\$(openstack_ready_keep \"\${GRUB_CMDLINE_LINUX_DEFAULT-}\") console=tty0 console=$wgd_serial\""
  } | write_file "$GRUB_DROPIN"
  mark_boot_menu
}

mark_boot_menu() { echo "$ID" >>"$WORK/boot-menu"; }

mark_initramfs() { echo "$ID" >>"$WORK/initramfs"; }

# rebuild_marked: the initramfs first, since the boot menu names it.
rebuild_marked() {
  rebuild initramfs rebuild_initramfs 'rebuilt the initramfs of every kernel'
  rebuild boot-menu rebuild_boot_menu 'regenerated the boot menu'
}

# rebuild MARK FUNCTION TEXT
rebuild() {
  if [ -n "$ROOT" ] || [ ! -s "$WORK/$1" ]; then
    return 0
  fi
  read -r ID <"$WORK/$1"
  say stage "rebuild $1"
  if family "$2" 3>&-; then
    change "$3"
    return 0
  fi
  r_reason="the $1 could not be rebuilt: $(tail -n 1 "$WORK/log")"
  while read -r ID; do
    trouble "$r_reason"
  done <"$WORK/$1"
}

# kernels: the versions that are installed with a kernel to boot.
kernels() {
  for k_dir in "$ROOT"/lib/modules/*; do
    if [ -e "$ROOT/boot/vmlinuz-${k_dir##*/}" ]; then
      echo "${k_dir##*/}"
    fi
  done
}

# initramfs_names KERNEL: the file that lists what is in its initramfs; made
# once as long as the initramfs stays the same. Unpacking it takes a while.
initramfs_names() {
  in_image=$ROOT$(family initramfs_file "$1")
  in_list=$WORK/initramfs-$1.names
  if [ ! -e "$in_list" ] || [ -n "$(find "$in_image" -newer "$in_list")" ]; then
    family list_initramfs "$in_image" >"$in_list"
  fi
  echo "$in_list"
}
