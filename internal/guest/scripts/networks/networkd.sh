# shellcheck shell=sh
# systemd-networkd, and the .link files that udev reads on every system.

networkd_files() { network_files /etc/systemd/network/; }

networkd_mac_pattern() { echo '^[[:space:]]*(Permanent)?MACAddress=.*[[:xdigit:]]'; }

# networkd_forget_mac: the initramfs holds a copy of .link files.
networkd_forget_mac() {
  remove "$1"
  mark_initramfs
}

NETWORKD_CARD='^Name=(.* )?%s( |$)'

networkd_pins() { card_pins networkd "$NETWORKD_CARD"; }

networkd_unpin() { remove_card_files networkd "$NETWORKD_CARD"; }

networkd_available() { service_exists systemd-networkd; }

networkd_look() {
  if ! service_enabled systemd-networkd; then
    unmet 'cloud-init would configure systemd-networkd, which is not enabled'
  fi
}

networkd_mend() { enable_service systemd-networkd; }
