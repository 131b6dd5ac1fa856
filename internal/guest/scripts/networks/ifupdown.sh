# shellcheck shell=sh
# ifupdown, of Debian and Alpine.

IFUPDOWN_CLIENTS='dhclient dhcpcd udhcpc'

ifupdown_files() {
  network_files /etc/network/interfaces /etc/network/interfaces.d/
}

ifupdown_mac_pattern() { echo '^[[:space:]]*hwaddress[[:space:]]'; }

ifupdown_forget_mac() {
  edit_file "$1" sed -E "/$(ifupdown_mac_pattern)/d"
}

ifupdown_pins() {
  ifupdown_files | while read -r ip_file; do
    awk -v file="$ip_file" '$1 == "iface" && $2 != "lo" { print file " configures the network card " $2 " by name" }' "$ROOT$ip_file"
  done
}

# ifupdown_unpin: leaves the loopback, and the line by which ifupdown reads
# what cloud-init writes. Without its stanza, ifdown at shutdown also leaves
# the card alone, so that no DHCP client writes its lease again.
ifupdown_unpin() {
  ifupdown_files >"$WORK/interfaces"
  while read -r iu_file; do
    if [ "$iu_file" != /etc/network/interfaces ] &&
      ! grep -Eq '^[[:space:]]*iface[[:space:]]+lo[[:space:]]' "$ROOT$iu_file"; then
      remove "$iu_file"
    else
      edit_file "$iu_file" keep_loopback
    fi
  done <"$WORK/interfaces"
}

keep_loopback() {
  awk '
    BEGIN { keep = 1 }
    $1 ~ /^#/ || NF == 0 { print; next }
    $1 ~ /^(auto|allow-.*|no-auto-down|no-scripts)$/ {
      for (i = 2; i <= NF; i++) if ($i == "lo") print $1, "lo"
      next
    }
    $1 ~ /^(iface|mapping|template|rename)$/ { keep = ($1 == "iface" && $2 == "lo") }
    $1 ~ /^source/ { keep = 1 }
    keep
  '
}

ifupdown_available() {
  [ -f "$ROOT/etc/network/interfaces" ] && has_program ifup
}

# ifupdown_look: whether it configures, at boot, what cloud-init writes for it.
ifupdown_look() {
  if ! service_enabled networking; then
    unmet "$SERVICE is not enabled"
  fi
  if ! reads_interfaces_d; then
    unmet '/etc/network/interfaces does not read /etc/network/interfaces.d, where cloud-init writes'
  fi
  for il_client in $IFUPDOWN_CLIENTS; do
    if has_program "$il_client"; then
      met "ifupdown has the DHCP client $il_client"
      return 0
    fi
  done
  need_package dhcp-client
}

# reads_interfaces_d: or need not, as Alpine's cloud-init writes
# /etc/network/interfaces itself (cloud-init, distros/alpine.py).
reads_interfaces_d() {
  if [ "${CC_distro:-}" = alpine ] && [ -z "$(own_network)" ]; then
    return 0
  fi
  grep -Eqs '^[[:space:]]*source(-directory)?[[:space:]]+(/etc/network/)?interfaces\.d(/\*)?[[:space:]]*$' \
    "$ROOT/etc/network/interfaces"
}

ifupdown_mend() {
  enable_service networking
  if ! reads_interfaces_d; then
    edit_file /etc/network/interfaces append_line 'source /etc/network/interfaces.d/*'
  fi
}

ifupdown_dhcp_file() { echo /etc/network/interfaces.d/openstack-ready; }

ifupdown_dhcp_mode() { echo 0644; }

# ifupdown_dhcp_text CARDS: Debian's reads patterns (interfaces(5), INTERFACE
# TEMPLATES); others name cards as the kernel does, so that eth0 is the first.
ifupdown_dhcp_text() {
  echo '# Written by packer-plugin-openstack-ready.'
  if [ "$1" = all ] && installed ifupdown; then
    printf '%s\n' 'auto /en*=openstack-ready /eth*=openstack-ready' 'iface openstack-ready inet dhcp'
  else
    printf '%s\n' 'auto eth0' 'iface eth0 inet dhcp'
  fi
}
