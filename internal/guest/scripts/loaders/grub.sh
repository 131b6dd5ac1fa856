# shellcheck shell=sh
# GRUB 2 with a generated grub.cfg.

GRUB_DROPIN=/etc/default/grub.d/99-openstack-ready.cfg

grub_recognise() {
  [ -n "$(grub_menu)" ]
}

# grub_menu: the generated menu.
grub_menu() {
  first_file /boot/grub/grub.cfg /boot/grub2/grub.cfg
}

grub_entries() {
  ge_menu=$(grub_menu)
  awk -v file="$ge_menu" -v OFS='\t' '
    /^[ \t]*menuentry / { recovery = ($0 ~ /recovery mode/) }
    /^[ \t]*linux(16|efi)?[ \t]/ && !recovery {
      kernel = $2
      sub(/^[ \t]*[^ \t]+[ \t]+[^ \t]+[ \t]*/, "")
      gsub(/\t/, " ")
      print file, kernel, $0
    }
  ' "$ROOT$ge_menu"
}

grub_argument_files() {
  for gaf_file in "$ROOT"/etc/default/grub "$ROOT"/etc/default/grub.d/*.cfg; do
    if [ -f "$gaf_file" ] && [ "${gaf_file##*/}" != "${GRUB_DROPIN##*/}" ]; then
      guest_path "$gaf_file"
    fi
  done
}

# grub_mend: a shell file, as grub-mkconfig sources it. It sorts last, so that
# it has the last word over what other files set.
grub_mend() {
  gm_consoles=$(wanted_consoles) || return 0
  {
    echo '# Written by packer-plugin-openstack-ready.'
    echo 'openstack_ready_keep() {'
    echo "  printf ' %s ' \"\$1\" | sed -E \\"
    argument_filter | sed -e "s/.*/    -e '&' \\\\/" -e '$s/ \\$//'
    echo '}'
    echo "GRUB_CMDLINE_LINUX=\"\$(openstack_ready_keep \"\${GRUB_CMDLINE_LINUX-}\")\""
    echo "GRUB_CMDLINE_LINUX_DEFAULT=\"\$(openstack_ready_keep \"\${GRUB_CMDLINE_LINUX_DEFAULT-}\") $gm_consoles\""
  } | write_file "$GRUB_DROPIN"
  mark_boot_menu
}

grub_rebuild() {
  if has_program update-grub; then
    update-grub
  elif has_program grub2-mkconfig; then
    grub2-mkconfig -o "$(grub_menu)"
  else
    grub-mkconfig -o "$(grub_menu)"
  fi
}
