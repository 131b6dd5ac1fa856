# shellcheck shell=sh
# Network configuration, of every stack that is known. Nothing here restarts
# anything: the build's own connection runs over it.

MAC='([[:xdigit:]]{2}[:-]){5}[[:xdigit:]]{2}'

FIREWALLS='nftables nftables-load firewalld ufw netfilter-persistent iptables-persistent iptables ip6tables ferm firehol shorewall shorewall6 shorewall-lite shorewall6-lite shorewall-init arno-iptables-firewall apf apf-firewall csf uif vuurmuur awall SuSEfirewall2 SuSEfirewall2_init SuSEfirewall2_setup'

# build_cards: the network cards of the build VM.
build_cards() {
  for bc_dir in "$ROOT"/sys/class/net/*; do
    case ${bc_dir##*/} in
    lo | '*') ;;
    *) echo "${bc_dir##*/}" ;;
    esac
  done
}

# build_macs: their MAC addresses.
build_macs() {
  for bm_card in $(build_cards); do
    if read -r bm_mac <"$ROOT/sys/class/net/$bm_card/address" &&
      [ "$bm_mac" != 00:00:00:00:00:00 ] && [ -n "$bm_mac" ]; then
      echo "$bm_mac"
    fi
  done
}

# network_pins: a line of text for each network card that some stack has
# configured by a name which the instance's card need not have.
network_pins() {
  for np_stack in $NETWORKS; do
    "${np_stack}_pins"
  done
}

network_unpin() {
  for nu_stack in $NETWORKS; do
    "${nu_stack}_unpin"
  done
}

# network_macs: a line "STACK<TAB>FILE<TAB>LINE" for each MAC address that is recorded.
network_macs() {
  for nm_stack in $NETWORKS; do
    "${nm_stack}_files" | while read -r nm_file; do
      code_lines "$nm_file" "$("${nm_stack}_mac_pattern")" | while IFS= read -r nm_line; do
        printf '%s\t%s\t%s\n' "$nm_stack" "$nm_file" "$nm_line"
      done
    done
  done
}

# code_lines FILE PATTERN: its first lines that fit the pattern and are no comment.
code_lines() {
  grep -En "$2" "$ROOT$1" | grep -Ev '^[0-9]+:[[:space:]]*#' | sed 3q
}

# OWN_NETWORK_FILE is the one that this program itself writes.
OWN_NETWORK_FILE=

# network_files PATH...: those of the files, and of the files in each folder
# that ends in a slash, that are there; as paths without ROOT.
network_files() {
  for nf_path in "$@"; do
    case $nf_path in
    */) set -- "$ROOT$nf_path"* ;;
    *) set -- "$ROOT$nf_path" ;;
    esac
    for nf_file in "$@"; do
      if [ -f "$nf_file" ] && [ "$nf_file" != "$ROOT$OWN_NETWORK_FILE" ]; then
        guest_path "$nf_file"
      fi
    done
  done
}

# card_pins STACK FORMAT: a line of text for each file of the stack that names
# a card of the build, in the form of the extended regular expression.
card_pins() {
  card_files "$1" "$2" | while IFS=$TAB read -r cp_file cp_card; do
    echo "$cp_file configures the network card $cp_card by name"
  done
}

# remove_card_files STACK FORMAT
remove_card_files() {
  card_files "$1" "$2" >"$WORK/card-files"
  while IFS=$TAB read -r rcf_file _; do
    remove "$rcf_file"
  done <"$WORK/card-files"
}

# card_files STACK FORMAT: a line "FILE<TAB>CARD" each.
card_files() {
  for cf_card in $(build_cards); do
    # shellcheck disable=SC2059 # the format is ours
    cf_pattern=$(printf "$2" "$cf_card")
    "${1}_files" | while read -r cf_file; do
      if grep -Eq "$cf_pattern" "$ROOT$cf_file"; then
        printf '%s\t%s\n' "$cf_file" "$cf_card"
      fi
    done
  done
}

# own_network: which cards this program configures by DHCP itself, "all" or
# "eth0"; nothing where that is left to cloud-init or to the builder.
own_network() {
  case $SET_NETWORK in
  dhcp-all) echo all ;;
  eth0) echo eth0 ;;
  cloud-init)
    if without_cloud_init; then
      echo all
    fi
    ;;
  esac
}

# find_own_network CARDS: sets STACK and OWN_NETWORK_FILE, or leaves them empty.
find_own_network() {
  find_stack
  if [ -n "$STACK" ]; then
    OWN_NETWORK_FILE=$("${STACK}_dhcp_file" "$1")
  fi
}

# look_own_network CARDS
look_own_network() {
  if [ -z "$STACK" ]; then
    unmet 'there is no network stack that could ask for an address by DHCP' \
      'install ifupdown, netplan.io or NetworkManager, or enable systemd-networkd'
    return 0
  fi
  if [ -z "$OWN_NETWORK_FILE" ]; then
    unmet "$STACK configures a card by its name only" 'set network = "eth0", which gives cards the kernel names'
  elif "${STACK}_dhcp_text" "$1" | holds "$OWN_NETWORK_FILE"; then
    met "$OWN_NETWORK_FILE configures $(cards_text "$1") by DHCP"
  else
    unmet "$OWN_NETWORK_FILE does not configure $(cards_text "$1") by DHCP"
  fi
  "${STACK}_look"
  if [ "$1" = eth0 ]; then
    look_kernel_names
  fi
}

cards_text() {
  case $1 in
  all) echo 'every Ethernet card' ;;
  *) echo "$1" ;;
  esac
}

# look_kernel_names: with predictable names, the first card is not eth0.
look_kernel_names() {
  if ! boot_entries | grep -v 'net\.ifnames=0' | grep -q .; then
    met 'every boot entry has net.ifnames=0'
  elif has_predictable_names; then
    unmet 'a boot entry lacks net.ifnames=0, with which the first card is eth0'
  fi
}

# has_predictable_names: mdev and udev before 197 leave the kernel's.
has_predictable_names() {
  [ -e "$ROOT/usr/lib/udev/rules.d/80-net-setup-link.rules" ] || [ -e "$ROOT/lib/udev/rules.d/80-net-setup-link.rules" ] ||
    [ -e "$ROOT/lib/udev/rules.d/80-net-name-slot.rules" ] || [ -e "$ROOT/usr/lib/udev/rules.d/80-net-name-slot.rules" ]
}

# mend_own_network CARDS
mend_own_network() {
  [ -n "$STACK" ] || return 0
  if [ -n "$OWN_NETWORK_FILE" ]; then
    "${STACK}_dhcp_text" "$1" | write_file "$OWN_NETWORK_FILE" "$("${STACK}_dhcp_mode")"
  fi
  "${STACK}_mend"
  if [ "$1" = eth0 ] && has_predictable_names; then
    mend_arguments
  fi
}

# find_stack: sets STACK to the first that the guest has.
find_stack() {
  for STACK in netplan networkmanager ifcfg wicked ifupdown networkd netifrc; do
    if "${STACK}_available"; then
      return 0
    fi
  done
  STACK=
}
