# shellcheck shell=sh
# Arch Linux and what is made of it.

# arch_recognise ID ID_LIKE
arch_recognise() {
  in_words "$1" 'arch archarm' || in_words arch "$2"
}

# arch_package NAME
arch_package() {
  case $1 in
  growpart) echo cloud-guest-utils ;;
  ssh-server) echo openssh ;;
  ext-tools) echo e2fsprogs ;;
  xfs-tools) echo xfsprogs ;;
  btrfs-tools) echo btrfs-progs ;;
  gpt-tools) echo gptfdisk ;;
  dhcp-client) echo dhcpcd ;;
  datasources) ;;
  *) echo "$1" ;;
  esac
}

# arch_installed_packages: by the names of pacman's folders,
# NAME-VERSION-RELEASE, which is quicker than to ask it.
arch_installed_packages() {
  for aip_file in "$ROOT"/var/lib/pacman/local/*/desc; do
    if [ -f "$aip_file" ]; then
      echo "${aip_file%/desc}"
    fi
  done | sed -E 's/.*\/(.*)-([^-]+-[^-]+)$/\1 \2/'
}

# arch_install PACKAGE...: the lists of packages are only fetched where there
# are none, as newer lists with an older system are a partial upgrade, which
# Arch does not support.
arch_install() {
  arch_wait_for_lock
  set -- -S --noconfirm --needed "$@"
  for ai_list in "$ROOT"/var/lib/pacman/sync/*.db; do
    if [ ! -e "$ai_list" ]; then
      set -- "$@" --refresh
    fi
  done
  pacman "$@"
}

# arch_wait_for_lock: pacman itself does not wait for another one.
arch_wait_for_lock() {
  awfl_left=300
  while [ -e "$ROOT/var/lib/pacman/db.lck" ] && [ "$awfl_left" -gt 0 ]; do
    awfl_left=$((awfl_left - 5))
    sleep 5
  done
}

arch_complaint() { echo '^error: '; }

# arch_silence: says so where a repository did not answer.
arch_silence() {
  grep -E '^(error: failed |warning: database file for .* does not exist)' "$WORK/log" | tail -n 1
}

# arch_absence: the form of the line that says that none has cloud-init.
arch_absence() { echo '^error: target not found: cloud-init$'; }

arch_empty_package_cache() {
  for aepc_file in "$ROOT"/var/cache/pacman/pkg/*; do
    if [ -f "$aepc_file" ]; then
      rm -f "$ROOT"/var/cache/pacman/pkg/*
      change 'emptied the package cache'
      return 0
    fi
  done
}

arch_ssh_services() {
  echo sshd sshd.socket
}
