# shellcheck shell=sh
# mkinitcpio, of Arch.

mkinitcpio_recognise() {
  has_program mkinitcpio
}

# mkinitcpio_list FILE: the names of the files in it.
mkinitcpio_list() {
  lsinitcpio "$1"
}

# mkinitcpio_widen: its hook autodetect leaves out the drivers of other machines
# (mkinitcpio(8)); a preset can switch it off by itself.
mkinitcpio_widen() {
  for mw_file in "$ROOT"/etc/mkinitcpio.conf "$ROOT"/etc/mkinitcpio.conf.d/*.conf; do
    if [ -f "$mw_file" ]; then
      edit_file "$(guest_path "$mw_file")" sed -E \
        '/^[[:space:]]*HOOKS\+?=/s/([ ("'\''])autodetect([ )"'\''])/\1\2/; /^[[:space:]]*HOOKS\+?=/s/  +/ /g'
    fi
  done
}

# mkinitcpio_rebuild: of every preset.
mkinitcpio_rebuild() {
  mkinitcpio -P
}
