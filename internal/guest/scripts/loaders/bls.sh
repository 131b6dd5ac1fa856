# shellcheck shell=sh
# GRUB 2 that reads its entries from files (Boot Loader Specification, type 1),
# as of Fedora 30 and EL 8. Nothing is generated: the entries are edited, and
# the files from which those of later kernels are made.

BLS_ENVIRONMENT=/boot/grub2/grubenv

bls_recognise() {
  [ -n "$(bls_menus)" ] && [ -n "$(bls_entry_files)" ]
}

# bls_menus: the menus that include the entries.
bls_menus() {
  for bm_file in $(grub_files); do
    if grep -Eqs '^[[:space:]]*blscfg([[:space:]]|$)' "$ROOT$bm_file"; then
      echo "$bm_file"
    fi
  done
}

bls_entry_files() {
  for bef_file in "$ROOT"/boot/loader/entries/*.conf; do
    case ${bef_file##*/} in
    *rescue*) continue ;;
    esac
    if [ -f "$bef_file" ]; then
      guest_path "$bef_file"
    fi
  done
}

# bls_entries: GRUB expands variables in an entry, such as $kernelopts of EL 8.
bls_entries() {
  bls_variables >"$WORK/variables"
  for be_file in $(bls_entry_files); do
    awk -v file="$be_file" -v OFS='\t' '
      function expand(text,   out, name) {
        while (match(text, /[$][{]?[a-z_]+[}]?/)) {
          name = substr(text, RSTART, RLENGTH)
          gsub(/[${}]/, "", name)
          out = out substr(text, 1, RSTART - 1) value[name]
          text = substr(text, RSTART + RLENGTH)
        }
        return out text
      }
      FILENAME == ARGV[1] { at = index($0, "="); value[substr($0, 1, at - 1)] = substr($0, at + 1); next }
      $1 == "linux" { kernel = $2 }
      $1 == "options" { sub(/^[ \t]*options[ \t]*/, ""); gsub(/\t/, " "); arguments = arguments $0 " " }
      END { if (kernel != "") print file, kernel, expand(arguments) }
    ' "$WORK/variables" "$ROOT$be_file"
  done
}

# bls_variables: a line "NAME=VALUE" each. Where the environment block has no
# kernelopts, the menu sets it.
bls_variables() {
  for bv_menu in $(bls_menus); do
    sed -n 's/^[[:space:]]*set kernelopts="\(.*\)"[[:space:]]*$/kernelopts=\1/p' "$ROOT$bv_menu"
  done
  if [ -f "$ROOT$BLS_ENVIRONMENT" ]; then
    grep '^[a-z_]*=' "$ROOT$BLS_ENVIRONMENT" || return 0
  fi
}

bls_argument_files() {
  bls_entry_files
  network_files "$KERNEL_CMDLINE"
}

bls_mend() {
  bm_consoles=$(wanted_arguments) || return 0
  for bm_file in $(bls_entry_files); do
    if names_kernelopts "$bm_file"; then
      edit_file "$bm_file" edit_arguments '/^options[[:space:]]/' 's/[[:space:]]+/ /g; s/.*/ & /' ''
      edit_kernelopts rewrite_cmdline
    else
      edit_file "$bm_file" rewrite_options
    fi
  done
  if [ -f "$ROOT$KERNEL_CMDLINE" ]; then
    edit_file "$KERNEL_CMDLINE" rewrite_cmdline
  fi
  if [ -f "$ROOT$GRUB_DEFAULTS" ]; then
    mend_grub_defaults "$bm_consoles"
  fi
}

bls_edit_variables() {
  for bev_file in $(bls_entry_files); do
    if names_kernelopts "$bev_file"; then
      edit_kernelopts "$@"
      return 0
    fi
  done
}

names_kernelopts() { grep -q '[$]{*kernelopts' "$ROOT$1"; }

# edit_kernelopts FILTER...
edit_kernelopts() {
  ek_value=$(bls_variables | sed -n 's/^kernelopts=//p' | tail -n 1)
  ek_wanted=$(printf '%s\n' "$ek_value" | "$@")
  if [ "$ek_value" != "$ek_wanted" ]; then
    grub2-editenv "$ROOT$BLS_ENVIRONMENT" set "kernelopts=$ek_wanted"
    change "set kernelopts in $BLS_ENVIRONMENT"
  fi
}

bls_rebuild() { :; }
