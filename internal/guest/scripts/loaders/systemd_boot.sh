# shellcheck shell=sh
# systemd-boot: entries that are files (Boot Loader Specification, type 1), and
# unified kernel images with the arguments inside (type 2).

KERNEL_CMDLINE=/etc/kernel/cmdline

systemd_boot_recognise() {
  [ -n "$(systemd_boot_folders)" ]
}

# systemd_boot_folders: the partitions that it reads. GRUB reads such entries
# too, but has no loader.conf.
systemd_boot_folders() {
  for sbf_dir in /boot /efi /boot/efi; do
    if [ -f "$ROOT$sbf_dir/loader/loader.conf" ] || [ -d "$ROOT$sbf_dir/EFI/systemd" ]; then
      echo "$sbf_dir"
    fi
  done
}

systemd_boot_entries() {
  for sbe_file in $(systemd_boot_entry_files); do
    awk -v file="$sbe_file" -v OFS='\t' '
      $1 == "linux" { kernel = $2 }
      $1 == "options" { sub(/^[ \t]*options[ \t]*/, ""); gsub(/\t/, " "); arguments = arguments (arguments == "" ? "" : " ") $0 }
      END { if (kernel != "") print file, kernel, arguments }
    ' "$ROOT$sbe_file"
  done
  for sbe_file in $(unified_images); do
    printf '%s\t%s\t%s\n' "$sbe_file" "${sbe_file##*/}" "$(unified_arguments "$ROOT$sbe_file")"
  done
}

systemd_boot_entry_files() {
  for sbef_dir in $(systemd_boot_folders); do
    for sbef_file in "$ROOT$sbef_dir"/loader/entries/*.conf; do
      case $sbef_file in
      *[Rr]escue* | *[Rr]ecovery*) continue ;;
      esac
      if [ -f "$sbef_file" ]; then
        guest_path "$sbef_file"
      fi
    done
  done
}

unified_images() {
  for ui_dir in $(systemd_boot_folders); do
    for ui_file in "$ROOT$ui_dir"/EFI/Linux/*.efi; do
      if [ -f "$ui_file" ]; then
        guest_path "$ui_file"
      fi
    done
  done
}

# unified_arguments FILE: what is in its section .cmdline (systemd-stub(7),
# Microsoft PE format). There are at most 96 sections.
unified_arguments() {
  ua_header=$(file_number "$1" 60 4)
  ua_count=$(file_number "$1" $((ua_header + 6)) 2)
  ua_at=$((ua_header + 24 + $(file_number "$1" $((ua_header + 20)) 2)))
  [ "$ua_count" -le 96 ] || return 0
  while [ "$ua_count" -gt 0 ]; do
    if [ "$(file_part "$1" "$ua_at" 8 | tr -d '\000')" = .cmdline ]; then
      ua_size=$(file_number "$1" $((ua_at + 8)) 4)
      [ "$ua_size" -le 65536 ] || return 0
      file_part "$1" "$(file_number "$1" $((ua_at + 20)) 4)" "$ua_size" | tr '\n\t' '  ' | tr -d '\000' | sed 's/ *$//'
      return 0
    fi
    ua_at=$((ua_at + 40))
    ua_count=$((ua_count - 1))
  done
}

# file_number FILE OFFSET SIZE: the little-endian number there, 0 if there is none.
file_number() {
  file_part "$1" "$2" "$3" | od -A n -t u1 | awk '{ for (i = 1; i <= NF; i++) { sum += $i * 256 ^ n; n++ } } END { printf "%d\n", sum }'
}

file_part() {
  tail -c "+$(($2 + 1))" "$1" | head -c "$3"
}

systemd_boot_argument_files() {
  network_files "$KERNEL_CMDLINE" /etc/cmdline.d/
  systemd_boot_entry_files
}

systemd_boot_mend() {
  sbm_consoles=$(wanted_arguments) || return 0
  for sbm_file in $(systemd_boot_entry_files); do
    edit_file "$sbm_file" rewrite_options
  done
  for sbm_file in $(network_files /etc/cmdline.d/); do
    edit_file "$sbm_file" filter_arguments
  done
  if [ -f "$ROOT$KERNEL_CMDLINE" ]; then
    edit_file "$KERNEL_CMDLINE" rewrite_cmdline
  elif [ -n "$(network_files /etc/cmdline.d/)" ]; then
    echo "$sbm_consoles" | write_file /etc/cmdline.d/zz-openstack-ready.conf
  else
    keep_unified_arguments
  fi
  if [ -n "$(unified_images)" ]; then
    mark_boot_menu
  fi
}

# rewrite_options: the lines of options of an entry are one, and become so.
rewrite_options() {
  awk '
    $1 == "options" && first { sub(/^[ \t]*options/, ""); line[first] = line[first] $0; next }
    $1 == "options" { first = NR }
    { line[NR] = $0 }
    END { for (i = 1; i <= NR; i++) if (i in line) print line[i] }
  ' | rewrite_arguments options
}

# rewrite_cmdline: lines of arguments become one.
rewrite_cmdline() {
  awk '!/^[ \t]*#/ { text = text (text == "" ? "" : " ") $0 } END { print text }' |
    edit_arguments '/^/' 's/.*/ & /' "s/\$/ $(wanted_arguments)/
s/^ //"
}

# keep_unified_arguments: without a file that says otherwise, the arguments of
# the running kernel would get into an image that is made anew.
keep_unified_arguments() {
  for kua_file in $(unified_images); do
    unified_arguments "$ROOT$kua_file" | rewrite_cmdline | write_file "$KERNEL_CMDLINE"
    return 0
  done
}

# systemd_boot_rebuild: only what is inside a unified image needs it.
systemd_boot_rebuild() {
  if [ -z "$(unified_images)" ]; then
    return 0
  elif has_program mkinitcpio; then
    mkinitcpio -P
  elif has_program kernel-install; then
    for sbr_version in $(kernels); do
      kernel-install add "$sbr_version" "$ROOT$(kernel_image "$sbr_version")" || return 1
    done
  else
    echo "neither mkinitcpio nor kernel-install is there to make the unified kernel images anew" >&2
    return 1
  fi
}
