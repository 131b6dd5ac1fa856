# shellcheck shell=sh
# identity-reset: nothing that makes this one machine is left in the image, and
# the host keys come back. Done late, as kernels and boot entries use the machine ID.

# HOSTKEYS: Debian and Ubuntu make host keys only when the package is configured,
# later ones also at a first boot, which an empty machine ID is not.
HOSTKEYS=openstack-ready-hostkeys

look_identity_reset() {
  if has_machine_id && ! is_empty_file /etc/machine-id; then
    unmet '/etc/machine-id is not an empty file'
  fi
  if [ -f "$ROOT/var/lib/dbus/machine-id" ] && [ ! -h "$ROOT/var/lib/dbus/machine-id" ] &&
    [ -s "$ROOT/var/lib/dbus/machine-id" ]; then
    unmet '/var/lib/dbus/machine-id holds a machine ID of its own'
  fi
  list_identity >"$WORK/identity"
  while IFS=$TAB read -r ir_kind ir_path; do
    unmet "$ir_kind: $ir_path"
  done <"$WORK/identity"
  if cloud_init_has_run; then
    unmet "cloud-init's state of this build is in /var/lib/cloud"
  fi
  if [ -d "$ROOT/etc/ssh" ] && ! host_keys_come_back; then
    unmet "nothing makes SSH host keys at boot: neither the SSH server itself nor $HOSTKEYS nor cloud-init"
  fi
  otherwise_met 'machine ID empty, no host keys, leases, random seed, journal or cloud-init state; host keys come back at boot'
}

# has_machine_id: without systemd a missing file is no sign of a first boot, and
# an empty one is in the way of dbus-uuidgen, which makes a new one.
has_machine_id() {
  [ "$INIT" = systemd ] || [ -e "$ROOT/etc/machine-id" ] || [ -h "$ROOT/etc/machine-id" ]
}

# list_identity: a line "KIND<TAB>PATH" for each file to remove.
list_identity() {
  list_files 'SSH host key' '/etc/ssh/ssh_host_*'
  list_files 'DHCP lease' '/var/lib/dhcp/*.lease*' '/var/lib/dhcp3/*' '/var/lib/dhclient/*' \
    '/var/lib/dhcpcd/*.lease*' '/var/lib/NetworkManager/*.lease' '/var/lib/wicked/*.xml'
  list_files 'DHCP identity' '/etc/dhcpcd.duid' '/var/lib/dhcpcd/duid' '/var/lib/dhcpcd/secret' \
    '/var/lib/dhcpcd5/duid' '/var/lib/NetworkManager/secret_key' '/var/lib/NetworkManager/*.state' \
    '/var/lib/NetworkManager/timestamps' '/var/lib/NetworkManager/seen-bssids' '/var/lib/systemd/network/*'
  list_files 'random seed' '/var/lib/systemd/random-seed' '/var/lib/urandom/random-seed' \
    '/var/lib/misc/random-seed' '/var/lib/seedrng/*' '/boot/loader/random-seed' \
    '/efi/loader/random-seed' '/boot/efi/loader/random-seed'
  list_files 'identity of the package manager' '/var/lib/yum/uuid' '/var/lib/zypp/AnonymousUniqueId'
  list_files 'credential key' '/var/lib/systemd/credential.secret'
  list_files 'state of the boot program' '/var/lib/openstack-ready/*'
  list_files 'persistent journal' '/var/log/journal/*'
  list_files 'mark of an earlier growth' '/etc/growroot-grown' '/var/lib/cloud/instance/root-grown'
  list_files 'data source of the installer' '/var/lib/cloud/seed/*'
}

# list_files KIND PATTERN...: the patterns are expanded here, under ROOT.
list_files() {
  lf_kind=$1
  shift
  for lf_pattern in "$@"; do
    for lf_file in "$ROOT"$lf_pattern; do
      if [ -e "$lf_file" ] || [ -h "$lf_file" ]; then
        printf '%s\t%s\n' "$lf_kind" "$(guest_path "$lf_file")"
      fi
    done
  done
}

cloud_init_has_run() {
  for cihr_path in "$ROOT"/var/lib/cloud/instance "$ROOT"/var/lib/cloud/instances/* \
    "$ROOT"/var/lib/cloud/data/* "$ROOT"/var/lib/cloud/sem/*; do
    if [ -e "$cihr_path" ] || [ -h "$cihr_path" ]; then
      return 0
    fi
  done
  return 1
}

host_keys_come_back() {
  ssh_server_makes_keys || service_enabled "$HOSTKEYS" || cloud_init_makes_keys
}

# cloud_init_makes_keys: of no type where the configuration says so, as that of
# Red Hat does (cloud-init, cc_ssh).
cloud_init_makes_keys() {
  service_enabled cloud-init-local && [ ! -e "$ROOT/etc/cloud/cloud-init.disabled" ] || return 1
  load_cloud_config
  [ -z "$CC_error" ] && [ "$CC_ssh_genkeytypes" != null ] && in_words ssh "$CC_init_modules"
}

# ssh_server_makes_keys: whether the server's own unit or init script makes
# missing host keys at every boot. Debian's, called ssh, does not: its
# sshd-keygen.service runs at a first boot only, which an empty machine ID is not.
ssh_server_makes_keys() {
  if [ "$INIT" != systemd ]; then
    grep -Eqs '^[^#]*ssh-?keygen' "$ROOT/etc/init.d/sshd"
  else
    grep -Eqs '^(Wants|Requires)=.*(sshd-keygen|sshdgenkeys)|^ExecStartPre=.*(sshd-gen-keys|ssh-keygen)' \
      "$ROOT/usr/lib/systemd/system/sshd.service" "$ROOT/lib/systemd/system/sshd.service"
  fi
}

# mend_identity_reset: cloud-init cleans first, as it skips the hooks in
# /etc/cloud/clean.d once its state is gone (cloud-init, cmd/clean.py). Before
# 17.2 it has no such command.
mend_identity_reset() {
  if [ -z "$ROOT" ] && cloud_init_has_run && cloud-init clean --help; then
    cloud-init clean --logs --seed
    change "ran cloud-init clean"
  fi
  for ir_path in instance instances data sem handlers; do
    remove "/var/lib/cloud/$ir_path"
  done
  keep_firewalls_off
  if [ -d "$ROOT/etc/ssh" ] && ! ssh_server_makes_keys; then
    install_boot_service "$HOSTKEYS"
  fi
  if [ -z "$ROOT" ]; then
    init stop_identity_writers
  fi
  list_identity >"$WORK/identity"
  while IFS=$TAB read -r ir_kind ir_path; do
    remove "$ir_path"
  done <"$WORK/identity"
  if [ "$INIT" = systemd ]; then
    make_empty /etc/machine-id
  else
    remove /etc/machine-id
  fi
  if [ -f "$ROOT/var/lib/dbus/machine-id" ] && [ ! -h "$ROOT/var/lib/dbus/machine-id" ]; then
    remove /var/lib/dbus/machine-id
  fi
}
