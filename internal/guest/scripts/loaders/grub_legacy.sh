# shellcheck shell=sh
# GRUB before version 2, of EL 6. grubby takes the arguments of the default
# entry over to those of later kernels.

grub_legacy_recognise() {
  [ -n "$(grub_legacy_menu)" ] && [ -z "$(grub_files)" ]
}

# grub_legacy_menu: the menu that people edit; menu.lst is a link to it.
grub_legacy_menu() {
  first_file /boot/efi/EFI/redhat/grub.conf /boot/grub/grub.conf /boot/grub/menu.lst
}

grub_legacy_entries() {
  gle_menu=$(grub_legacy_menu)
  awk -v file="$gle_menu" -v OFS='\t' '
    tolower($1) == "title" { recovery = (tolower($0) ~ /recovery|rescue|single-user/) }
    tolower($1) == "kernel" && !recovery {
      kernel = $2
      sub(/^[ \t]*[^ \t]+[ \t]+[^ \t]+[ \t]*/, "")
      gsub(/\t/, " ")
      print file, kernel, $0
    }
  ' "$ROOT$gle_menu"
}

grub_legacy_argument_files() {
  if grub_legacy_recognise; then
    grub_legacy_menu
  fi
}

# grub_legacy_mend: a picture behind the menu, or no menu, is of no use on a
# serial console.
grub_legacy_mend() {
  wanted_arguments >/dev/null || return 0
  edit_file "$(grub_legacy_menu)" edit_grub_legacy
}

edit_grub_legacy() {
  grep -Ev '^[[:space:]]*(splashimage|hiddenmenu)' | rewrite_arguments kernel
}

grub_legacy_rebuild() { :; }
