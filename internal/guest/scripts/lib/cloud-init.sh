# shellcheck shell=sh
# cloud-init: is it there, will it run, and what its configuration comes to.

CLOUD_DROPIN=/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg
CLOUD_CONFIG_SUM=
# What the configuration does not say, or without cloud-init.
CC_distro=- CC_renderers=-

# look_cloud_init: evidence whether cloud-init is installed and will run at
# boot; CLOUD_CONFIG tells whether its configuration can be asked.
look_cloud_init() {
  CLOUD_CONFIG=unknown
  if ! installed cloud-init; then
    need_package cloud-init
    REMEDY='let the guest reach package repositories that have cloud-init, or set initialisation = "scripts"'
    return 0
  fi
  note "cloud-init $VERSION is installed"
  if ! has_usable_cloud_init; then
    unmet "cloud-init $VERSION has no DataSourceOpenStack.py: it is too old for OpenStack"
  fi
  need_package datasources
  if [ -e "$ROOT/etc/cloud/cloud-init.disabled" ]; then
    unmet '/etc/cloud/cloud-init.disabled switches cloud-init off'
  fi
  boot_entries | grep 'cloud-init=disabled' | cut -f 1 | sort -u >"$WORK/disabled"
  while IFS= read -r lci_file; do
    unmet "$lci_file has cloud-init=disabled on a kernel command line"
  done <"$WORK/disabled"
  for lci_service in $(cloud_init_services); do
    if service_masked "$lci_service"; then
      unmet "$SERVICE is masked"
    elif ! service_enabled "$lci_service"; then
      unmet "$SERVICE is not enabled"
    fi
  done
  load_cloud_config
  if [ -n "$CC_error" ]; then
    unknown "cloud-init's configuration could not be read: $CC_error"
    return 0
  fi
  CLOUD_CONFIG=known
  look_later_configuration
  if [ "$CC_manual_cache_clean" = true ]; then
    unmet 'manual_cache_clean is true: cloud-init would not start over in a new instance'
  fi
}

# look_later_configuration: what is read after the drop-in has the last word.
look_later_configuration() {
  llc_ours=
  for llc_file in "$ROOT"/etc/cloud/cloud.cfg.d/*.cfg; do
    if [ "$llc_file" = "$ROOT$CLOUD_DROPIN" ]; then
      llc_ours=yes
    elif [ -n "$llc_ours" ]; then
      note "$(guest_path "$llc_file") is read after $CLOUD_DROPIN and has the last word"
    fi
  done
}

# cloud_init_services: those of this version, told by their files since
# distributions renamed them at different times.
cloud_init_services() {
  for cis_service in cloud-init-local cloud-init-main cloud-init-network cloud-init \
    cloud-config cloud-final; do
    if service_exists "$cis_service"; then
      echo "$cis_service"
    fi
  done
}

# load_cloud_config: sets CC_* from the merged configuration, "-" for what it
# does not say; CC_error says why it could not be read. Merged anew only when a
# file has changed, as to start Python takes seconds in an emulated machine.
load_cloud_config() {
  CC_error=
  lcc_sum=$(cloud_config_sum)
  if [ ! -e "$WORK/cloud-config" ] || [ "$lcc_sum" != "$CLOUD_CONFIG_SUM" ]; then
    CLOUD_CONFIG_SUM=$lcc_sum
    if ! merged_cloud_config >"$WORK/cloud-config"; then
      CC_error=$(tail -n 1 "$WORK/log")
      rm "$WORK/cloud-config"
      return 0
    fi
  fi
  CC_datasource_list=- CC_init_modules=- CC_final_modules=- CC_growpart_mode=- CC_growpart_devices=-
  CC_growroot_file_ignored=- CC_resize_rootfs=- CC_users=- CC_default_user=- CC_network=-
  CC_renderers=- CC_distro=- CC_manual_cache_clean=- CC_preserve_hostname=- CC_ssh_genkeytypes=- CC_ssh_pwauth=-
  # shellcheck disable=SC2034 # eval reads lcc_value
  while IFS=$TAB read -r lcc_key lcc_value; do
    eval "CC_$lcc_key=\$lcc_value"
  done <"$WORK/cloud-config"
}

# cloud_config_sum: changes with any name or line of the configuration. Times
# of change would not do: busybox find compares whole seconds.
cloud_config_sum() {
  grep '' /dev/null "$ROOT/etc/cloud/cloud.cfg" "$ROOT"/etc/cloud/cloud.cfg.d/*.cfg | cksum
}

# cloud_init_python: the interpreter that cloud-init's program names: it has yaml,
# and others of the guest need not. EL 6 and 7 have Python 2 only, EL 8 one of its own.
cloud_init_python() {
  cip_program=$(sed -n '1s/^#! *\(\/[^ ]*\).*/\1/p' "$ROOT/usr/bin/cloud-init" 2>/dev/null) || return 0
  case $cip_program in
  */env | '') ;;
  *) first_file "$cip_program" ;;
  esac
}

