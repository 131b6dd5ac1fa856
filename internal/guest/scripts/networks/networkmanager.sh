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
