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

# networkd_mend: it hands the name servers of a lease to systemd-resolved only.
networkd_mend() {
  if ! service_enabled systemd-networkd && service_exists systemd-resolved; then
    enable_service systemd-resolved
  fi
  enable_service systemd-networkd
}

networkd_dhcp_file() { echo /etc/systemd/network/60-openstack-ready.network; }

networkd_dhcp_mode() { echo 0644; }

# networkd_dhcp_text CARDS
networkd_dhcp_text() {
  case $1 in
  all) ndt_names='en* eth*' ;;
  *) ndt_names=$1 ;;
  esac
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' \
    '[Match]' "Name=$ndt_names" 'Type=ether' '' '[Network]' 'DHCP=yes' 'IPv6AcceptRA=yes'
}
