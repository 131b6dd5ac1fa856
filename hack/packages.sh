#!/bin/sh
# Installs the Debian packages of hack/packages/GROUP.txt that are missing.
# Usage: hack/packages.sh GROUP…
# Exit status: 0 all are installed, 2 wrong usage, 3 some are missing and
# cannot be installed here (they are named).
set -eu

here=$(dirname "$0")
lock_timeout=600
policy=/usr/sbin/policy-rc.d

main() {
  [ $# -gt 0 ] || fail 2 "usage: hack/packages.sh GROUP…, a group is a file of hack/packages"
  for group; do
    [ -r "$here/packages/$group.txt" ] || fail 2 "no package group \"$group\" in $here/packages"
  done
  wanted=$(listed "$@")
  missing=$(missing_of "$wanted")
  [ -n "$missing" ] || exit 0
  need_apt
  find_root
  printf 'Installing Debian packages: %s\n' "$missing"
  install_packages
  missing=$(missing_of "$wanted")
  [ -z "$missing" ] || fail 3 "these Debian packages were not installed: $missing"
}

# listed prints the packages of the groups, one a line.
listed() {
  for group; do
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/packages/$group.txt"
  done | sort -u
}

missing_of() {
  if ! command -v dpkg-query >/dev/null; then
    printf '%s' "$1" | tr '\n' ' '
    return
  fi
  for package in $1; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=unknown
    [ "$state" = installed ] || printf '%s ' "$package"
  done
}

need_apt() {
  command -v apt-get >/dev/null ||
    fail 3 "no apt-get on this machine; install the counterparts of these Debian packages: $missing"
}

# find_root sets root to the command prefix that runs as root.
find_root() {
  root=
  [ "$(id -u)" -ne 0 ] || return 0
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    root="sudo -n"
    return
  fi
  fail 3 "not root, and sudo asks for a password or is absent; run as root: apt-get install --no-install-recommends $missing"
}

# install_packages keeps the services of new packages from starting: the
# servers that the tests need are started by the tests, on the loopback.
install_packages() {
  made_policy=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
    made_policy=yes
  fi
  trap restore_policy EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  apt -q update
  # shellcheck disable=SC2086 # a list of package names
  apt -qq install -y --no-install-recommends $missing
}

restore_policy() {
  [ -z "$made_policy" ] || $root rm -f "$policy"
}

# apt runs apt-get quietly; what it said is shown when it fails. apt-get itself
# waits for dpkg's lock, but not for that of the package lists.
apt() {
  log=$(mktemp)
  give_up=$(($(date +%s) + lock_timeout))
  until apt_get "$@" >"$log" 2>&1; do
    if grep -q 'Could not get lock' "$log" && [ "$(date +%s)" -lt "$give_up" ]; then
      sleep 5
      continue
    fi
    tail -n 40 "$log" >&2
    rm -f "$log"
    fail 3 "apt-get $* did not succeed (its last lines are above); missing: $missing"
  done
  rm -f "$log"
}

apt_get() {
  $root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NEEDRESTART_MODE=l \
    apt-get -o DPkg::Lock::Timeout="$lock_timeout" -o Dpkg::Use-Pty=0 "$@" </dev/null
}

fail() {
  status=$1
  shift
  printf 'packages.sh: %s\n' "$*" >&2
  exit "$status"
}

main "$@"
