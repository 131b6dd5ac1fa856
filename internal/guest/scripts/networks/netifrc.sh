# shellcheck shell=sh
# netifrc, of Gentoo: /etc/conf.d/net, and a service net.CARD for each card.

netifrc_files() {
  for nf_conf in "$ROOT"/etc/conf.d/net "$ROOT"/etc/conf.d/net.*; do
    if [ -f "$nf_conf" ]; then
      guest_path "$nf_conf"
    fi
  done
}

netifrc_mac_pattern() { echo "^[[:space:]]*mac_[[:alnum:]_]+=.*$MAC"; }

netifrc_forget_mac() {
  edit_file "$1" sed -E "/$(netifrc_mac_pattern)/d"
}

netifrc_pins() {
  for np_link in $(netifrc_services); do
    echo "$np_link configures the network card ${np_link##*/net.} by name"
  done
}

# netifrc_services: the links of runlevels to the service of a card.
netifrc_services() {
  for ns_link in "$ROOT"/etc/runlevels/*/net.*; do
    case ${ns_link##*/} in
    net.lo | 'net.*') ;;
    *) guest_path "$ns_link" ;;
    esac
  done
}

netifrc_unpin() {
  for nu_link in $(netifrc_services); do
    remove "$nu_link"
    nu_card=${nu_link##*/net.}
    for nu_file in $(netifrc_files); do
      edit_file "$nu_file" drop_card "$nu_card"
    done
  done
}

# drop_card CARD: leaves out the variables of a card, whose values can go over
# several lines.
drop_card() {
  awk -v name="_$1=" '
    function open(text) { return gsub(/"/, "", text) % 2 }
    inside { inside = !open($0); next }
    $0 ~ "^[ \t]*[a-z_]+" name { inside = open($0); next }
    { print }
  '
}

netifrc_available() { [ -f "$ROOT/etc/init.d/net.lo" ]; }

netifrc_look() {
  if ! service_enabled net.eth0; then
    unmet 'net.eth0 is not enabled'
  fi
}

# netifrc_mend: every service of a card is a link to that of the loopback.
netifrc_mend() {
  if ! service_exists net.eth0; then
    ln -s net.lo "$ROOT/etc/init.d/net.eth0"
    change 'made the service net.eth0'
  fi
  enable_service net.eth0
}

# netifrc_dhcp_file CARDS: it knows a card by its name only.
netifrc_dhcp_file() {
  [ "$1" = all ] || echo "/etc/conf.d/net.$1"
}

netifrc_dhcp_mode() { echo 0644; }

netifrc_dhcp_text() {
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' "config_$1=\"dhcp\""
}
