# shellcheck shell=sh
# dhcp: the first network card, whatever its name, comes up by DHCP. Only
# files change; the live link keeps running.

look_dhcp() {
  list_pins >"$WORK/pins"
  while IFS= read -r dh_pin; do
    unmet "$dh_pin"
  done <"$WORK/pins"
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  if [ "$CC_network" = disabled ]; then
    unmet 'network: {config: disabled} keeps cloud-init from configuring the network'
    return 0
  fi
  find_renderer
  look_renderer
}

# list_pins: a line of text for each network card that is configured by a name
# which the instance's card need not have.
list_pins() {
  network_files ifupdown | while read -r lp_file; do
    awk -v file="$lp_file" '$1 == "iface" && $2 != "lo" { print file " configures the network card " $2 " by name" }' "$ROOT$lp_file"
  done
  for lp_card in $(build_cards); do
    network_files netplan | tell_pins "[\"' ]${lp_card}[\"':]" "$lp_card"
    network_files networkd | tell_pins "^Name=(.* )?$lp_card( |\$)" "$lp_card"
    network_files NetworkManager | tell_pins "^interface-name=$lp_card\$" "$lp_card"
  done
}

# tell_pins PATTERN CARD
tell_pins() {
  while read -r tp_file; do
    if grep -Eq "$1" "$ROOT$tp_file"; then
      echo "$tp_file configures the network card $2 by name"
    fi
  done
}

# find_renderer: sets RENDERER to the stack that cloud-init would write for: the
# first available in its order (cloud-init, net/renderers.py).
find_renderer() {
  case $CC_renderers in
  - | null) fr_order='eni netplan network-manager networkd' ;;
  *) fr_order=$CC_renderers ;;
  esac
  for RENDERER in $fr_order; do
    case $RENDERER in
    eni) [ ! -f "$ROOT/etc/network/interfaces" ] || ! has_program ifup || return 0 ;;
    netplan) ! has_program netplan || return 0 ;;
    network-manager) ! unit_enabled NetworkManager.service || return 0 ;;
    networkd) ! unit_exists systemd-networkd.service || return 0 ;;
    esac
  done
  RENDERER=
}

has_program() {
  for hp_dir in /usr/sbin /sbin /usr/bin /bin; do
    if [ -x "$ROOT$hp_dir/$1" ]; then
      return 0
    fi
  done
  return 1
}

look_renderer() {
  case $RENDERER in
  eni) look_ifupdown ;;
  networkd)
    if ! unit_enabled systemd-networkd.service; then
      unmet 'cloud-init would configure systemd-networkd, which is not enabled'
    fi
    ;;
  '')
    unmet 'there is no network stack that cloud-init can configure' \
      'install ifupdown, netplan.io or NetworkManager, or enable systemd-networkd'
    return 0
    ;;
  esac
  otherwise_met "cloud-init configures the first network card with $RENDERER"
}

look_ifupdown() {
  if ! unit_enabled networking.service; then
    unmet 'networking.service is not enabled'
  fi
  if ! reads_interfaces_d; then
    unmet '/etc/network/interfaces does not read /etc/network/interfaces.d, where cloud-init writes'
  fi
  for li_client in dhclient dhcpcd udhcpc; do
    if has_program "$li_client"; then
      met "ifupdown has the DHCP client $li_client"
      return 0
    fi
  done
  need_package dhcp-client
}

reads_interfaces_d() {
  grep -Eqs '^[[:space:]]*source(-directory)?[[:space:]]+(/etc/network/)?interfaces\.d(/\*)?[[:space:]]*$' \
    "$ROOT/etc/network/interfaces"
}

mend_dhcp() {
  mend_cloud_init
  mend_interfaces
  unpin netplan "[\"' ]%s[\"':]"
  unpin networkd '^Name=(.* )?%s( |$)'
  unpin NetworkManager '^interface-name=%s$'
  if installed cloud-init; then
    load_cloud_config
    find_renderer
    case $RENDERER in
    eni) enable_unit networking.service ;;
    networkd) enable_unit systemd-networkd.service ;;
    esac
  fi
}

# mend_interfaces: leaves the loopback, and the line by which ifupdown reads
# what cloud-init writes. Without its stanza, ifdown at shutdown also leaves
# the card alone, so that no DHCP client writes its lease again.
mend_interfaces() {
  network_files ifupdown >"$WORK/interfaces"
  while read -r mi_file; do
    if [ "$mi_file" = /etc/network/interfaces ]; then
      edit_file "$mi_file" keep_loopback
    elif ! grep -Eq '^[[:space:]]*iface[[:space:]]+lo[[:space:]]' "$ROOT$mi_file"; then
      remove "$mi_file"
    else
      edit_file "$mi_file" keep_loopback
    fi
  done <"$WORK/interfaces"
  if [ -f "$ROOT/etc/network/interfaces" ] && ! reads_interfaces_d; then
    edit_file /etc/network/interfaces append_source
  fi
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

append_source() {
  cat
  echo 'source /etc/network/interfaces.d/*'
}

# unpin STACK FORMAT: removes the files of a stack that name a build card.
unpin() {
  network_files "$1" >"$WORK/unpin"
  for u_card in $(build_cards); do
    # shellcheck disable=SC2059 # the format is ours
    u_pattern=$(printf "$2" "$u_card")
    while read -r u_file; do
      if [ -f "$ROOT$u_file" ] && grep -Eq "$u_pattern" "$ROOT$u_file"; then
        remove "$u_file"
      fi
    done <"$WORK/unpin"
  done
}
