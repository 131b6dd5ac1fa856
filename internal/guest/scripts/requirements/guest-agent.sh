# shellcheck shell=sh
# guest-agent: the QEMU guest agent is installed and starts; Nova gives it its
# channel only to images with the property hw_qemu_guest_agent.

look_guest_agent() {
  need_package qemu-guest-agent
  installed qemu-guest-agent || return 0
  if service_masked qemu-guest-agent; then
    unmet 'qemu-guest-agent.service is masked'
  elif service_enabled qemu-guest-agent || started_by_udev; then
    met 'qemu-guest-agent.service starts with its channel'
  else
    unmet 'qemu-guest-agent.service is not enabled and no udev rule starts it'
  fi
}

started_by_udev() {
  grep -qs 'SYSTEMD_WANTS.*qemu-guest-agent' \
    "$ROOT"/usr/lib/udev/rules.d/*qemu-guest-agent* "$ROOT"/lib/udev/rules.d/*qemu-guest-agent*
}

mend_guest_agent() {
  installed qemu-guest-agent || return 0
  if service_masked qemu-guest-agent || ! started_by_udev; then
    enable_service qemu-guest-agent
  fi
}
