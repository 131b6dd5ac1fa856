# shellcheck shell=sh
# netplan, of Ubuntu.

netplan_files() { network_files /etc/netplan/; }

netplan_mac_pattern() { echo "macaddress:.*$MAC"; }

netplan_forget_mac() { remove "$1"; }

NETPLAN_CARD="[\"' ]%s[\"':]"

netplan_pins() { card_pins netplan "$NETPLAN_CARD"; }

netplan_unpin() { remove_card_files netplan "$NETPLAN_CARD"; }

netplan_available() { has_program netplan; }

# Its generator runs at every boot.
netplan_look() { :; }

netplan_mend() { :; }
