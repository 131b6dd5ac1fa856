# shellcheck shell=sh
# datasource: cloud-init, or the boot program in its place, finds OpenStack's
# metadata service and config drive.

DS_IDENTIFY=/etc/cloud/ds-identify.cfg

look_datasource() {
  if without_cloud_init; then
    look_stand_in openstack-ready-boot
    otherwise_met "$BOOT_PROGRAM asks the config drive, then the metadata service, with what the guest has"
    return 0
  fi
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  if [ "$CC_datasource_list" = - ] && [ -z "$SET_FORCE_DATASOURCE" ] && asks_for_known_datasources; then
    met 'there is no datasource_list: cloud-init looks for every data source that it knows'
  elif lists_datasources; then
    look_list_on_one_line
  else
    unmet "datasource_list is ${CC_datasource_list#-}, and not $SET_DATASOURCES"
  fi
  look_ds_identify
}

# asks_for_known_datasources: those of OpenStack are in cloud-init's own list,
# and in that of ds-identify.
asks_for_known_datasources() {
  for afkd_name in $SET_DATASOURCES; do
    in_words "$afkd_name" 'ConfigDrive OpenStack None' || return 1
  done
}

# lists_datasources: more of them do no harm, unless each is tried although
# nothing says that the machine has it.
lists_datasources() {
  if [ -n "$SET_FORCE_DATASOURCE" ]; then
    [ "$CC_datasource_list" = "$SET_DATASOURCES" ]
    return
  fi
  for ld_name in $SET_DATASOURCES; do
    if [ "$ld_name" != None ] && ! in_words "$ld_name" "$CC_datasource_list"; then
      return 1
    fi
  done
}

# look_list_on_one_line: ds-identify takes the last line that fits and does
# not understand a list that goes on in the next.
look_list_on_one_line() {
  d_file=
  for d_candidate in "$ROOT/etc/cloud/cloud.cfg" "$ROOT"/etc/cloud/cloud.cfg.d/*.cfg; do
    if grep -qs '^datasource_list:' "$d_candidate"; then
      d_file=$d_candidate
    fi
  done
  d_line=$(grep '^datasource_list:' "$d_file" | tail -n 1)
  case $d_line in
  *'['*']'*) met "$(guest_path "$d_file"): $d_line" ;;
  *) unmet "$(guest_path "$d_file") spreads datasource_list over several lines, which ds-identify cannot read" ;;
  esac
}

# look_ds_identify: outside x86 nothing tells the guest that it is in
# OpenStack, so a mere possibility must be enough.
look_ds_identify() {
  d_policy=$(sed -n 's/^policy: *//p' "$ROOT$DS_IDENTIFY" 2>/dev/null | tail -n 1)
  case $ARCH/$d_policy in
  */enabled*) return 0 ;;
  */disabled*) unmet "$DS_IDENTIFY has policy: $d_policy, which switches cloud-init off" ;;
  x86_64/* | i?86/* | */*maybe=all*) ;;
  *) unmet "$DS_IDENTIFY has policy: ${d_policy:-none}, with which cloud-init finds no metadata service on $ARCH" ;;
  esac
  if [ -n "$SET_FORCE_DATASOURCE" ]; then
    unmet "$DS_IDENTIFY has policy: ${d_policy:-none}, with which cloud-init runs only where the machine says that it is in OpenStack"
  fi
}

mend_datasource() {
  if without_cloud_init; then
    mend_stand_in openstack-ready-boot
    return 0
  fi
  mend_cloud_init
  case $SET_FORCE_DATASOURCE/$ARCH in
  yes/*) write_ds_policy enabled ;;
  /x86_64 | /i?86)
    if [ -e "$ROOT$DS_IDENTIFY" ]; then
      write_ds_policy search,found=all,maybe=all,notfound=disabled
    fi
    ;;
  *) write_ds_policy search,found=all,maybe=all,notfound=disabled ;;
  esac
}

write_ds_policy() {
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' "policy: $1" | write_file "$DS_IDENTIFY"
}
