# shellcheck shell=sh
# ssh-server: an SSH server is installed and starts at boot.

look_ssh_server() {
  need_package ssh-server
  if [ -e "$ROOT/etc/ssh/sshd_not_to_be_run" ]; then
    unmet '/etc/ssh/sshd_not_to_be_run keeps the SSH server from starting'
  fi
  if grep -Eqs '^[[:space:]]*(ALL|sshd)[[:space:]]*:' "$ROOT/etc/hosts.deny"; then
    note '/etc/hosts.deny refuses connections, which an SSH server with TCP wrappers obeys'
  fi
  ss_masked=
  for ss_service in $(family ssh_services); do
    if service_enabled "$ss_service"; then
      met "$SERVICE is enabled"
      return 0
    fi
    if service_masked "$ss_service"; then
      ss_masked="$ss_masked $SERVICE"
    fi
  done
  if installed "$(family package ssh-server)"; then
    unmet "none of $(family ssh_services) is enabled${ss_masked:+, masked:$ss_masked}"
  fi
}

mend_ssh_server() {
  installed "$(family package ssh-server)" || return 0
  remove /etc/ssh/sshd_not_to_be_run
  for ss_service in $(family ssh_services); do
    if service_enabled "$ss_service"; then
      return 0
    fi
  done
  for ss_service in $(family ssh_services); do
    if service_exists "$ss_service"; then
      enable_service "$ss_service"
      return 0
    fi
  done
}
