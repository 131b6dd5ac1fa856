# shellcheck shell=sh
# syslinux and its kin, which read extlinux.conf: Alpine makes it by
# update-extlinux, Debian for U-Boot by u-boot-update, others write it by hand.

UPDATE_EXTLINUX=/etc/update-extlinux.conf
U_BOOT_DEFAULTS=/etc/default/u-boot

extlinux_recognise() {
  [ -n "$(extlinux_menu)" ]
}

extlinux_menu() {
  first_file /boot/extlinux.conf /boot/extlinux/extlinux.conf /boot/syslinux/syslinux.cfg /boot/syslinux/extlinux.conf
}

# extlinux_entries: an APPEND before the first label is for those without one
# of their own.
extlinux_entries() {
  ee_menu=$(extlinux_menu)
  awk -v file="$ee_menu" -v OFS='\t' '
    function entry() {
      if (kernel != "" && !recovery) print file, kernel, (arguments == "" ? common : arguments)
      kernel = arguments = ""
      recovery = 0
    }
    { word = tolower($1); rest = $0; sub(/^[ \t]*[^ \t]+[ \t]*/, "", rest); gsub(/\t/, " ", rest) }
    word == "label" { entry(); labels = 1 }
    word == "linux" || word == "kernel" { kernel = (rest ~ /\.c32$/) ? "" : rest }
    word == "append" && labels { arguments = rest }
    word == "append" && !labels { common = rest }
    word == "menu" && tolower(rest) ~ /rescue|recovery/ { recovery = 1 }
    END { entry() }
  ' "$ROOT$ee_menu"
}

extlinux_argument_files() {
  for eaf_file in "$UPDATE_EXTLINUX" "$U_BOOT_DEFAULTS" "$(extlinux_menu)"; do
    if [ -n "$eaf_file" ] && [ -f "$ROOT$eaf_file" ]; then
      echo "$eaf_file"
    fi
  done
}

# extlinux_mend: the menu itself is mended too, for where nothing makes it anew.
extlinux_mend() {
  wanted_arguments >/dev/null || return 0
  if [ -f "$ROOT$UPDATE_EXTLINUX" ]; then
    edit_file "$UPDATE_EXTLINUX" rewrite_assignment default_kernel_opts ''
  fi
  if [ -f "$ROOT$U_BOOT_DEFAULTS" ]; then
    edit_file "$U_BOOT_DEFAULTS" rewrite_assignment U_BOOT_PARAMETERS ro
  fi
  edit_file "$(extlinux_menu)" rewrite_arguments '[Aa][Pp][Pp][Ee][Nn][Dd]'
  if has_program update-extlinux || has_program u-boot-update; then
    mark_boot_menu
  fi
}

extlinux_rebuild() {
  if has_program update-extlinux; then
    update-extlinux --warn-only
  elif has_program u-boot-update; then
    u-boot-update
  fi
}
