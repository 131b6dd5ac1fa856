# shellcheck shell=sh
# ssh-key: cloud-init, or the boot program in its place, puts the instance's key
# into the default user's account.

look_ssh_key() {
  if without_cloud_init; then
    look_stand_in_keys
    return 0
  fi
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  if in_words default "$CC_users" && [ "$CC_default_user" != - ]; then
    met "cloud-init gives the key to the default user $CC_default_user"
  else
    unmet "cloud-init creates no default user: users is $CC_users, default user is $CC_default_user" \
      'list default under users: in a file of /etc/cloud/cloud.cfg.d'
  fi
  if [ -n "$SET_DEFAULT_USER" ] && [ "$CC_default_user" != "$SET_DEFAULT_USER" ]; then
    unmet "the default user is $CC_default_user, and not $SET_DEFAULT_USER"
  fi
  for sk_module in users_groups ssh; do
    if ! in_words "$sk_module" "$CC_init_modules"; then
      unmet "cloud_init_modules does not run $sk_module" \
        "list $sk_module in cloud_init_modules of /etc/cloud/cloud.cfg"
    fi
  done
  if [ "$CC_ssh_pwauth" = true ]; then
    unmet "ssh_pwauth is true: cloud-init would let passwords log in over SSH"
  fi
  if ! ssh_server_uses_pam; then
    unmet 'the SSH server has no UsePAM yes: it refuses the key of an account whose password cloud-init locked'
  fi
}

# look_stand_in_keys: an account that is made at boot is of no use without a
# way to become root.
look_stand_in_keys() {
  look_stand_in openstack-ready-boot
  if [ "$(default_account)" != root ] && ! has_program sudo && ! has_program doas; then
    need_package sudo
  fi
  otherwise_met "$BOOT_PROGRAM gives the keys to the account $(default_account)"
}

SSHD_CONFIG=/etc/ssh/sshd_config

# ssh_server_uses_pam: sshd takes the first value that it reads (sshd_config(5)),
# and files of /etc/ssh/sshd_config.d, where they are included, come first.
ssh_server_uses_pam() {
  [ -f "$ROOT$SSHD_CONFIG" ] || return 0
  ssup_value=$(cat "$ROOT"/etc/ssh/sshd_config.d/*.conf "$ROOT$SSHD_CONFIG" 2>/dev/null |
    awk 'tolower($1) == "usepam" { print tolower($2); exit }')
  [ "$ssup_value" = yes ]
}

mend_ssh_key() {
  if without_cloud_init; then
    mend_stand_in openstack-ready-boot
    return 0
  fi
  mend_cloud_init
  if ! ssh_server_uses_pam; then
    edit_file "$SSHD_CONFIG" use_pam
  fi
}

# use_pam: the line comes first, as it is global only before the first Match.
use_pam() {
  echo 'UsePAM yes'
  sed '/^[[:space:]]*[Uu][Ss][Ee][Pp][Aa][Mm][[:space:]]/d'
}
