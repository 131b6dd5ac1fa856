# shellcheck shell=sh
# The ifcfg files of Fedora and EL, which the service network or NetworkManager
# reads.

IFCFG_FIRST=/etc/sysconfig/network-scripts/ifcfg-eth0

ifcfg_files() {
  network_files /etc/sysconfig/network-scripts/ | grep '/ifcfg-' | grep -Ev '/ifcfg-lo$|(~|\.bak|\.orig|\.rpmnew|\.rpmsave)$'
}

ifcfg_mac_pattern() {
  echo "^[[:space:]]*(export[[:space:]]+)?(HWADDR|MACADDR|LLADDR)=[\"']?$MAC"
}

ifcfg_forget_mac() {
  edit_file "$1" sed -E "/$(ifcfg_mac_pattern)/d"
}

# ifcfg_pins: files for a card of the build; but eth0 by DHCP is the first card
# of every machine without predictable names, which old cloud-init rests on.
ifcfg_pins() {
  ifcfg_card_files | while IFS=$TAB read -r ip_file ip_card; do
    if ! is_first_by_dhcp "$ip_file"; then
      echo "$ip_file configures the network card $ip_card by name"
    elif grep -Eq "$IFCFG_BUILD_LINES" "$ROOT$ip_file"; then
      echo "$ip_file holds the host name or UUID of the build VM's connection"
    fi
  done
}

IFCFG_BUILD_LINES='^[[:space:]]*(UUID|DHCP_HOSTNAME|HOSTNAME|DHCP_CLIENT_ID)='

# ifcfg_card_files: a line "FILE<TAB>CARD" for each file of a card of the build.
ifcfg_card_files() {
  card_files ifcfg "^[[:space:]]*(DEVICE|NAME)=[\"']?%s[\"']?[[:space:]]*\$"
}

# is_first_by_dhcp FILE
is_first_by_dhcp() {
  [ "$1" = "$IFCFG_FIRST" ] && [ -f "$ROOT$1" ] &&
    grep -Eq "^[[:space:]]*BOOTPROTO=[\"']?dhcp" "$ROOT$1" &&
    grep -Eq "^[[:space:]]*ONBOOT=[\"']?yes" "$ROOT$1"
}

ifcfg_unpin() {
  ifcfg_card_files >"$WORK/card-files"
  while IFS=$TAB read -r iu_file _; do
    if is_first_by_dhcp "$iu_file"; then
      edit_file "$iu_file" sed -E "/$IFCFG_BUILD_LINES/d"
    else
      remove "$iu_file"
    fi
  done <"$WORK/card-files"
}

# ifcfg_available: as cloud-init tells (net/sysconfig.py, available).
ifcfg_available() {
  [ "$CC_distro" != amazon ] || return 1
  if [ -e "$ROOT/etc/sysconfig/network-scripts/network-functions" ] && has_program ifup && has_program ifdown; then
    return 0
  fi
  for ia_plugin in "$ROOT"/usr/lib*/NetworkManager/*/libnm-settings-plugin-ifcfg-rh.so \
    "$ROOT"/usr/lib*/NetworkManager/libnm-settings-plugin-ifcfg-rh.so; do
    if [ -e "$ia_plugin" ]; then
      return 0
    fi
  done
  return 1
}

# ifcfg_look: what reads the file that cloud-init writes.
ifcfg_look() {
  if service_enabled NetworkManager; then
    met "$SERVICE is enabled, and reads what cloud-init writes"
  elif service_enabled network; then
    met "$SERVICE is enabled, and reads what cloud-init writes"
    need_package dhcp-client
  else
    unmet 'neither NetworkManager nor the service network is enabled'
  fi
  writes_ifcfg || look_first_card
}

# writes_ifcfg: cloud-init does since 0.7.9; before, and on Amazon Linux, it
# takes the network as it is (net/sysconfig.py, KNOWN_DISTROS).
writes_ifcfg() {
  [ "$CC_distro" != amazon ] && installed cloud-init || return 1
  case $VERSION in
  0.[0-6].* | 0.7.[0-8]*) return 1 ;;
  esac
}

look_first_card() {
  if ! is_first_by_dhcp "$IFCFG_FIRST"; then
    unmet "this cloud-init does not configure the network, and $IFCFG_FIRST does not by DHCP"
  elif [ "$INIT" = systemd ] && boot_entries | grep -qv 'net\.ifnames=0'; then
    unmet 'the first network card need not be eth0: not every boot entry has net.ifnames=0' \
      'add net.ifnames=0 to GRUB_CMDLINE_LINUX'
  fi
}

ifcfg_mend() {
  if service_exists NetworkManager && ! service_enabled network; then
    enable_service NetworkManager
  elif service_exists network; then
    enable_service network
  fi
  if ! writes_ifcfg && ! is_first_by_dhcp "$IFCFG_FIRST"; then
    printf '%s\n' '# Written by packer-plugin-openstack-ready.' DEVICE=eth0 TYPE=Ethernet \
      ONBOOT=yes BOOTPROTO=dhcp NM_CONTROLLED=no PERSISTENT_DHCLIENT=yes | write_file "$IFCFG_FIRST"
  fi
}

# ifcfg_dhcp_file CARDS: it knows a card by its name only.
ifcfg_dhcp_file() {
  [ "$1" = all ] || echo "/etc/sysconfig/network-scripts/ifcfg-$1"
}

ifcfg_dhcp_mode() { echo 0644; }

ifcfg_dhcp_text() {
  printf '%s\n' '# Written by packer-plugin-openstack-ready.' "DEVICE=$1" TYPE=Ethernet ONBOOT=yes BOOTPROTO=dhcp
}
