# shellcheck shell=sh
# user-data: cloud-init, or the boot program in its place, runs user data and
# applies host name and metadata.

look_user_data() {
  if without_cloud_init; then
    look_stand_in openstack-ready-boot
    look_boot_program openstack-ready-user-data
    if [ "$SET_SCRIPTS_USER_DATA" = false ]; then
      inapplicable "$BOOT_PROGRAM runs no user data, as scripts_user_data = false asks for"
      return 0
    fi
    otherwise_met "$BOOT_PROGRAM runs user data that begin with #!, and sets the host name"
    return 0
  fi
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  if in_words scripts_user "$CC_final_modules"; then
    met 'cloud_final_modules runs scripts-user'
  else
    unmet 'cloud_final_modules does not run scripts-user' \
      'list scripts-user in cloud_final_modules of /etc/cloud/cloud.cfg'
  fi
  if ! in_words set_hostname "$CC_init_modules"; then
    unmet 'cloud_init_modules does not run set_hostname' \
      'list set_hostname in cloud_init_modules of /etc/cloud/cloud.cfg'
  elif [ "$CC_preserve_hostname" = true ]; then
    unmet 'preserve_hostname is true: the instance keeps the build VM host name'
  else
    met 'cloud_init_modules runs set_hostname'
  fi
}

mend_user_data() {
  if without_cloud_init; then
    mend_stand_in openstack-ready-boot
    mend_boot_program openstack-ready-user-data
    return 0
  fi
  mend_cloud_init
}
