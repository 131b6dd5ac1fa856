# shellcheck shell=sh
# dhcp: the first network card, whatever its name, comes up by DHCP. Only
# files change; the live link keeps running.

look_dhcp() {
  network_pins >"$WORK/pins"
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
  if [ -z "$RENDERER" ]; then
    unmet 'there is no network stack that cloud-init can configure' \
      'install ifupdown, netplan.io or NetworkManager, or enable systemd-networkd'
    return 0
  fi
  "${RENDERER}_look"
  otherwise_met "cloud-init configures the first network card with $RENDERER"
}

# find_renderer: sets RENDERER to the stack that cloud-init would write for: the
# first available in its order (cloud-init, net/renderers.py).
find_renderer() {
  case $CC_renderers in
  - | null) fr_order='eni netplan network-manager networkd' ;;
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
  netplan | networkd) echo "$1" ;;
  network-manager) echo networkmanager ;;
  esac
}

mend_dhcp() {
  mend_cloud_init
  network_unpin
  if installed cloud-init; then
    load_cloud_config
    find_renderer
    if [ -n "$RENDERER" ]; then
      "${RENDERER}_mend"
    fi
  fi
}
