# shellcheck shell=sh
# Services by the names that the guest's init knows. Only the next boot is
# changed: what runs keeps running, as the build's own connection may need it.

# init FUNCTION ARGUMENT...: calls the function of the guest's init.
init() {
  init_function=$1
  shift
  "${INIT}_$init_function" "$@"
}

find_init() {
  for INIT in $INITS; do
    if init recognise; then
      return 0
    fi
  done
  INIT=
}

# service_exists NAME: whether it is installed. Like each of the following, it
# sets SERVICE to the name for people, such as ssh.service.
service_exists() {
  init name "$1"
  init exists
}

# service_masked NAME: whether it is kept from ever starting.
service_masked() {
  init name "$1"
  init masked
}

# service_enabled NAME: whether it will be started at boot.
service_enabled() {
  init name "$1"
  if init masked; then
    return 1
  fi
  init started
}

# enable_service NAME
enable_service() {
  if service_masked "$1"; then
    init unmask
    change "unmasked $SERVICE"
  fi
  if ! service_enabled "$1"; then
    init enable
    change "enabled $SERVICE"
  fi
}

# disable_service NAME
disable_service() {
  init name "$1"
  init disable
  change "disabled $SERVICE for the next boot"
}

# keep_firewalls_off: also when an instance boots for the first time.
keep_firewalls_off() {
  if [ "$SET_FIREWALL" = keep ]; then
    init keep_off
    return 0
  fi
  # shellcheck disable=SC2086 # words
  init keep_off $FIREWALLS
}

# process_runs PATTERN: whether a process has a command line that fits.
process_runs() {
  for pr_file in /proc/[0-9]*/cmdline; do
    if tr '\000' ' ' <"$pr_file" 2>/dev/null | grep -Eq "$1"; then
      return 0
    fi
  done
  return 1
}
