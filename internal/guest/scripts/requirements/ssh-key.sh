# shellcheck shell=sh
# ssh-key: cloud-init puts the instance's key into the default user's account.

look_ssh_key() {
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  if in_words default "$CC_users" && [ "$CC_default_user" != - ]; then
    met "cloud-init gives the key to the default user $CC_default_user"
  else
    unmet "cloud-init creates no default user: users is $CC_users, default user is $CC_default_user" \
      'list default under users: in a file of /etc/cloud/cloud.cfg.d'
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
  if [ "$CC_ssh_genkeytypes" = null ]; then
    unmet 'ssh_genkeytypes is empty: cloud-init would make no host key'
  fi
}

mend_ssh_key() {
  mend_cloud_init
}
