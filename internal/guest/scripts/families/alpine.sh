# shellcheck shell=sh
# Alpine Linux, whose programs are mostly busybox.

# alpine_recognise ID ID_LIKE
alpine_recognise() {
  [ "$1" = alpine ] || in_words alpine "$2"
}

# alpine_package NAME: growpart needs programs that busybox has not. A server
# without PAM refuses the key of an account whose password cloud-init locked.
alpine_package() {
  case $1 in
  growpart) echo cloud-utils-growpart sfdisk partx ;;
  ssh-server) echo openssh-server-pam ;;
  ext-tools) echo e2fsprogs-extra ;;
  xfs-tools) echo xfsprogs-extra ;;
  btrfs-tools) echo btrfs-progs ;;
  gpt-tools) echo sgdisk ;;
  dhcp-client) echo dhcpcd ;;
  datasources) alpine_datasources ;;
  *) echo "$1" ;;
  esac
}

# alpine_datasources: they are packages of their own since 3.23.
alpine_datasources() {
  case $OS_VERSION in
  3.[0-9] | 3.[0-9].* | 3.1[0-9]* | 3.2[0-2]*) ;;
  *) echo cloud-init-datasource-configdrive cloud-init-datasource-openstack ;;
  esac
}

alpine_installed_packages() {
  awk '
    /^P:/ { name = substr($0, 3) }
    /^V:/ { print name, substr($0, 3) }
  ' "$ROOT$(first_file /lib/apk/db/installed /usr/lib/apk/db/installed)"
}

# alpine_install PACKAGE...
alpine_install() {
  apk add --no-progress --wait 300 --update-cache "$@"
}

alpine_complaint() { echo '^(ERROR: |  [^ ].*(no such package|breaks: |masked in))'; }

# alpine_silence: says so where a repository did not answer.
alpine_silence() {
  grep -E '^WARNING: .*(APKINDEX|[Ff]etching|[Oo]pening|[Uu]pdating)' "$WORK/log" | tail -n 1
}

# alpine_absence: the form of the line that says that none has cloud-init.
alpine_absence() { echo '^  cloud-init \(no such package\)'; }

alpine_empty_package_cache() {
  for aepc_file in "$ROOT"/var/cache/apk/* "$ROOT"/etc/apk/cache/*; do
    if [ -f "$aepc_file" ]; then
      rm -f "$ROOT"/var/cache/apk/* "$ROOT"/etc/apk/cache/*
      change 'emptied the package cache'
      return 0
    fi
  done
}

alpine_ssh_services() {
  echo sshd
}
