# shellcheck shell=sh
# NetworkManager and its keyfiles.

networkmanager_files() { network_files /etc/NetworkManager/system-connections/; }

networkmanager_mac_pattern() { echo "^[[:space:]]*(cloned-)?mac-address=[\"']?$MAC"; }

networkmanager_forget_mac() {
  edit_file "$1" sed -E "/$(networkmanager_mac_pattern)/d"
}

NETWORKMANAGER_CARD='^interface-name=%s$'

networkmanager_pins() { card_pins networkmanager "$NETWORKMANAGER_CARD"; }

networkmanager_unpin() { remove_card_files networkmanager "$NETWORKMANAGER_CARD"; }

networkmanager_available() { service_enabled NetworkManager; }

# It is available only where it is enabled.
networkmanager_look() { :; }

networkmanager_mend() { :; }

networkmanager_dhcp_file() { echo /etc/NetworkManager/system-connections/openstack-ready.nmconnection; }

networkmanager_dhcp_mode() { echo 0600; }

# networkmanager_dhcp_text CARDS: without a name it fits every Ethernet card;
# multi-connect=3 lets several use it at once (nm-settings-keyfile(5)).
networkmanager_dhcp_text() {
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' '[connection]' 'id=openstack-ready' 'type=ethernet'
  case $1 in
  all) echo 'multi-connect=3' ;;
  *) echo "interface-name=$1" ;;
  esac
  printf '%s\n' '' '[ipv4]' 'method=auto' '' '[ipv6]' 'method=auto'
}
