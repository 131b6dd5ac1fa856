#!/bin/sh
# Gives libguestfs a kernel where this machine has none that can be read, as in
# a container: Debian's package is unpacked into DIR, not installed.
# Usage: hack/guestfs-kernel.sh DIR (an absolute path)
# Prints the shell's assignments that name it, nothing where none is needed. Exit
# status: 0 done, 3 it cannot be got here.
set -eu

main() {
  [ $# -eq 1 ] || fail 2 "usage: hack/guestfs-kernel.sh DIR"
  dir=$1
  for kernel in /boot/vmlinuz-*; do
    [ ! -r "$kernel" ] || return 0
  done
  # supermin copies the owner of this folder in any case.
  [ -d /lib/modules ] || mkdir /lib/modules ||
    fail 3 "libguestfs needs a folder /lib/modules on this machine, even an empty one"
  [ -d "$dir" ] || unpack || fail 3 "Debian's kernel could not be got for libguestfs"
  printf "export SUPERMIN_KERNEL='%s' SUPERMIN_MODULES='%s'\n" "$(echo "$dir"/boot/vmlinuz-*)" "$(echo "$dir"/lib/modules/*)"
}

# unpack makes dir, whole or not at all. The package's own script would list
# what its modules need.
unpack() (
  mkdir -p "$(dirname "$dir")"
  work=$(mktemp -d "$dir.XXXXXX") || exit 1
  trap 'rm -rf "$work"' EXIT
  newest=linux-image-cloud-$(dpkg --print-architecture)
  package=$(apt-cache depends "$newest" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
  [ -n "$package" ] || exit 1
  cd "$work" &&
    apt-get -qq -o APT::Sandbox::User=root download "$package" >&2 &&
    dpkg -x ./*.deb tree &&
    PATH=$PATH:/usr/sbin depmod -b tree "$(ls tree/lib/modules)" &&
    mv tree "$dir"
)

fail() {
  status=$1
  shift
  printf 'guestfs-kernel.sh: %s\n' "$*" >&2
  exit "$status"
}

main "$@"
