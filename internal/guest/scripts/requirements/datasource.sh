# shellcheck shell=sh
# datasource: cloud-init finds OpenStack's metadata service and config drive.

DS_IDENTIFY=/etc/cloud/ds-identify.cfg
DS_POLICY='policy: search,found=all,maybe=all,notfound=disabled'

look_datasource() {
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  if in_words OpenStack "$CC_datasource_list" && in_words ConfigDrive "$CC_datasource_list"; then
    look_list_on_one_line
  else
    unmet "datasource_list is ${CC_datasource_list#-}: it does not name both ConfigDrive and OpenStack"
  fi
  look_ds_identify
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
  *'['*OpenStack*']'*) met "$(guest_path "$d_file"): $d_line" ;;
  *) unmet "$(guest_path "$d_file") spreads datasource_list over several lines, which ds-identify cannot read" ;;
  esac
}

# look_ds_identify: outside x86 nothing tells the guest that it is in
# OpenStack, so a mere possibility must be enough.
look_ds_identify() {
  d_policy=$(sed -n 's/^policy: *//p' "$ROOT$DS_IDENTIFY" 2>/dev/null | tail -n 1)
  case $ARCH/$d_policy in
  */disabled*) unmet "$DS_IDENTIFY has policy: $d_policy, which switches cloud-init off" ;;
  x86_64/* | i?86/* | */enabled* | */*maybe=all*) ;;
  *) unmet "$DS_IDENTIFY has policy: ${d_policy:-none}, with which cloud-init finds no metadata service on $ARCH" ;;
  esac
}

mend_datasource() {
  mend_cloud_init
  case $ARCH in
  x86_64 | i?86)
    if [ ! -e "$ROOT$DS_IDENTIFY" ]; then
      return 0
    fi
    ;;
  esac
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' "$DS_POLICY" | write_file "$DS_IDENTIFY"
}
