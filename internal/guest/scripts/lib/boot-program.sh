# shellcheck shell=sh
# Our own boot program (scripts/boot), which does cloud-init's work in guests
# without it, and grows LVM's volumes, which cloud-init leaves alone.

BOOT_PROGRAM=/usr/libexec/openstack-ready/boot
BOOT_SETTINGS=/etc/openstack-ready/boot.conf

# without_cloud_init: whether the boot program stands in for cloud-init. By
# itself it does where cloud-init cannot be had, as found now or by an earlier run.
without_cloud_init() {
  case $SET_INITIALISATION in
  scripts) return 0 ;;
  cloud-init) return 1 ;;
  esac
  ! has_usable_cloud_init && { [ -e "$WORK/no-cloud-init" ] || service_enabled openstack-ready-boot; }
}

# has_usable_cloud_init: whether there is one that knows OpenStack. Where its
# data sources are packages of their own, they can still be installed.
has_usable_cloud_init() {
  installed cloud-init || return 1
  [ -z "$(family package datasources)" ] || return 0
  for huci_dir in "$ROOT"/usr/lib/python*/site-packages/cloudinit/sources "$ROOT"/usr/lib/python*/dist-packages/cloudinit/sources; do
    if [ -f "$huci_dir/__init__.py" ] && ! [ -f "$huci_dir/DataSourceOpenStack.py" ]; then
      return 1
    fi
  done
}

# choose_initialisation: after all that could be installed is, the boot program
# takes over where there will be no cloud-init. What it needs itself was not
# asked for yet.
choose_initialisation() {
  if [ "$SET_INITIALISATION" != auto ] || without_cloud_init || has_usable_cloud_init ||
    ! why_no_cloud_init >"$WORK/reason"; then
    return 0
  fi
  mv "$WORK/reason" "$WORK/no-cloud-init"
  : >"$WORK/wanted"
  for ID in root-resize ssh-key datasource user-data; do
    if ! in_words "$ID" "$SKIP"; then
      ("look_$(in_function_name "$ID")") || echo "the look at $ID stopped" >&2
    fi
  done
  install_wanted
}

# why_no_cloud_init: why there can be none. It fails where that is not known:
# what a repository has that did not answer, nobody knows.
why_no_cloud_init() {
  if installed cloud-init; then
    echo "cloud-init $VERSION is too old to know OpenStack, so the boot program stands in"
  elif [ -n "$SET_OFFLINE" ]; then
    echo 'there is no cloud-init, and install = false, so the boot program stands in'
  elif [ -z "$(family silence)" ] && grep -Eq "$(family absence)" "$WORK/log"; then
    echo "the guest's package repositories have no cloud-init, so the boot program stands in"
  else
    return 1
  fi
}

# look_boot_program SERVICE...: evidence whether it is there as it ought to be,
# and will run at boot.
look_boot_program() {
  if ! [ -x "$ROOT$BOOT_PROGRAM" ] || ! boot_file boot.sh | holds "$BOOT_PROGRAM"; then
    unmet "$BOOT_PROGRAM is not there, or another version"
  fi
  for lbp_service in "$@"; do
    if ! boot_file "$(service_file "$lbp_service")" | holds "$(service_path "$lbp_service")" || ! service_enabled "$lbp_service"; then
      unmet "$lbp_service does not run $BOOT_PROGRAM at boot"
    fi
  done
}

# look_stand_in SERVICE: of the boot program in cloud-init's place.
look_stand_in() {
  look_boot_program "$1"
  if [ -s "$WORK/no-cloud-init" ]; then
    read -r lsi_reason <"$WORK/no-cloud-init"
    note "$lsi_reason"
  fi
  if ! boot_settings | holds "$BOOT_SETTINGS"; then
    unmet "$BOOT_SETTINGS is not as the template asks, with the account $(default_account)"
  fi
  if installed cloud-init && ! cloud_init_is_off; then
    unmet "cloud-init $VERSION would do the same work"
  fi
  if ! has_fetcher; then
    unmet 'there is no program that can ask the metadata service'
    need_package curl
  fi
}

# has_fetcher: Debian's busybox has wget, and not every other.
has_fetcher() {
  has_program curl || has_program wget || has_program python3 ||
    { has_program busybox && { [ -n "$ROOT" ] || busybox --list | grep -qx wget; }; }
}

# cloud_init_is_off: systemd's generator and ds-identify obey the file; other
# inits start what is enabled.
cloud_init_is_off() {
  if [ "$INIT" = systemd ]; then
    [ -e "$ROOT/etc/cloud/cloud-init.disabled" ]
    return
  fi
  for ciio_service in $(cloud_init_services); do
    if service_enabled "$ciio_service"; then
      return 1
    fi
  done
}

# default_account: the account that gets the instance's keys: the template's,
# else the one that the distribution's cloud-init has (cloud-init, cloud.cfg.tmpl).
default_account() {
  case $SET_DEFAULT_USER/$OS_ID in
  ?*/*) echo "$SET_DEFAULT_USER" ;;
  /centos | /rhel | /ol) echo cloud-user ;;
  /amzn) echo ec2-user ;;
  /opensuse* | /sle*) echo suse ;;
  *) echo "$OS_ID" ;;
  esac
}

boot_settings() {
  printf '%s\n' '# Written by packer-plugin-openstack-ready, for /usr/libexec/openstack-ready/boot.' \
    '# user gets the SSH keys; budget is how many seconds metadata are waited for.' \
    "user=$(default_account)" "user_data=$SET_SCRIPTS_USER_DATA" "budget=$SET_SCRIPTS_WAIT"
}

# mend_boot_program SERVICE...
mend_boot_program() {
  boot_file boot.sh | write_file "$BOOT_PROGRAM" 0755
  for mbp_service in "$@"; do
    install_boot_service "$mbp_service"
  done
}

# mend_stand_in SERVICE
mend_stand_in() {
  mend_boot_program "$1"
  boot_settings | write_file "$BOOT_SETTINGS"
  if [ "$INIT" = systemd ] && installed cloud-init; then
    : | write_file /etc/cloud/cloud-init.disabled
  fi
  if [ "$INIT" != systemd ]; then
    for msi_service in $(cloud_init_services); do
      if service_enabled "$msi_service"; then
        disable_service "$msi_service"
      fi
    done
  fi
}

# install_boot_service NAME
install_boot_service() {
  ibs_path=$(service_path "$1")
  case $ibs_path in
  /etc/init.d/*) ibs_mode=0755 ;;
  *) ibs_mode=0644 ;;
  esac
  boot_file "$(service_file "$1")" | write_file "$ibs_path" "$ibs_mode"
  enable_service "$1"
}

# service_file NAME: among the program's own files.
service_file() {
  case $INIT in
  systemd) echo "systemd/$1.service" ;;
  upstart) echo "upstart/$1.conf" ;;
  *) echo "$INIT/$1" ;;
  esac
}

# service_path NAME: in the guest.
service_path() {
  case $INIT in
  systemd) echo "/etc/systemd/system/$1.service" ;;
  upstart) echo "/etc/init/$1.conf" ;;
  *) echo "/etc/init.d/$1" ;;
  esac
}
