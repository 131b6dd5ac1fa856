# shellcheck shell=sh
# wicked, of SUSE, and its /etc/sysconfig/network.

WICKED_FOLDER=/etc/sysconfig/network

wicked_files() {
  for wf_file in $(network_files "$WICKED_FOLDER/"); do
    case ${wf_file##*/} in
    ifcfg-lo | ifcfg.template) ;;
    ifcfg-*) echo "$wf_file" ;;
    esac
  done
}

wicked_mac_pattern() { echo "^[[:space:]]*(LLADDR|HWADDR)=.*$MAC"; }

wicked_forget_mac() {
  edit_file "$1" sed -E "/$(wicked_mac_pattern)/d"
}

wicked_pins() {
  for wp_file in $(wicked_card_files); do
    echo "$wp_file configures the network card ${wp_file##*/ifcfg-} by name"
  done
}

wicked_card_files() {
  for wcf_card in $(build_cards); do
    network_files "$WICKED_FOLDER/ifcfg-$wcf_card"
  done
}

wicked_unpin() {
  for wu_file in $(wicked_card_files); do
    remove "$wu_file" "$WICKED_FOLDER/ifroute-${wu_file##*/ifcfg-}"
  done
}

# wicked_available: as SUSE's cloud-init tells (net/sysconfig.py).
wicked_available() {
  [ -f "$ROOT$WICKED_FOLDER/config" ] && has_program ifup && service_exists wicked
}

wicked_look() {
  if ! service_enabled wicked; then
    unmet 'cloud-init would configure wicked, which is not enabled'
  fi
}

# wicked_mend: wicked and NetworkManager are both network.service.
wicked_mend() {
  if service_enabled NetworkManager; then
    trouble 'NetworkManager is enabled, which does not read what cloud-init writes for wicked: remove one of them'
    return 0
  fi
  enable_service wicked
}

# wicked_dhcp_file CARDS: it knows a card by its name only (ifcfg(5)).
wicked_dhcp_file() {
  [ "$1" = all ] || echo "$WICKED_FOLDER/ifcfg-$1"
}

wicked_dhcp_mode() { echo 0644; }

wicked_dhcp_text() {
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' "BOOTPROTO='dhcp'" "STARTMODE='auto'"
}