# merged_cloud_config: merges as cloud-init does (util.read_conf_with_confd):
# later files win, dictionaries merge, lists replace. Python 2.6 must do too.
merged_cloud_config() {
  mcc_python=$(cloud_init_python)
  mcc_python=${mcc_python:+$ROOT}${mcc_python:-python3}
  if ! command -v "$mcc_python"; then
    echo "there is no $mcc_python for it" >&2
    return 1
  fi >&2
  "$mcc_python" -B - "$ROOT/etc/cloud" <<'END'
import glob, io, os, sys, yaml


def merge(into, more):
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def get(config, *keys):
    for key in keys:
        if not isinstance(config, dict) or key not in config:
            return "-"
        config = config[key]
    return config


def word(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(word(v[0] if isinstance(v, list) and v else v) for v in value)
    if isinstance(value, dict):
        return word(value.get("name", "-"))
    return " ".join(("%s" % value).split())


def modules(stage):
    return word(get(config, stage)).replace("-", "_")


config = {}
files = [sys.argv[1] + "/cloud.cfg"] + sorted(glob.glob(sys.argv[1] + "/cloud.cfg.d/*.cfg"))
for name in files:
    if os.path.isfile(name):
        with io.open(name, encoding="utf-8") as f:
            part = yaml.safe_load(f)
        if isinstance(part, dict):
            merge(config, part)

for key, value in {
    "datasource_list": get(config, "datasource_list"),
    "init_modules": modules("cloud_init_modules"),
    "final_modules": modules("cloud_final_modules"),
    "growpart_mode": get(config, "growpart", "mode"),
    "growpart_devices": get(config, "growpart", "devices"),
    "growroot_file_ignored": get(config, "growpart", "ignore_growroot_disabled"),
    "resize_rootfs": get(config, "resize_rootfs"),
    "users": get(config, "users"),
    "default_user": get(config, "system_info", "default_user", "name"),
    "network": get(config, "network", "config"),
    "renderers": get(config, "system_info", "network", "renderers"),
    "distro": get(config, "system_info", "distro"),
    "manual_cache_clean": get(config, "manual_cache_clean"),
    "preserve_hostname": get(config, "preserve_hostname"),
    "ssh_genkeytypes": get(config, "ssh_genkeytypes") or None,
    "ssh_pwauth": get(config, "ssh_pwauth"),
}.items():
    line = "%s\t%s\n" % (key, word(value) or "-")
    getattr(sys.stdout, "buffer", sys.stdout).write(line.encode("ascii", "replace"))
END
}

# guard_cloud_init: a fresh package must not act in the build VM, whose data
# source may be the installer's; the guard goes again right after the install.
guard_cloud_init() {
  if installed cloud-init || [ -e "$ROOT/etc/cloud/cloud-init.disabled" ]; then
    return 0
  fi
  mkdir -p "$ROOT/etc/cloud"
  : >"$ROOT/etc/cloud/cloud-init.disabled"
  : >"$WORK/guarded"
}

unguard_cloud_init() {
  if [ -e "$WORK/guarded" ]; then
    rm "$WORK/guarded" "$ROOT/etc/cloud/cloud-init.disabled"
  fi
}

# wait_for_cloud_init: installers leave work to cloud-init's last stage in the
# build VM (subiquity writes cloud-init.disabled there), so it ends first.
wait_for_cloud_init() {
  wfci_left=150
  while init booting; do
    if [ "$wfci_left" -eq 0 ]; then
      echo 'the services of this boot are not all started after 300 seconds' >&2
      return 0
    fi
    wfci_left=$((wfci_left - 1))
    sleep 2
  done
}

# mend_cloud_init: what every requirement that rests on cloud-init needs.
mend_cloud_init() {
  if ! installed cloud-init; then
    return 0
  fi
  remove_installer_configuration
  write_cloud_dropin
  for mci_service in $(cloud_init_services); do
    enable_service "$mci_service"
  done
  if boot_entries | grep -q 'cloud-init=disabled'; then
    mend_arguments
  fi
}

# remove_installer_configuration: what subiquity, curtin and debian-installer
# leave behind to keep cloud-init from acting.
remove_installer_configuration() {
  remove /etc/cloud/cloud-init.disabled
  for ric_file in "$ROOT"/etc/cloud/cloud.cfg.d/*.cfg; do
    case ${ric_file##*/} in
    99_zz_openstack_ready.cfg) ;;
    99-installer.cfg | 90-installer-network.cfg | curtin-preserve-sources.cfg | \
      *subiquity-disable-cloudinit-networking.cfg | 99-disable-network-config.cfg)
      remove "$(guest_path "$ric_file")"
      ;;
    *)
      if grep -Eqs '^datasource_list: *\[ *"?None"? *\]|config: *"?disabled"?' "$ric_file"; then
        remove "$(guest_path "$ric_file")"
      fi
      ;;
    esac
  done
}

# write_cloud_dropin: ds-identify reads the list of data sources only when it
# stands on one line (cloud-init, tools/ds-identify, check_config).
write_cloud_dropin() {
  load_cloud_config
  {
    echo '# Written by packer-plugin-openstack-ready.'
    echo "datasource_list: [ $(comma_separated "$SET_DATASOURCES") ]"
    if in_words Ec2 "$SET_DATASOURCES"; then
      echo 'datasource: { Ec2: { strict_id: false } }'
    fi
    if [ -n "$SET_DEFAULT_USER" ]; then
      echo "system_info: { default_user: { name: $SET_DEFAULT_USER } }"
    fi
    if [ -n "$(own_network)" ]; then
      echo 'network: { config: disabled }'
    fi
    echo 'growpart: { mode: auto, devices: [ "/" ], ignore_growroot_disabled: false }'
    echo 'resize_rootfs: true'
    echo 'ssh_deletekeys: true'
    echo 'ssh_genkeytypes: [ rsa, ecdsa, ed25519 ]'
    echo 'ssh_pwauth: false'
    echo 'preserve_hostname: false'
    echo 'manual_cache_clean: false'
    if [ "$CC_users" = - ] || [ "$CC_users" = null ] || grep -qs '^users: \[ default \]' "$ROOT$CLOUD_DROPIN"; then
      echo 'users: [ default ]'
    fi
  } | write_file "$CLOUD_DROPIN"
}

comma_separated() {
  printf '%s\n' "$1" | sed 's/ /, /g'
}
