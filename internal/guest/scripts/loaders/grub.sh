# shellcheck shell=sh
# GRUB 2 with a generated grub.cfg.

GRUB_DEFAULTS=/etc/default/grub
GRUB_DROPIN=/etc/default/grub.d/99-openstack-ready.cfg

grub_recognise() {
  [ -n "$(grub_menus)" ]
}

# grub_menus: the generated menus with kernels of their own.
grub_menus() {
  for gm_file in $(grub_files); do
    if ! grep -Eqs '^[[:space:]]*blscfg([[:space:]]|$)' "$ROOT$gm_file"; then
      echo "$gm_file"
    fi
  done
}

# grub_files: what grub-mkconfig has made. In an EFI system partition that is
# the menu itself up to EL 8; elsewhere it is a stub that leads to the menu in
# /boot and must stay one.
grub_files() {
  for gf_file in "$ROOT"/boot/grub/grub.cfg "$ROOT"/boot/grub2/grub.cfg \
    "$ROOT"/boot/efi/EFI/*/grub.cfg; do
    if [ -f "$gf_file" ] && ! is_grub_stub "$gf_file"; then
      guest_path "$gf_file"
    fi
  done
}

is_grub_stub() {
  grep -Eqs '^[[:space:]]*configfile[[:space:]]' "$1" &&
    ! grep -Eqs '^[[:space:]]*(menuentry|blscfg)([[:space:]]|$)' "$1"
}

grub_entries() {
  grub_menus | while read -r ge_menu; do
    awk -v file="$ge_menu" -v OFS='\t' '
      /^[ \t]*menuentry / { recovery = ($0 ~ /recovery mode|rescue/) }
      /^[ \t]*linux(16|efi)?[ \t]/ && !recovery {
        kernel = $2
        sub(/^[ \t]*[^ \t]+[ \t]+[^ \t]+[ \t]*/, "")
        gsub(/\t/, " ")
        print file, kernel, $0
      }
    ' "$ROOT$ge_menu"
  done
}

grub_argument_files() {
  for gaf_file in "$ROOT$GRUB_DEFAULTS" "$ROOT"/etc/default/grub.d/*.cfg; do
    if [ -f "$gaf_file" ] && [ "${gaf_file##*/}" != "${GRUB_DROPIN##*/}" ]; then
      guest_path "$gaf_file"
    fi
  done
}

grub_mend() {
  gm_consoles=$(wanted_arguments) || return 0
  mend_grub_defaults "$gm_consoles"
  mark_boot_menu
}

# mend_grub_defaults CONSOLES: what grub-mkconfig and grubby start from.
mend_grub_defaults() {
  if grub_reads_dropins; then
    write_grub_dropin "$1"
  elif [ -f "$ROOT$GRUB_DEFAULTS" ]; then
    edit_file "$GRUB_DEFAULTS" edit_grub_defaults "$1"
    tell_odd_defaults
  else
    printf 'GRUB_CMDLINE_LINUX="%s"\n' "$1" | write_file "$GRUB_DEFAULTS"
  fi
}

# grub_reads_dropins: Debian's grub-mkconfig does, and not every other.
grub_reads_dropins() {
  gm_program=$(first_file /usr/sbin/grub2-mkconfig /usr/sbin/grub-mkconfig \
    /usr/bin/grub2-mkconfig /usr/bin/grub-mkconfig /sbin/grub2-mkconfig)
  [ -z "$gm_program" ] || grep -q 'default/grub\.d' "$ROOT$gm_program"
}

# write_grub_dropin CONSOLES: a shell file, as grub-mkconfig sources it. It
# sorts last, so that it has the last word over what other files set.
write_grub_dropin() {
  {
    echo '# Written by packer-plugin-openstack-ready.'
    echo 'openstack_ready_keep() {'
    echo "  printf ' %s ' \"\$1\" | sed -E \\"
    argument_filter | sed -e "s/.*/    -e '&' \\\\/" -e '$s/ \\$//'
    echo '}'
    echo "GRUB_CMDLINE_LINUX=\"\$(openstack_ready_keep \"\${GRUB_CMDLINE_LINUX-}\")\""
    echo "GRUB_CMDLINE_LINUX_DEFAULT=\"\$(openstack_ready_keep \"\${GRUB_CMDLINE_LINUX_DEFAULT-}\") $1\""
  } | write_file "$GRUB_DROPIN"
}

# edit_grub_defaults CONSOLES: a filter. The consoles go to the variable that
# grub-mkconfig puts last.
edit_grub_defaults() {
  cat >"$WORK/defaults"
  egd_last=GRUB_CMDLINE_LINUX
  if grep -q '^GRUB_CMDLINE_LINUX_DEFAULT=' "$WORK/defaults"; then
    egd_last=GRUB_CMDLINE_LINUX_DEFAULT
  fi
  sed -E 's/^(GRUB_CMDLINE_LINUX(_DEFAULT)?=)([^"'\''[:space:]]*)[[:space:]]*$/\1"\3"/' "$WORK/defaults" |
    edit_arguments "/^GRUB_CMDLINE_LINUX(_DEFAULT)?=([\"]([^\"]|\\\\\")*[\"]|'[^']*')[[:space:]]*\$/" \
      "s/^([A-Z_]+=.)(.*)([\"'])[[:space:]]*\$/\\1 \\2 \\3/" \
      "/^$egd_last=/s/(.)\$/$1\\1/
s/^([A-Z_]+=.) */\\1/
s/ ([\"'])\$/\\1/"
  if ! grep -q "^$egd_last=" "$WORK/defaults"; then
    printf '%s="%s"\n' "$egd_last" "$1"
  fi
}

# tell_odd_defaults: values that are not one quoted string were left alone.
tell_odd_defaults() {
  grep -E '^[[:space:]]*(export[[:space:]]+)?GRUB_CMDLINE_LINUX(_DEFAULT)?\+?=' "$ROOT$GRUB_DEFAULTS" |
    grep -Ev "^GRUB_CMDLINE_LINUX(_DEFAULT)?=(\"([^\"]|\\\\\")*\"|'[^']*')[[:space:]]*\$" >"$WORK/odd" || return 0
  while IFS= read -r tod_line; do
    trouble "$GRUB_DEFAULTS: write $tod_line as one quoted string"
  done <"$WORK/odd"
}

grub_rebuild() {
  if has_program update-grub; then
    update-grub
    return
  fi
  gr_program=grub-mkconfig
  if has_program grub2-mkconfig; then
    gr_program=grub2-mkconfig
  fi
  for gr_menu in $(grub_menus); do
    "$gr_program" -o "$gr_menu" || return 1
  done
}
