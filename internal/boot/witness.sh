#!/bin/sh
# What an instance shows from inside, a line a fact. As user data it notes that
# it ran, and tells the serial console; over SSH, with the argument "ssh", it
# tells its standard output.
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
runs=/var/lib/openstack-ready-proof
serial=/dev/@SERIAL@

main() {
  if [ "${1-}" = ssh ]; then
    tell
    return
  fi
  echo @NONCE@ >>"$runs"
  said=$(tell)
  # Twice, since the kernel may speak in between.
  printf '\n%s\n' "$said" >"$serial"
  printf '\n%s\n' "$said" >"$serial"
}

tell() {
  count=0
  say begin "$$"
  facts 2>/dev/null | {
    while IFS= read -r line; do
      count=$((count + 1))
      echo "@NONCE@ $line"
    done
    say end "$count"
  }
}

say() { echo "@NONCE@ $*"; }

# facts prints lines of a key and a value; a key may come again.
facts() {
  each runs cat "$runs"
  each boot-id cat /proc/sys/kernel/random/boot_id
  each hostname cat /proc/sys/kernel/hostname
  each boot-time sed -n 's/^btime //p' /proc/stat
  each root root_size
  each machine-id stamped /etc/machine-id
  for key in /etc/ssh/ssh_host_*_key.pub; do
    each host-key stamped "$key"
  done
  each address addresses
  for card in /sys/class/net/*; do
    [ -e "$card/device" ] || continue
    each card card "$card"
  done
  each listen listening
  each firewall rules
  each mac recorded_macs
  each command-line cat /proc/cmdline
  each status one_line /run/cloud-init/status.json
  each password passwords
  each authorized authorized_accounts
  each agent agent
}

# each puts the key before every line that a command prints.
each() {
  key=$1
  shift
  "$@" | sed "s/^/$key /" | head -n 40
}

root_size() { df -P -k / | sed 1d; }

stamped() {
  [ -e "$1" ] || return 0
  printf '%s %s\n' "$(stat -L -c %Y "$1")" "$(cat "$1")"
}

addresses() {
  ip -o addr show || ifconfig -a
}

card() {
  driver=$(readlink -f "$1/device/driver")
  echo "${1##*/} $(cat "$1/address") $(cat "$1/operstate") ${driver##*/}"
}

# listening prints the hexadecimal ports of listening sockets (proc(5), state 0A).
listening() {
  cat /proc/net/tcp /proc/net/tcp6 | sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F:]* 0A .*/\1/p' | sort -u
}

rules() {
  nft list ruleset
  iptables -S
}

# recorded_macs prints the lines of network configuration with a MAC address that
# is of no card here.
recorded_macs() {
  cards=$(cat /sys/class/net/*/address | sed 's/^/-e /' | tr '\n' ' ')
  # shellcheck disable=SC2086 # a list of options
  grep -r -i -E '([0-9a-f]{2}:){5}[0-9a-f]{2}' /etc/network /etc/netplan /etc/systemd/network /etc/udev/rules.d \
    /etc/sysconfig/network /etc/sysconfig/network-scripts /etc/NetworkManager/system-connections /etc/conf.d/net |
    grep -v -E '^[^:]*:[[:space:]]*#' | grep -v -i -F $cards
}

one_line() {
  [ ! -e "$1" ] || { tr -d '\n' <"$1" && echo; }
}

# passwords prints the accounts that have a password which can be typed.
passwords() {
  sed -n -E 's/^([^:]*):(\$|_|[A-Za-z0-9.\/]{13}:)[^:]*.*/\1/p; s/^([^:]*)::.*/\1 (empty)/p' /etc/shadow
}

# authorized_accounts prints the files that hold the instance's key.
authorized_accounts() {
  grep -l -F '@KEY@' /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
}

agent() {
  for status in /proc/[0-9]*/comm; do
    case $(cat "$status") in qemu-ga*) echo running ;; esac
  done
}

main "$@"
