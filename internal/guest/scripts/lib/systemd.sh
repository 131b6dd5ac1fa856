# shellcheck shell=sh
# systemd units, read from their files so that it works in any tree and costs
# no process; only changes go through systemctl, and never with --now.

# unit_exists UNIT
unit_exists() {
  for ue_dir in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    if [ -f "$ROOT$ue_dir/$1" ]; then
      return 0
    fi
  done
  return 1
}

# unit_masked UNIT
unit_masked() {
  [ -h "$ROOT/etc/systemd/system/$1" ] &&
    [ "$(readlink "$ROOT/etc/systemd/system/$1")" = /dev/null ]
}

# unit_pulled UNIT: whether some other unit wants or requires it.
unit_pulled() {
  for up_dir in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    for up_link in "$ROOT$up_dir"/*.wants/"$1" "$ROOT$up_dir"/*.requires/"$1"; do
      if [ -h "$up_link" ] || [ -e "$up_link" ]; then
        return 0
      fi
    done
  done
  return 1
}

# unit_enabled UNIT: whether it is there and will be started at boot.
unit_enabled() {
  unit_exists "$1" && ! unit_masked "$1" && unit_pulled "$1"
}

# enable_unit UNIT: for the next boot.
enable_unit() {
  if unit_masked "$1"; then
    systemctl --no-reload ${ROOT:+"--root=$ROOT"} unmask "$1"
    change "unmasked $1"
  fi
  if ! unit_enabled "$1"; then
    systemctl --no-reload ${ROOT:+"--root=$ROOT"} enable "$1"
    change "enabled $1"
  fi
}

# disable_unit UNIT: for the next boot; what runs keeps running.
disable_unit() {
  systemctl --no-reload ${ROOT:+"--root=$ROOT"} disable "$1"
  change "disabled $1 for the next boot"
}

# write_preset: keeps "systemctl preset-all", which systemd runs at a first
# boot, from enabling a firewall again (systemd.preset(5)).
write_preset() {
  {
    echo '# Written by packer-plugin-openstack-ready.'
    echo 'enable openstack-ready-hostkeys.service'
    for wp_name in $FIREWALLS; do
      echo "disable $wp_name.service"
    done
  } | write_file /etc/systemd/system-preset/00-openstack-ready.preset
}
