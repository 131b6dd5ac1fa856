# shellcheck shell=sh
# Upstart, of EL 6 and Ubuntu 14.04: jobs of its own, and init scripts with the
# runlevel links that chkconfig or update-rc.d make.

upstart_recognise() {
  [ -e "$ROOT/sbin/initctl" ] && [ -d "$ROOT/etc/init" ] && [ ! -d "$ROOT/run/systemd/system" ] &&
    [ ! -d "$ROOT/run/openrc" ]
}

# upstart_name NAME: sets SERVICE to the name of the job or init script.
upstart_name() {
  SERVICE=${1%.service}
}

upstart_exists() {
  is_job || [ -f "$ROOT/etc/init.d/$SERVICE" ]
}

is_job() {
  [ -f "$ROOT/etc/init/$SERVICE.conf" ]
}

# Upstart knows no masks: a job that waits for a hand is one that is not enabled.
upstart_masked() {
  return 1
}

# upstart_started: Upstart leaves an init script alone that has a job beside it
# (the script is then a link to upstart-job).
upstart_started() {
  if is_job; then
    grep -Eqs '^[[:space:]]*start[[:space:]]+on[[:space:]]' "$ROOT/etc/init/$SERVICE.conf" && ! waits_for_hand
    return
  fi
  for us_link in "$ROOT"/etc/rc[2-5].d/S??"$SERVICE"; do
    if [ -h "$us_link" ] || [ -e "$us_link" ]; then
      return 0
    fi
  done
  return 1
}

# waits_for_hand: the stanza "manual" (init(5)), here or in the override.
waits_for_hand() {
  cat "$ROOT/etc/init/$SERVICE.conf" "$ROOT/etc/init/$SERVICE.override" 2>/dev/null |
    grep -Eq '^[[:space:]]*manual[[:space:]]*$'
}

upstart_unmask() { :; }

upstart_enable() {
  if is_job; then
    sed -i '/^[[:space:]]*manual[[:space:]]*$/d' "$ROOT/etc/init/$SERVICE.override"
  elif has_program chkconfig; then
    chkconfig "$SERVICE" on
  else
    sysvinit_enable
  fi
}

# upstart_disable: EL 6 has Upstart 0.6.5, which knows no overrides; there the
# job loses its stanza "start on".
upstart_disable() {
  if ! is_job; then
    upstart_disable_script
  elif has_program chkconfig; then
    cp -p "$ROOT/etc/init/$SERVICE.conf" "$WORK/job"
    comment_start_on <"$WORK/job" >"$ROOT/etc/init/$SERVICE.conf"
  else
    echo manual >>"$ROOT/etc/init/$SERVICE.override"
  fi
}

upstart_disable_script() {
  if has_program chkconfig; then
    chkconfig "$SERVICE" off
  else
    sysvinit_disable
  fi
}

# comment_start_on: the stanza goes on over lines while a bracket is open.
comment_start_on() {
  awk '
    /^[ \t]*start[ \t]+on[ \t]/ { inside = 1; open = 0 }
    inside {
      open += gsub(/\(/, "(") - gsub(/\)/, ")")
      print "#" $0
      inside = (open > 0)
      next
    }
    { print }
  '
}

# upstart_booting: whether the scripts of a runlevel are still being run.
upstart_booting() {
  initctl status rc | grep -q 'start/'
}

# What saves the seed at shutdown, no service holds: EL 6's halt does it by itself.
upstart_stop_identity_writers() { :; }

# upstart_keep_off NAME...: nothing enables a service again by itself.
upstart_keep_off() { :; }
