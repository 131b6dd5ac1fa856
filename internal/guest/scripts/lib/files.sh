# shellcheck shell=sh
# Files of the guest. Every path is relative to ROOT, which is empty in a
# guest and a fixture tree in tests. Each function leaves a file alone that is
# already as wanted, and reports a change only when there was one.

# write_file PATH [MODE]: makes PATH hold standard input, with mode 0644 if none is given.
write_file() {
  cat >"$WORK/new"
  if holds "$1" <"$WORK/new"; then
    return 0
  fi
  mkdir -p "$ROOT${1%/*}"
  cp "$WORK/new" "$ROOT$1.openstack-ready"
  chmod "${2:-0644}" "$ROOT$1.openstack-ready"
  mv -f "$ROOT$1.openstack-ready" "$ROOT$1"
  label "$1"
  change "wrote $1"
}

# label PATH: gives it the SELinux label that the guest's policy has for it.
label() {
  if [ -z "$ROOT" ] && has_program restorecon; then
    restorecon "$1" || echo "$1 kept the SELinux label of its folder" >&2
  fi
}

# holds PATH: whether PATH is a regular file that holds standard input.
holds() {
  [ ! -h "$ROOT$1" ] && cmp -s - "$ROOT$1"
}

# edit_file PATH COMMAND...: passes PATH through COMMAND, keeping its owner and mode.
edit_file() {
  ef_path=$1
  shift
  "$@" <"$ROOT$ef_path" >"$WORK/new"
  if cmp -s "$WORK/new" "$ROOT$ef_path"; then
    return 0
  fi
  if cat "$WORK/new" >"$ROOT$ef_path"; then
    change "edited $ef_path"
  else
    trouble "$ef_path could not be edited: $(tail -n 1 "$WORK/log")"
  fi
}

# append_line LINE: passes standard input through, and adds a line.
append_line() {
  cat
  printf '%s\n' "$1"
}

# remove PATH...: removes each that exists. One that cannot be removed, such as
# an immutable file (chattr(1)), does not keep the others.
remove() {
  for r_path in "$@"; do
    if [ ! -e "$ROOT$r_path" ] && [ ! -h "$ROOT$r_path" ]; then
      continue
    fi
    if rm -rf "$ROOT$r_path"; then
      change "removed $r_path"
    else
      trouble "$r_path could not be removed: $(tail -n 1 "$WORK/log")"
    fi
  done
}

# make_empty PATH: makes PATH an empty regular file, whatever it is now.
make_empty() {
  if is_empty_file "$1"; then
    return 0
  fi
  if [ -h "$ROOT$1" ] || [ -d "$ROOT$1" ]; then
    rm -rf "$ROOT$1"
  fi
  mkdir -p "$ROOT${1%/*}"
  : >"$ROOT$1"
  label "$1"
  change "emptied $1"
}

is_empty_file() {
  [ -f "$ROOT$1" ] && [ ! -h "$ROOT$1" ] && [ ! -s "$ROOT$1" ]
}

# guest_path FILE: FILE as the guest names it, without ROOT.
guest_path() {
  printf '%s\n' "${1#"$ROOT"}"
}

# in_words WORD LIST: whether WORD is one of the words of LIST.
in_words() {
  case " $2 " in
  *" $1 "*) return 0 ;;
  esac
  return 1
}

# has_program NAME: whether the guest has it.
has_program() {
  for hp_dir in /usr/sbin /sbin /usr/bin /bin; do
    if [ -x "$ROOT$hp_dir/$1" ]; then
      return 0
    fi
  done
  return 1
}
