# shellcheck shell=sh
# console-log: every boot entry writes the kernel's log to the serial console.
# Looked at in what the boot loader will read, never in /proc/cmdline, which is
# still that of the boot before.

look_console_log() {
  if [ ! -f "$ROOT$GRUB_CONFIG" ]; then
    unknown "there is no $GRUB_CONFIG: of boot loaders, only GRUB 2 is known" \
      'build with GRUB 2, or put the console arguments on the kernel command line by hand and skip console-log'
    return 0
  fi
  if ! cl_serial=$(serial_console); then
    unknown "which serial console a machine of type $ARCH has is not known"
    return 0
  fi
  boot_entries "$cl_serial" >"$WORK/entries"
  if [ ! -s "$WORK/entries" ]; then
    unknown "$GRUB_CONFIG has no linux line"
    return 0
  fi
  while IFS=$TAB read -r cl_verdict cl_text; do
    "$cl_verdict" "$GRUB_CONFIG: $cl_text"
  done <"$WORK/entries"
}

# boot_entries CONSOLE: a line "VERDICT<TAB>TEXT" for each linux line that is
# not of a recovery entry, each text once.
boot_entries() {
  awk -v serial="console=$1" -v OFS='\t' '
    function judge(   i, wrong, tty0, at, last) {
      for (i = 3; i <= NF; i++) {
        if ($i == "console=tty0") tty0 = 1
        if ($i == serial) at = i
        if ($i ~ /^console=/) last = i
        if ($i ~ /^(quiet|splash|rhgb)$/) wrong = wrong ", has " $i
      }
      if (!tty0) wrong = wrong ", lacks console=tty0"
      if (!at) wrong = wrong ", lacks " serial
      else if (last != at) wrong = wrong ", has " $last " after " serial
      return substr(wrong, 3)
    }
    /^[ \t]*menuentry / { recovery = ($0 ~ /recovery mode/) }
    /^[ \t]*linux(16|efi)?[ \t]/ && !recovery {
      wrong = judge()
      text = $2 " " (wrong ? wrong : "has console=tty0 " serial)
      if (!seen[text]++) print (wrong ? "unmet" : "met"), text
    }
  ' "$ROOT$GRUB_CONFIG"
}

mend_console_log() {
  if [ -f "$ROOT$GRUB_CONFIG" ]; then
    write_grub_dropin
  fi
}
