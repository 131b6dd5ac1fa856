# shellcheck shell=sh
# systemd, read from its files so that it works in any tree and costs no
# process; only changes go through systemctl, and never with --now.

systemd_recognise() {
  [ -d "$ROOT/run/systemd/system" ]
}

# systemd_name NAME: sets SERVICE to the unit's full name.
systemd_name() {
  case $1 in
  *.service | *.socket | *.timer) SERVICE=$1 ;;
  *) SERVICE=$1.service ;;
  esac
}

systemd_exists() {
  has_unit || [ -f "$ROOT/etc/init.d/${SERVICE%.service}" ]
}

has_unit() {
  for se_dir in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    if [ -f "$ROOT$se_dir/$SERVICE" ]; then
      return 0
    fi
  done
  return 1
}

systemd_masked() {
  [ -h "$ROOT/etc/systemd/system/$SERVICE" ] &&
    [ "$(readlink "$ROOT/etc/systemd/system/$SERVICE")" = /dev/null ]
}

# systemd_started: whether a unit pulls it in; for a service with an init
# script only, whether a runlevel does (systemd-sysv-generator(8)).
systemd_started() {
  for ss_dir in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    for ss_pull in "$ROOT$ss_dir"/*.wants "$ROOT$ss_dir"/*.requires; do
      if [ -h "$ss_pull/$SERVICE" ] || [ -e "$ss_pull/$SERVICE" ]; then
        return 0
      fi
    done
  done
  if has_unit; then
    return 1
  fi
  for ss_link in "$ROOT"/etc/rc[2-5S].d/S??"${SERVICE%.service}"; do
    if [ -h "$ss_link" ] || [ -e "$ss_link" ]; then
      return 0
    fi
  done
  return 1
}

systemd_unmask() {
  systemctl --no-reload ${ROOT:+"--root=$ROOT"} unmask "$SERVICE"
}

systemd_enable() {
  systemctl --no-reload ${ROOT:+"--root=$ROOT"} enable "$SERVICE"
}

# systemd_disable: what /usr/lib itself pulls in can only be masked.
systemd_disable() {
  systemctl --no-reload ${ROOT:+"--root=$ROOT"} disable "$SERVICE"
  if systemd_started; then
    systemctl --no-reload ${ROOT:+"--root=$ROOT"} mask "$SERVICE"
  fi
}

# systemd_booting: whether cloud-init's services are still to come.
systemd_booting() {
  systemctl list-jobs --no-legend --plain | grep -q ' cloud-'
}

# systemd_stop_identity_writers: systemd-random-seed saves when it stops;
# journald goes on in /run.
systemd_stop_identity_writers() {
  if systemctl --quiet is-active systemd-random-seed.service; then
    systemctl stop systemd-random-seed.service
    change 'stopped systemd-random-seed.service, which saves the seed at shutdown'
  fi
  for ssiw_dir in /var/log/journal/*; do
    if [ -e "$ssiw_dir" ]; then
      journalctl --relinquish-var || echo 'before version 243 journald keeps on writing to its removed files' >&2
      return 0
    fi
  done
}

# systemd_keep_off NAME...: keeps "systemctl preset-all", which systemd runs at
# a first boot, from enabling one of them again (systemd.preset(5)).
systemd_keep_off() {
  {
    echo '# Written by packer-plugin-openstack-ready.'
    echo 'enable openstack-ready-*.service'
    for sko_name in "$@"; do
      echo "disable $sko_name.service"
    done
  } | write_file /etc/systemd/system-preset/00-openstack-ready.preset
}
