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

# edit_arguments ADDRESS BEFORE AFTER: standard input, of which each line that
# sed's ADDRESS means goes through argument_filter, between the commands BEFORE,
# which sets the arguments apart with spaces, and AFTER, which adds what is wanted.
edit_arguments() {
  {
    printf '%s {\n%s\n' "$1" "$2"
    argument_filter
    printf '%s\n}\n' "$3"
  } >"$WORK/arguments.sed"
  sed -E -f "$WORK/arguments.sed"
}

# filter_arguments: passes lines of arguments through, without what
# argument_filter takes out.
filter_arguments() {
  sed -E "s/^[^#].*/ & /
/^ /{
$(argument_filter)
}"
}

# rewrite_arguments KEYWORD: gives each line "KEYWORD ARGUMENTS", in capitals or
# not, the wanted arguments.
rewrite_arguments() {
  while IFS= read -r ra_line || [ -n "$ra_line" ]; do
    ra_keyword=$(printf '%s\n' "$ra_line" | sed -E 's/^([[:space:]]*[^[:space:]]+).*/\1/')
    if [ "$(printf '%s\n' "$ra_keyword" | tr -d ' \t' | tr '[:upper:]' '[:lower:]')" = "$1" ]; then
      ra_line="$ra_keyword $(wanted_arguments "${ra_line#"$ra_keyword"}")"
    fi
    printf '%s\n' "$ra_line"
  done
}

# rewrite_assignment NAME DEFAULT: gives the shell variable NAME, whose value is
# DEFAULT where it is not set, the wanted arguments.
rewrite_assignment() {
  ra_value=$2
  while IFS= read -r ra_line || [ -n "$ra_line" ]; do
    case $ra_line in
    "$1="*) ra_value=$(unquoted "${ra_line#*=}") ;;
    *) printf '%s\n' "$ra_line" ;;
    esac
  done
  printf '%s="%s"\n' "$1" "$(wanted_arguments "$ra_value")"
}

# unquoted VALUE: what is between the quotes of a shell's assignment.
unquoted() {
  case $1 in
  \"*) uq_value=${1#\"} && echo "${uq_value%%\"*}" ;;
  "'"*) uq_value=${1#\'} && echo "${uq_value%%\'*}" ;;
  *) echo "${1%%[[:space:]]*}" ;;
  esac
}
