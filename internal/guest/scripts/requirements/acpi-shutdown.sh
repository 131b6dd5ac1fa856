# shellcheck shell=sh
# acpi-shutdown: the instance obeys its power button, by logind or acpid.

look_acpi_shutdown() {
  if service_enabled acpid || service_enabled acpid.socket; then
    if acpid_acts; then
      met 'acpid is enabled, and acts at the power button'
      return 0
    fi
    note 'acpid is enabled, and no file of /etc/acpi is about the power button'
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

# acpid_acts: whether acpid does something at the button of Nova's machines: the
# usual one reads events, busybox's runs a script of the event's name (busybox,
# util-linux/acpid.c).
acpid_acts() {
  if [ -e "$ROOT/etc/acpi/PWRF" ]; then
    return 0
  fi
  sed -n 's/^[[:space:]]*event=//p' "$ROOT"/etc/acpi/events/* >"$WORK/events" 2>/dev/null || return 1
  while IFS= read -r aa_event; do
    if echo 'button/power PBTN 00000080 00000000' | grep -Eq -e "$aa_event"; then
      return 0
    fi
  done <"$WORK/events"
  return 1
}

mend_acpi_shutdown() {
  service_exists acpid || return 0
  enable_service acpid
  if ! acpid_acts; then
    write_power_button
  fi
}

write_power_button() {
  if [ "$(readlink "$ROOT/sbin/acpid")" = /bin/busybox ]; then
    printf '%s\n' '#!/bin/sh' '# Written by packer-plugin-openstack-ready.' poweroff | write_file /etc/acpi/PWRF/00000080 0755
  else
    printf '%s\n' '# Written by packer-plugin-openstack-ready.' 'event=button/power.*' 'action=/sbin/poweroff' |
      write_file /etc/acpi/events/openstack-ready
  fi
}
