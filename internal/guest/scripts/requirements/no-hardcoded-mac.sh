# shellcheck shell=sh
# no-hardcoded-mac: no network stack has recorded a MAC address.

PERSISTENT_NET=/etc/udev/rules.d/70-persistent-net.rules

ARGUMENT_MAC="(ifname|BOOTIF)=[^ ]*$MAC"

# list_macs: a line "KIND<TAB>FILE<TAB>LINE" for each recorded address, KIND
# being rule, arguments, entry or a network stack.
list_macs() {
  for lm_file in "$PERSISTENT_NET" /etc/udev/rules.d/85-persistent-net-cloud-init.rules; do
    if [ -f "$ROOT$lm_file" ]; then
      tell_macs rule "$lm_file" "$MAC"
    fi
  done
  network_macs
  argument_files | while read -r lm_file; do
    tell_macs arguments "$lm_file" "$ARGUMENT_MAC"
  done
  entry_macs
}

# entry_macs: those in entries as the boot loader reads them, which can come
# from GRUB's environment block or from inside a unified kernel image.
entry_macs() {
  boot_entries | grep -E "$ARGUMENT_MAC" | cut -f 1 | sort -u | while IFS= read -r em_file; do
    printf 'entry\t%s\t-\n' "$em_file"
  done
}

# tell_macs KIND FILE PATTERN
tell_macs() {
  code_lines "$2" "$3" | while IFS= read -r tm_line; do
    printf '%s\t%s\t%s\n' "$1" "$2" "$tm_line"
  done
}

look_no_hardcoded_mac() {
  if [ -h "$ROOT$PERSISTENT_NET" ] || [ -d "$ROOT$PERSISTENT_NET" ]; then
    unmet "$PERSISTENT_NET is no regular file, which breaks what writes or copies it"
  fi
  if generator_lives; then
    unmet "$GENERATOR records the MAC address of every card at boot"
  fi
  list_macs >"$WORK/macs"
  while IFS=$TAB read -r nhm_kind nhm_file nhm_line; do
    case $nhm_kind in
    entry) unmet "$nhm_file: a kernel command line has ifname= or BOOTIF= with a MAC address" ;;
    *) unmet "$nhm_file: line $nhm_line" ;;
    esac
  done <"$WORK/macs"
  look_for_build_macs
  otherwise_met "no MAC address in udev rules, boot loader or: $NETWORKS"
}

# generator_lives: udev before 220 has a rule that writes 70-persistent-net.rules.
generator_lives() {
  for GENERATOR in /usr/lib/udev/rules.d/75-persistent-net-generator.rules \
    /lib/udev/rules.d/75-persistent-net-generator.rules; do
    if [ -s "$ROOT$GENERATOR" ] && ! is_empty_file "/etc/udev/rules.d/${GENERATOR##*/}"; then
      return 0
    fi
  done
  return 1
}

# look_for_build_macs: the build VM's own addresses anywhere in the
# configuration, also written with dashes or without anything between.
look_for_build_macs() {
  build_macs | awk '{ print; d = $0; gsub(":", "-", d); print d; gsub("-", "", d); print d }' >"$WORK/build-macs"
  [ -s "$WORK/build-macs" ] || return 0
  cut -f 2 "$WORK/macs" | sort -u >"$WORK/known-files"
  set --
  for lfbm_dir in /etc /usr/lib/systemd/network /lib/netplan /usr/lib/netplan /boot/loader; do
    if [ -d "$ROOT$lfbm_dir" ]; then
      set -- "$@" "$ROOT$lfbm_dir"
    fi
  done
  grep -rIliF -f "$WORK/build-macs" "$@" >"$WORK/mac-files" || [ $? -eq 1 ] || unknown "not every file of $* could be read"
  while IFS= read -r lfbm_file; do
    lfbm_file=$(guest_path "$lfbm_file")
    if ! grep -qxF "$lfbm_file" "$WORK/known-files"; then
      unmet "$lfbm_file holds the build VM's MAC address" "take the MAC address out of $lfbm_file"
    fi
  done <"$WORK/mac-files"
}

mend_no_hardcoded_mac() {
  if [ -e "$ROOT$PERSISTENT_NET" ] || [ -h "$ROOT$PERSISTENT_NET" ]; then
    make_empty "$PERSISTENT_NET"
    mark_initramfs
  fi
  remove /etc/udev/rules.d/85-persistent-net-cloud-init.rules
  if generator_lives; then
    make_empty "/etc/udev/rules.d/${GENERATOR##*/}"
  fi
  list_macs | cut -f 1,2 | sort -u >"$WORK/mac-files"
  while IFS=$TAB read -r nhm_kind nhm_file; do
    case $nhm_kind in
    rule) ;;
    entry) mend_entry_macs ;;
    arguments)
      edit_file "$nhm_file" sed -E "s/ *(ifname|BOOTIF)=[^ \"']*//g"
      mark_boot_menu
      ;;
    *) "${nhm_kind}_forget_mac" "$nhm_file" ;;
    esac
  done <"$WORK/mac-files"
}

# mend_entry_macs: where no file of arguments has them, they are in what the
# loader's own mend rewrites.
mend_entry_macs() {
  if ! grep -q '^arguments' "$WORK/mac-files"; then
    mend_arguments
  fi
}
