# shellcheck shell=sh
# Boot loaders: a guest can have several, and each of them reads the kernel's
# arguments from files of its own.

# find_loaders: sets BOOT_LOADERS to those whose configuration is there.
find_loaders() {
  BOOT_LOADERS=
  for fl_loader in $LOADERS; do
    if "${fl_loader}_recognise"; then
      BOOT_LOADERS="${BOOT_LOADERS:+$BOOT_LOADERS }$fl_loader"
    fi
  done
}

# boot_entries: a line "FILE<TAB>KERNEL<TAB>ARGUMENTS" for each entry of every
# loader that is not for recovery, as the loader will read it.
boot_entries() {
  for be_loader in $BOOT_LOADERS; do
    "${be_loader}_entries"
  done
}

# argument_files: those that people edit, and from which boot entries are made.
argument_files() {
  for af_loader in $LOADERS; do
    "${af_loader}_argument_files"
  done
}

# mend_arguments: gives every boot entry the wanted arguments.
mend_arguments() {
  for ma_loader in $BOOT_LOADERS; do
    "${ma_loader}_mend"
  done
}

rebuild_boot_menus() {
  for rbm_loader in $BOOT_LOADERS; do
    "${rbm_loader}_rebuild"
  done
}

# wanted_consoles: the words console=..., the one that Nova records last, as
# the system's own messages go to that; fails where it is not known.
wanted_consoles() {
  wc_serial=$(serial_console) || return 1
  echo "console=tty0 console=$wc_serial"
}

# serial_console: the kernel's name of the console that Nova records.
serial_console() {
  case $ARCH in
  x86_64 | i?86) echo ttyS0,115200n8 ;;
  aarch64 | arm*) echo ttyAMA0,115200n8 ;;
  ppc64*) echo hvc0 ;;
  *) return 1 ;;
  esac
}

# argument_filter: the arguments for sed that take out of one line of kernel
# arguments, which begins and ends with a space, what hides the kernel's log, switches
# cloud-init off, or names a network card of the build; and our own consoles,
# which are to be last.
argument_filter() {
  af_serial=$(serial_console)
  printf '%s\n' 's/ /  /g' \
    "s/ (quiet|splash|rhgb|console=tty0|console=${af_serial%%,*}(,[^ ]*)?) / /g" \
    's/ (cloud-init=disabled|BOOTIF=[^ ]*|ifname=[^ ]*) / /g' \
    's/  */ /g' 's/^ //' 's/ $//'
}

# wanted_arguments ARGUMENTS: how an entry with these should read.
wanted_arguments() {
  wa_kept=$(printf ' %s ' "$1" | sed -E "$(argument_filter)")
  echo "${wa_kept:+$wa_kept }$(wanted_consoles)"
}
