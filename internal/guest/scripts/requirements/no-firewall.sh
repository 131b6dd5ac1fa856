# shellcheck shell=sh
# no-firewall: none of the known firewalls starts at boot. Only the next boot
# is changed: to flush a live table can cut the build's own connection.

look_no_firewall() {
  for nf_name in $FIREWALLS; do
    case $nf_name in
    ufw) nf_on=$(ufw_on) ;;
    *) nf_on=$(boot_link "$nf_name") ;;
    esac
    if [ -n "$nf_on" ]; then
      unmet "$nf_name starts at boot: $nf_on"
    fi
  done
  otherwise_met "none of $FIREWALLS starts at boot"
}

# boot_link NAME: what starts the service at boot.
boot_link() {
  if unit_enabled "$1.service"; then
    echo "$1.service is enabled"
    return 0
  fi
  if unit_exists "$1.service" || unit_masked "$1.service"; then
    return 0
  fi
  for bl_link in "$ROOT"/etc/rc[2-5S].d/S??"$1"; do
    if [ -e "$bl_link" ]; then
      guest_path "$bl_link"
      return 0
    fi
  done
}

# ufw_on: its service reads this file and does nothing when it says no.
ufw_on() {
  if unit_enabled ufw.service && grep -Eqis '^[[:space:]]*ENABLED=["'\'']?yes' "$ROOT/etc/ufw/ufw.conf"; then
    echo '/etc/ufw/ufw.conf has ENABLED=yes'
  fi
}

mend_no_firewall() {
  for nf_name in $FIREWALLS; do
    if [ "$nf_name" = ufw ]; then
      if [ -n "$(ufw_on)" ]; then
        edit_file /etc/ufw/ufw.conf sed -E 's/^[[:space:]]*ENABLED=.*/ENABLED=no/'
      fi
    elif [ -n "$(boot_link "$nf_name")" ]; then
      disable_unit "$nf_name.service"
    fi
  done
  write_preset
}
