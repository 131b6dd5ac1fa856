# shellcheck shell=sh
# Our own boot program (scripts/boot), which does cloud-init's work in guests
# without it, and grows LVM's volumes, which cloud-init leaves alone.

BOOT_PROGRAM=/usr/libexec/openstack-ready/boot
BOOT_SETTINGS=/etc/openstack-ready/boot.conf

# without_cloud_init: whether the boot program stands in for cloud-init. By
# itself it does where cloud-init could not be had, now or in an earlier run.
without_cloud_init() {
  case $SET_INITIALISATION in
  scripts) return 0 ;;
  cloud-init) return 1 ;;
  esac
  ! installed cloud-init && { [ -e "$WORK/no-cloud-init" ] || service_enabled openstack-ready-boot; }
}

# choose_initialisation: after all that could be installed is.
choose_initialisation() {
  if [ "$SET_INITIALISATION" = auto ] && ! installed cloud-init; then
    : >"$WORK/no-cloud-init"
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
  if ! boot_settings | holds "$BOOT_SETTINGS"; then
    unmet "$BOOT_SETTINGS does not name the account $(default_account)"
  fi
  if installed cloud-init && ! cloud_init_is_off; then
    unmet "cloud-init $VERSION would do the same work"
  fi
  if ! has_fetcher; then
    unmet 'there is no program that can ask the metadata service'
    need_package curl
  fi
}

has_fetcher() {
  has_program curl || has_program wget || has_program busybox || has_program python3
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
    "user=$(default_account)" 'user_data=true' 'budget=120'
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
      disable_service "$msi_service"
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
