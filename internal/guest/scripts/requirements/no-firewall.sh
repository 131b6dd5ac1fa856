# shellcheck shell=sh
# no-firewall: none of the known firewalls starts at boot, and no script loads
# rules. Only the next boot is changed: to flush a live table can cut the build's
# own connection.

look_no_firewall() {
  for nf_name in $FIREWALLS; do
    if [ "$nf_name" != ufw ] && service_enabled "$nf_name"; then
      tell_firewall "$nf_name starts at boot: $SERVICE is enabled"
    elif [ "$nf_name" = ufw ] && ufw_on; then
      tell_firewall "ufw starts at boot: /etc/ufw/ufw.conf has ENABLED=yes"
    fi
  done
  look_rule_scripts
  if [ -z "$INAPPLICABLE" ]; then
    otherwise_met "none of $FIREWALLS starts at boot"
  fi
}

# look_rule_scripts: what a person wrote to load rules at boot is theirs to
# take out, since the same file may do more.
look_rule_scripts() {
  network_files /etc/rc.local /etc/rc.d/rc.local /etc/init.d/boot.local /etc/local.d/ /etc/network/interfaces \
    /etc/network/interfaces.d/ /etc/network/if-pre-up.d/ /etc/network/if-up.d/ >"$WORK/rule-scripts"
  while IFS= read -r lrs_file; do
    code_lines "$lrs_file" '(^|[[:space:]/;&|])(ip6?tables(-restore)?|nft)[[:space:]]+[-<a-z/]' >"$WORK/rules"
    while IFS= read -r lrs_line; do
      tell_firewall "$lrs_file loads rules at boot: line $lrs_line"
      REMEDY="take the firewall's rules out of $lrs_file, or set firewall = \"keep\""
    done <"$WORK/rules"
  done <"$WORK/rule-scripts"
}

# ufw_on: its service reads this file and does nothing when it says no.
ufw_on() {
  service_enabled ufw && grep -Eqis '^[[:space:]]*ENABLED=["'\'']?yes' "$ROOT/etc/ufw/ufw.conf"
}

# tell_firewall TEXT: one that the builder keeps is theirs to answer for.
tell_firewall() {
  if [ "$SET_FIREWALL" = keep ]; then
    inapplicable "$1, and firewall = \"keep\" leaves it"
  else
    unmet "$1"
  fi
}

mend_no_firewall() {
  if [ "$SET_FIREWALL" = keep ]; then
    return 0
  fi
  for nf_name in $FIREWALLS; do
    if [ "$nf_name" != ufw ] && service_enabled "$nf_name"; then
      disable_service "$nf_name"
    elif [ "$nf_name" = ufw ] && ufw_on; then
      edit_file /etc/ufw/ufw.conf sed -E 's/^[[:space:]]*ENABLED=.*/ENABLED=no/'
    fi
  done
  keep_firewalls_off
}
