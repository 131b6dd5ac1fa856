# shellcheck shell=sh
# Network configuration of every stack that Debian and Ubuntu can have.
# Nothing here restarts anything: the build's own connection runs over it.

MAC='([[:xdigit:]]{2}[:-]){5}[[:xdigit:]]{2}'

FIREWALLS='nftables firewalld ufw netfilter-persistent iptables ip6tables ferm shorewall shorewall6 shorewall-init arno-iptables-firewall firehol'

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

# network_files KIND: the files of one stack, as paths without ROOT.
network_files() {
  case $1 in
  ifupdown) set -- /etc/network/interfaces /etc/network/interfaces.d/ ;;
  netplan) set -- /etc/netplan/ ;;
  networkd) set -- /etc/systemd/network/ ;;
  NetworkManager) set -- /etc/NetworkManager/system-connections/ ;;
  esac
  for nf_path in "$@"; do
    case $nf_path in
    */) set -- "$ROOT$nf_path"* ;;
    *) set -- "$ROOT$nf_path" ;;
    esac
    for nf_file in "$@"; do
      if [ -f "$nf_file" ]; then
        guest_path "$nf_file"
      fi
    done
  done
}

# mac_lines FILE PATTERN: its lines that fit the pattern and are no comment.
mac_lines() {
  grep -En "$2" "$ROOT$1" | grep -Ev '^[0-9]+:[[:space:]]*#' | sed 3q
}
