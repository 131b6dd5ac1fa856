# shellcheck shell=sh
# The login prompt on the serial console. systemd and Upstart start one by
# themselves; where /etc/inittab says what is started, it must say so.

INITTAB=/etc/inittab

# lacks_serial_login: whether nothing starts one.
lacks_serial_login() {
  in_words "$INIT" 'openrc sysvinit' && [ -f "$ROOT$INITTAB" ] && [ -n "$(serial_port)" ] &&
    ! grep -Eq "^[^#]*getty[^#]*[[:space:]]$(serial_port)([[:space:]]|\$)" "$ROOT$INITTAB"
}

serial_port() {
  sp_console=$(serial_console)
  echo "${sp_console%%,*}"
}

# mend_serial_login: root may also log in there where securetty(5) is asked.
mend_serial_login() {
  edit_file "$INITTAB" add_serial_login "$(serial_port)"
  if [ -f "$ROOT/etc/securetty" ] && ! grep -qx "$(serial_port)" "$ROOT/etc/securetty"; then
    edit_file /etc/securetty append_line "$(serial_port)"
  fi
}

# add_serial_login PORT: takes the comment sign off the line that distributions
# have for it, or adds one in the form of this inittab: busybox names the
# terminal in the first field, sysvinit the runlevels in the second.
add_serial_login() {
  awk -v port="$1" '
    /getty/ && /^[^#]/ && split($0, field, ":") == 4 { busybox = (field[2] == ""); program = field[4]; sub(/ .*/, "", program) }
    !done && /^#.*respawn:.*getty/ && index($0 " ", " " port " ") {
      sub(/^#[ \t]*/, "")
      sub(/ 9600 /, " 115200 ")
      done = 1
    }
    { print }
    END {
      if (done) exit
      if (program == "") program = "/sbin/getty"
      print (busybox ? port "::" : "S0:2345:") "respawn:" program " -L 115200 " port " vt100"
    }
  '
}
