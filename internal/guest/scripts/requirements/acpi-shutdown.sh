# shellcheck shell=sh
# acpi-shutdown: the instance obeys its power button, by logind or acpid.

look_acpi_shutdown() {
  if service_enabled acpid || service_enabled acpid.socket; then
    met 'acpid is enabled'
    return 0
  fi
  if service_enabled elogind; then
    met 'elogind obeys the power button'
    return 0
  fi
  if [ "$INIT" != systemd ]; then
    unmet 'neither acpid nor elogind starts at boot'
  elif service_masked systemd-logind; then
    unmet 'systemd-logind.service is masked'
  elif ! service_exists systemd-logind; then
    unmet 'there is no systemd-logind.service'
  elif ! service_exists dbus && ! service_exists dbus-broker; then
    unmet 'systemd-logind cannot run without D-Bus'
  elif grep -Eqs '^[[:space:]]*HandlePowerKey=ignore' "$ROOT/etc/systemd/logind.conf" "$ROOT"/etc/systemd/logind.conf.d/*.conf; then
    unmet 'HandlePowerKey=ignore makes systemd-logind ignore the power button'
  else
    met 'systemd-logind obeys the power button'
    return 0
  fi
  if ! service_exists acpid; then
    need_package acpid
  fi
}

mend_acpi_shutdown() {
  if service_exists acpid; then
    enable_service acpid
  fi
}
