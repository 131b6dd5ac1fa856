# shellcheck shell=sh
# Fedora, CentOS, RHEL and what is made of them, Oracle and Amazon Linux too.

# redhat_recognise ID ID_LIKE
redhat_recognise() {
  in_words "$1" 'fedora rhel centos' || in_words fedora "$2" || in_words rhel "$2"
}

# redhat_package NAME: the package that holds what the program calls NAME.
redhat_package() {
  case $1 in
  growpart) echo cloud-utils-growpart ;;
  growroot) echo dracut-modules-growroot ;;
  ssh-server) echo openssh-server ;;
  ext-tools) echo e2fsprogs ;;
  xfs-tools) echo xfsprogs ;;
  btrfs-tools) echo btrfs-progs ;;
  gpt-tools) echo gdisk ;;
  dhcp-client) redhat_dhcp_client ;;
  datasources) ;;
  *) echo "$1" ;;
  esac
}

# redhat_dhcp_client: for the service network; NetworkManager has its own.
redhat_dhcp_client() {
  case $OS_ID/$OS_VERSION in
  */6 | */6.* | */7 | */7.* | amzn/2 | amzn/201?.*) echo dhclient ;;
  *) echo dhcp-client ;;
  esac
}

# redhat_installed_packages: a line "PACKAGE VERSION" each.
redhat_installed_packages() {
  rpm ${ROOT:+--dbpath "$ROOT/var/lib/rpm"} -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\n'
}

# redhat_install PACKAGE...: yum before EL 8 says that all is well when one of
# several packages is in no repository.
redhat_install() {
  if has_program dnf; then
    dnf -y --setopt=install_weak_deps=False install "$@" || return 1
  else
    yum -y install "$@" || return 1
  fi
  for ri_package in "$@"; do
    if ! rpm -q "$ri_package"; then
      echo "Error: no repository of the guest has $ri_package; for EL 6 and 7 it may be in Extras or EPEL"
      return 1
    fi
  done
}

# redhat_complaint: the form of the lines that say why an install failed.
redhat_complaint() { echo '^(Error|No match|No package|Failed|Cannot|Could not)'; }

# redhat_silence: says so where a repository did not answer.
redhat_silence() {
  grep -E '(Failed to (download|synchronize)|Cannot (download|prepare|retrieve|find a valid baseurl)|Could not (resolve|retrieve)|Curl error|repomd\.xml|no enabled repos)' "$WORK/log" | tail -n 1
}

# redhat_absence: the form of the line that says that none has cloud-init.
redhat_absence() { echo '^(Error: (Unable to find a match:|no repository of the guest has) cloud-init|No match for argument: cloud-init|No package cloud-init available)'; }

# redhat_empty_package_cache: by hand, as "clean all" leaves the caches of
# repositories that are switched off, and files of its own.
redhat_empty_package_cache() {
  repc_found=
  for repc_file in "$ROOT"/var/cache/dnf/* "$ROOT"/var/cache/yum/* "$ROOT"/var/cache/libdnf5/* \
    "$ROOT"/var/lib/rpm/__db.*; do
    if [ -e "$repc_file" ]; then
      rm -rf "$repc_file"
      repc_found=yes
    fi
  done
  if [ -n "$repc_found" ]; then
    change 'emptied the package cache'
  fi
}

# redhat_ssh_services: what starts the SSH server, any of them.
redhat_ssh_services() {
  echo sshd sshd.socket
}
