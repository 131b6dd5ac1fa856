# shellcheck shell=sh
# Debian, Ubuntu and what is made of them.

# debian_recognise ID ID_LIKE
debian_recognise() {
  in_words "$1" 'debian ubuntu' || in_words debian "$2" || in_words ubuntu "$2"
}

# debian_package NAME: the package that holds what the program calls NAME.
debian_package() {
  case $1 in
  growpart) echo cloud-guest-utils ;;
  growroot) echo cloud-initramfs-growroot ;;
  ssh-server) echo openssh-server ;;
  ext-tools) echo e2fsprogs ;;
  gpt-tools) echo gdisk ;;
  xfs-tools) echo xfsprogs ;;
  btrfs-tools) echo btrfs-progs ;;
  datasources) ;;
  dhcp-client) debian_dhcp_client ;;
  *) echo "$1" ;;
  esac
}

# debian_dhcp_client: Debian 13 and what came after moved to dhcpcd.
debian_dhcp_client() {
  case $OS_ID/$OS_VERSION in
  debian/? | debian/1[012] | ubuntu/1?.* | ubuntu/2[0-4].*) echo isc-dhcp-client ;;
  *) echo dhcpcd-base ;;
  esac
}

# debian_installed_packages: a line "PACKAGE VERSION" each.
debian_installed_packages() {
  dpkg-query ${ROOT:+"--admindir=$ROOT/var/lib/dpkg"} -W \
    -f '${db:Status-Status} ${Package} ${Version}\n' >"$WORK/dpkg"
  sed -n 's/^installed //p' "$WORK/dpkg"
}

# debian_install PACKAGE...
debian_install() {
  debian_update_lists
  if ! DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a NEEDRESTART_SUSPEND=1 \
    UCF_FORCE_CONFFOLD=1 APT_LISTCHANGES_FRONTEND=none \
    apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    --no-install-recommends install "$@"; then
    debian_blame_lists
    return 1
  fi
}

# debian_blame_lists: without its list apt only says that it knows no such package.
debian_blame_lists() {
  sed -n 's/^[WE]: Failed to fetch/E: there are package lists that could not be fetched:/p' "$WORK/update" | sed 1q
}

# debian_complaint: the form of the lines that say why an install failed.
debian_complaint() { echo '^(E|dpkg): '; }

# debian_silence: says so where a repository did not answer, or none is there.
debian_silence() {
  if grep -E '(Failed to fetch|Some index files failed|have a Release file|is not signed|Could not (resolve|get lock))' "$WORK/update"; then
    return 0
  fi
  for ds_list in "$ROOT"/var/lib/apt/lists/*_Packages*; do
    if [ -e "$ds_list" ]; then
      return 0
    fi
  done
  echo 'no repository gave a package list'
}

# debian_absence: the form of the line that says that none has cloud-init.
debian_absence() { echo "^E: (Unable to locate package cloud-init|Package '?cloud-init'? has no installation candidate)"; }

# debian_update_lists: once a run. The lists have a lock of their own, which
# apt-daily.service may hold and which DPkg::Lock::Timeout does not wait for.
debian_update_lists() {
  [ ! -e "$WORK/update" ] || return 0
  for dul_wait in 5 10 20 40 60 60; do
    apt-get -q -o Acquire::Retries=3 update >"$WORK/update" 2>&1 || echo 'the package lists are not new' >&2
    cat "$WORK/update"
    grep -q 'Could not get lock' "$WORK/update" || return 0
    sleep "$dul_wait"
  done
}

# debian_empty_package_cache
debian_empty_package_cache() {
  for depc_file in "$ROOT"/var/cache/apt/archives/*.deb; do
    if [ -f "$depc_file" ]; then
      apt-get clean
      change 'emptied the package cache'
      return 0
    fi
  done
}

# debian_ssh_services: what starts the SSH server, any of them.
debian_ssh_services() {
  echo ssh ssh.socket
}
