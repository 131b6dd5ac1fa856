# shellcheck shell=sh
# Gentoo, with OpenRC or systemd.

# gentoo_recognise ID ID_LIKE
gentoo_recognise() {
  [ "$1" = gentoo ] || in_words gentoo "$2"
}

# gentoo_package NAME
gentoo_package() {
  case $1 in
  cloud-init) echo app-emulation/cloud-init ;;
  growpart) echo sys-fs/growpart ;;
  ssh-server) echo net-misc/openssh ;;
  ext-tools) echo sys-fs/e2fsprogs ;;
  xfs-tools) echo sys-fs/xfsprogs ;;
  btrfs-tools) echo sys-fs/btrfs-progs ;;
  gpt-tools) echo sys-apps/gptfdisk ;;
  dhcp-client) echo net-misc/dhcpcd ;;
  acpid) echo sys-power/acpid ;;
  qemu-guest-agent) echo app-emulation/qemu-guest-agent ;;
  datasources) ;;
  *) echo "$1" ;;
  esac
}

# gentoo_installed_packages: each with its category and, as other families
# name it, without.
gentoo_installed_packages() {
  for gip_dir in "$ROOT"/var/db/pkg/*/*/; do
    if [ -d "$gip_dir" ]; then
      echo "${gip_dir%/}"
    fi
  done | sed -E 's/.*\/([^/]+)\/([^/]+)-([0-9][^-]*(-r[0-9]+)?)$/\1\/\2 \3\n\2 \3/'
}

# gentoo_install PACKAGE...
gentoo_install() {
  emerge --ask=n --noreplace --quiet --quiet-build=y --color=n "$@"
}

gentoo_complaint() { echo '^(!!! |emerge: there are no | \* ERROR: )'; }

# gentoo_silence: says so where a repository did not answer.
gentoo_silence() {
  grep -E '^!!! ' "$WORK/log" | tail -n 1
}

# gentoo_absence: the form of the line that says that none has cloud-init.
gentoo_absence() { echo '^emerge: there are no .* "?app-emulation/cloud-init'; }

gentoo_empty_package_cache() {
  for gepc_file in "$ROOT"/var/cache/distfiles/* "$ROOT"/var/cache/binpkgs/*; do
    if [ -e "$gepc_file" ]; then
      rm -rf "$ROOT"/var/cache/distfiles/* "$ROOT"/var/cache/binpkgs/*
      change 'emptied the package cache'
      return 0
    fi
  done
}

gentoo_ssh_services() {
  echo sshd sshd.socket
}
