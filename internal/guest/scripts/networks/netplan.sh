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

netplan_dhcp_file() { echo /etc/netplan/60-openstack-ready.yaml; }

netplan_dhcp_mode() { echo 0600; }

# netplan_dhcp_text CARDS: "optional", so that a missing card does not hold up the boot.
netplan_dhcp_text() {
  case $1 in
  all) ndt_names='en* eth*' ;;
  *) ndt_names=$1 ;;
  esac
  echo '# Written by packer-plugin-openstack-ready.'
  echo 'network:'
  echo '  version: 2'
  echo '  ethernets:'
  set -f
  for ndt_name in $ndt_names; do
    printf '    %s:\n      match: { name: "%s" }\n' "openstack-ready-${ndt_name%?}" "$ndt_name"
    printf '      dhcp4: true\n      dhcp6: true\n      optional: true\n'
  done
  set +f
}
