# shellcheck shell=sh
# sysvinit with the runlevel links of Debian (update-rc.d, insserv).

sysvinit_recognise() {
  [ -f "$ROOT/etc/inittab" ] && [ -d "$ROOT/etc/rc2.d" ] && [ ! -d "$ROOT/run/systemd/system" ] &&
    [ ! -d "$ROOT/run/openrc" ] && [ ! -e "$ROOT/sbin/initctl" ]
}

# sysvinit_name NAME: sets SERVICE to the init script's name.
sysvinit_name() {
  SERVICE=${1%.service}
}

sysvinit_exists() {
  [ -f "$ROOT/etc/init.d/$SERVICE" ]
}

# sysvinit knows no masks.
sysvinit_masked() {
  return 1
}

sysvinit_started() {
  for sst_link in "$ROOT"/etc/rc[2-5S].d/S??"$SERVICE"; do
    if [ -h "$sst_link" ] || [ -e "$sst_link" ]; then
      return 0
    fi
  done
  return 1
}

sysvinit_unmask() { :; }

# sysvinit_enable: update-rc.d makes the links of a script that has none by
# "defaults", and turns those of a disabled one by "enable".
sysvinit_enable() {
  if [ -z "$ROOT" ]; then
    update-rc.d "$SERVICE" defaults
    update-rc.d "$SERVICE" enable
    return 0
  fi
  for sen_level in 2 3 4 5; do
    rm -f "$ROOT/etc/rc$sen_level.d"/K??"$SERVICE"
    mkdir -p "$ROOT/etc/rc$sen_level.d"
    ln -s "../init.d/$SERVICE" "$ROOT/etc/rc$sen_level.d/S01$SERVICE"
  done
}

sysvinit_disable() {
  if [ -z "$ROOT" ]; then
    update-rc.d "$SERVICE" disable
    return 0
  fi
  for sdi_link in "$ROOT"/etc/rc[2-5S].d/S??"$SERVICE"; do
    if [ -h "$sdi_link" ]; then
      mv "$sdi_link" "${sdi_link%/*}/K01$SERVICE"
    fi
  done
}

# Nothing starts a service again that no runlevel links to.
sysvinit_keep_off() { :; }

# sysvinit_booting: whether the scripts of a runlevel are still being run.
sysvinit_booting() {
  process_runs '/etc/init.d/rc [S0-9] *$'
}

# sysvinit_stop_identity_writers: the script that saves the seed runs at shutdown
# whatever was stopped before, unless it has no link there. At boot it saves too,
# and update-rc.d makes the links again with the next package.
sysvinit_stop_identity_writers() {
  for ssiw_link in /etc/rc0.d/K??urandom /etc/rc6.d/K??urandom; do
    remove "$ssiw_link"
  done
}
