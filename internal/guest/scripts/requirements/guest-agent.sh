# shellcheck shell=sh
# guest-agent: the QEMU guest agent is installed and starts; Nova gives it its
# channel only to images with the property hw_qemu_guest_agent.

look_guest_agent() {
  need_package qemu-guest-agent
  installed "$(family package qemu-guest-agent)" || return 0
  if service_masked "$(agent_service)"; then
    unmet "$SERVICE is masked"
  elif service_enabled "$(agent_service)" || started_by_udev; then
    met "$SERVICE starts with its channel"
  else
    unmet "$SERVICE is not enabled and no udev rule starts it"
  fi
}

# agent_service: EL 6 calls it by the program's name.
agent_service() {
  if service_exists qemu-ga; then
    echo qemu-ga
  else
    echo qemu-guest-agent
  fi
}

started_by_udev() {
  grep -qs 'SYSTEMD_WANTS.*qemu-guest-agent' \
    "$ROOT"/usr/lib/udev/rules.d/*qemu-g* "$ROOT"/lib/udev/rules.d/*qemu-g*
}

mend_guest_agent() {
  installed "$(family package qemu-guest-agent)" || return 0
  if service_masked "$(agent_service)" || ! started_by_udev; then
    enable_service "$(agent_service)"
  fi
}
