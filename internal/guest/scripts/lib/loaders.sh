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

# wanted_arguments: what every boot entry is to end with; fails where the
# console is not known.
wanted_arguments() {
  wa_consoles=$(wanted_consoles) || return 1
  case $SET_NETWORK in
  eth0) echo "net.ifnames=0 biosdevname=0 $wa_consoles" ;;
  *) echo "$wa_consoles" ;;
  esac
}

# wanted_consoles: the words console=..., the one that Nova records last, as
# the system's own messages go to that; fails where it is not known.
wanted_consoles() {
  wc_words=
  for wc_console in ${SET_CONSOLES:-tty0 $(serial_console)}; do
    wc_words="$wc_words console=$wc_console"
  done
  [ -n "$SET_CONSOLES" ] || [ "$wc_words" != ' console=tty0' ] || return 1
  echo "${wc_words# }"
}

# serial_console: the kernel's name of the console that Nova records, or
# nothing.
serial_console() {
  case $ARCH in
  x86_64 | i?86) echo ttyS0,115200n8 ;;
  aarch64 | arm*) echo ttyAMA0,115200n8 ;;
  ppc64*) echo hvc0 ;;
  esac
}

# argument_filter: the commands for sed that take out of one line of kernel
# arguments, which begins and ends with a space, what hides the kernel's log,
# switches cloud-init off, or names a network card of the build; and what
# wanted_arguments adds at the end.
argument_filter() {
  af_devices=
  for af_word in $(wanted_consoles); do
    af_word=${af_word#console=}
    af_devices="$af_devices|${af_word%%,*}"
  done
  printf '%s\n' 's/ /  /g' \
    "s/ (quiet|splash(=[^ ]*)?|rhgb|console=(${af_devices#|})(,[^ ]*)?) / /g" \
    's/ (cloud-init=disabled|BOOTIF=[^ ]*|ifname=[^ ]*) / /g'
  if [ "$SET_NETWORK" = eth0 ]; then
    echo 's/ (net\.ifnames|biosdevname)=[^ ]* / /g'
  fi
  printf '%s\n' 's/  */ /g' 's/^ //' 's/ $//'
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

# filter_arguments: passes lines of nothing but arguments through, without what
# argument_filter takes out.
filter_arguments() {
  edit_arguments '/^[^#]/' 's/.*/ & /' ''
}

# rewrite_arguments KEYWORD: a filter that gives each line "KEYWORD ARGUMENTS"
# the wanted arguments. KEYWORD is a regular expression.
rewrite_arguments() {
  edit_arguments "/^[[:space:]]*$1([[:space:]]|\$)/" 's/[[:space:]]+/ /g; s/.*/ & /' "s/\$/ $(wanted_arguments)/"
}

# rewrite_assignment NAME DEFAULT: a filter that gives the shell variable NAME,
# whose value is DEFAULT where it is not set, the wanted arguments.
rewrite_assignment() {
  awk -v name="$1" -v otherwise="$2" '
    index($0, name "=") == 1 { found = 1 }
    { print }
    END { if (!found) print name "=\"" otherwise "\"" }
  ' | edit_arguments "/^$1=/" "s/^($1=)[\"']?([^\"']*).*/\\1\" \\2 \"/" \
    "s/^($1=\") */\\1/
s/ *\"\$/ $(wanted_arguments)\"/
s/=\" /=\"/"
}
