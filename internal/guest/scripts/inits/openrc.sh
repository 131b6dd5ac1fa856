# shellcheck shell=sh
# OpenRC, of Alpine and Gentoo: a service starts where a runlevel links to it.

openrc_recognise() {
  [ -d "$ROOT/run/openrc" ]
}

# openrc_name NAME: sets SERVICE to the init script's name.
openrc_name() {
  SERVICE=${1%.service}
}

openrc_exists() {
  [ -f "$ROOT/etc/init.d/$SERVICE" ] || [ -h "$ROOT/etc/init.d/$SERVICE" ]
}

# OpenRC knows no masks.
openrc_masked() {
  return 1
}

openrc_started() {
  for os_level in "$ROOT"/etc/runlevels/*; do
    if [ -h "$os_level/$SERVICE" ] || [ -e "$os_level/$SERVICE" ]; then
      return 0
    fi
  done
  return 1
}

openrc_unmask() { :; }

openrc_enable() {
  oe_level=$(openrc_runlevel)
  if [ -z "$ROOT" ]; then
    rc-update add "$SERVICE" "$oe_level"
    return 0
  fi
  mkdir -p "$ROOT/etc/runlevels/$oe_level"
  ln -s "/etc/init.d/$SERVICE" "$ROOT/etc/runlevels/$oe_level/$SERVICE"
}

# openrc_runlevel: what makes ready what the others need is in boot
# (cloud-init, sysvinit/openrc; Alpine, setup-cloud-init).
openrc_runlevel() {
  case $SERVICE in
  cloud-init-local | openstack-ready-grow | networking | elogind) echo boot ;;
  *) echo default ;;
  esac
}

openrc_disable() {
  if [ -z "$ROOT" ]; then
    rc-update -a delete "$SERVICE"
    return 0
  fi
  for od_level in "$ROOT"/etc/runlevels/*; do
    rm -f "$od_level/$SERVICE"
  done
}

# Nothing starts a service again that no runlevel links to.
openrc_keep_off() { :; }

# openrc_booting: whether a runlevel's services are still on their way up.
openrc_booting() {
  process_runs '/sbin/openrc [a-z]+ *$'
}

# openrc_stop_identity_writers: a stopped service does not save the seed at
# shutdown. It was called urandom before OpenRC 0.45. Debian's script of that name
# is none of OpenRC's and saves it whatever was stopped, if its folder is there.
openrc_stop_identity_writers() {
  for osiw_service in seedrng urandom; do
    if ! grep -qs '^#!.*openrc-run' "$ROOT/etc/init.d/$osiw_service"; then
      continue
    fi
    if [ -e "$ROOT/run/openrc/started/$osiw_service" ]; then
      rc-service "$osiw_service" stop
      change "stopped $osiw_service, which saves the random seed at shutdown"
    fi
  done
  remove /var/lib/urandom
}
