# shellcheck shell=sh
# dhcp: the first network card, whatever its name, comes up by DHCP. Only
# files change; the live link keeps running.

look_dhcp() {
  dh_cards=$(own_network)
  if [ -n "$dh_cards" ]; then
    find_own_network "$dh_cards"
  fi
  look_pins
  if [ -n "$dh_cards" ]; then
    look_own_network "$dh_cards"
  else
    look_cloud_network
  fi
}

# look_pins: where the builder keeps the network, names are theirs to answer for.
look_pins() {
  network_pins >"$WORK/pins"
  while IFS= read -r dh_pin; do
    case $SET_NETWORK in
    keep) note "$dh_pin" ;;
    *) unmet "$dh_pin" ;;
    esac
  done <"$WORK/pins"
}

look_cloud_network() {
  look_cloud_init
  [ "$CLOUD_CONFIG" = known ] || return 0
  find_renderer
  if [ -z "$RENDERER" ]; then
    look_without_renderer
    return 0
  fi
  if [ "$CC_network" = disabled ]; then
    unmet 'network: {config: disabled} keeps cloud-init from configuring the network'
    return 0
  fi
  "${RENDERER}_look"
  otherwise_met "cloud-init configures the first network card with $RENDERER"
}

# look_without_renderer: what cloud-init cannot configure, such as Gentoo's
# netifrc or Amazon Linux 2, it leaves alone; dhcpcd then asks on every Ethernet
# card, or the service network on the first.
look_without_renderer() {
  if service_exists network; then
    ifcfg_look
  elif service_enabled dhcpcd; then
    met 'dhcpcd configures every Ethernet card by DHCP'
  elif service_exists dhcpcd; then
    unmet 'there is no network stack that cloud-init can configure, and dhcpcd is not enabled'
  else
    unmet 'there is no network stack that cloud-init can configure' \
      'install ifupdown, netplan.io or NetworkManager, or enable systemd-networkd or dhcpcd'
    if [ "$INIT" != systemd ]; then
      need_package dhcp-client
    fi
  fi
}

# find_renderer: sets RENDERER to the stack that cloud-init would write for: the
# first available in its order (cloud-init, net/renderers.py).
find_renderer() {
  case $CC_renderers in
  - | null) fr_order='eni sysconfig netplan network-manager networkd' ;;
  *) fr_order=$CC_renderers ;;
  esac
  for fr_name in $fr_order; do
    RENDERER=$(renderer_stack "$fr_name")
    if [ -n "$RENDERER" ] && "${RENDERER}_available"; then
      return 0
    fi
  done
  RENDERER=
}

# renderer_stack NAME: our name of what cloud-init calls so.
renderer_stack() {
  case $1 in
  eni) echo ifupdown ;;
  sysconfig) sysconfig_stack ;;
  netplan | networkd) echo "$1" ;;
  network-manager) echo networkmanager ;;
  esac
}

# sysconfig_stack: SUSE's and Red Hat's are called the same.
sysconfig_stack() {
  if in_words ifcfg "$NETWORKS" && [ -d "$ROOT/etc/sysconfig/network-scripts" ]; then
    echo ifcfg
  else
    echo wicked
  fi
}

mend_dhcp() {
  mend_cloud_init
  dh_cards=$(own_network)
  case ${dh_cards:-$SET_NETWORK} in
  keep) ;;
  all | eth0)
    find_own_network "$dh_cards"
    network_unpin
    mend_own_network "$dh_cards"
    ;;
  *)
    network_unpin
    mend_cloud_network
    ;;
  esac
}

mend_cloud_network() {
  installed cloud-init || return 0
  load_cloud_config
  find_renderer
  if [ -n "$RENDERER" ]; then
    edit_file /etc/cloud/cloud.cfg drop_network_disabled
    "${RENDERER}_mend"
  elif service_exists network; then
    ifcfg_mend
  elif service_exists dhcpcd; then
    enable_service dhcpcd
  fi
}

# drop_network_disabled: Amazon Linux has "network: config: disabled" in
# /etc/cloud/cloud.cfg, and other files can add to that but not take it back.
drop_network_disabled() {
  awk '
    /^network:[ \t]*\{[ \t]*config:[ \t]*"?disabled/ { next }
    held != "" && /^[ \t]+config:[ \t]*"?disabled"?[ \t]*$/ { held = ""; next }
    held != "" { print held; held = "" }
    /^network:[ \t]*$/ { held = $0; next }
    { print }
    END { if (held != "") print held }
  '
}
