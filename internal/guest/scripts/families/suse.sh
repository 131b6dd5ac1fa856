# shellcheck shell=sh
# openSUSE (Leap, Tumbleweed) and SUSE Linux Enterprise.

# suse_recognise ID ID_LIKE
suse_recognise() {
  case $1 in
  opensuse* | sles* | sled* | suse*) return 0 ;;
  esac
  in_words suse "$2" || in_words opensuse "$2"
}

# suse_package NAME
suse_package() {
  case $1 in
  ssh-server) suse_ssh_package ;;
  ext-tools) echo e2fsprogs ;;
  xfs-tools) echo xfsprogs ;;
  btrfs-tools) echo btrfsprogs ;;
  gpt-tools) echo gptfdisk ;;
  datasources) ;;
  *) echo "$1" ;;
  esac
}

# suse_ssh_package: openssh is the server, and since Leap 15.4 what brings it.
suse_ssh_package() {
  if installed openssh-server; then
    echo openssh-server
  else
    echo openssh
  fi
}

suse_installed_packages() {
  rpm ${ROOT:+"--root=$ROOT"} -qa --queryformat '%{NAME} %{VERSION}-%{RELEASE}\n'
}

# suse_install PACKAGE...: above 100 zypper tells of what does not keep it from
# installing, but for 104, a package that no repository has (zypper(8)).
suse_install() {
  si_status=0
  ZYPP_LOCK_TIMEOUT=300 zypper --non-interactive --gpg-auto-import-keys install \
    --no-recommends --auto-agree-with-licenses "$@" || si_status=$?
  case $si_status in
  0 | 102 | 103 | 106 | 107) return 0 ;;
  esac
  return "$si_status"
}

suse_complaint() {
  echo "^(No provider of|Package '.*' not found|Problem|System management is locked|Repository '.*' is invalid|Warning: No repositories|There are no enabled repos|Installation of .* failed)"
}

# suse_silence: says so where a repository did not answer.
suse_silence() {
  grep -E "(Repository '.*' is invalid|No repositories|no enabled repos|Skipping repository|Problem retrieving|curl\) error|Valid metadata not found|System management is locked)" "$WORK/log" | tail -n 1
}

# suse_absence: the form of the line that says that none has cloud-init.
suse_absence() { echo "^(No provider of 'cloud-init'|Package 'cloud-init' not found)"; }

suse_empty_package_cache() {
  for sepc_file in "$ROOT"/var/cache/zypp/packages/*; do
    if [ -e "$sepc_file" ]; then
      zypper --non-interactive clean
      change 'emptied the package cache'
      return 0
    fi
  done
}

suse_ssh_services() {
  echo sshd
}
