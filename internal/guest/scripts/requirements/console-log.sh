# shellcheck shell=sh
# console-log: every boot entry writes the kernel's log to the serial console.
# Looked at in what the boot loader will read, never in /proc/cmdline, which is
# still that of the boot before.

look_console_log() {
  if [ -z "$BOOT_LOADERS" ]; then
    unknown "no boot loader was found; known are: $LOADERS" \
      'put the console arguments on the kernel command line by hand and skip console-log'
    return 0
  fi
  if ! cl_consoles=$(wanted_consoles); then
    unknown "which serial console a machine of type $ARCH has is not known"
    return 0
  fi
  if lacks_serial_login; then
    note "$INITTAB starts no login prompt on the serial console"
  fi
  boot_entries >"$WORK/entries"
  if [ ! -s "$WORK/entries" ]; then
    unknown "no boot entry was found in the configuration of: $BOOT_LOADERS"
    return 0
  fi
  judge_entries "$cl_consoles" >"$WORK/judged"
  while IFS=$TAB read -r cl_verdict cl_text; do
    "$cl_verdict" "$cl_text"
  done <"$WORK/judged"
}

# judge_entries CONSOLES: a line "VERDICT<TAB>TEXT" for each boot entry, each
# text once.
judge_entries() {
  awk -F '\t' -v OFS='\t' -v consoles="$1" '
    function judge(arguments,   i, n, word, wanted, at, last, wrong) {
      n = split(arguments, word, " ")
      for (i = 1; i <= n; i++) {
        at[word[i]] = i
        if (word[i] ~ /^console=/) last = i
        if (word[i] ~ /^(quiet|splash(=.*)?|rhgb)$/) wrong = wrong ", has " word[i]
      }
      n = split(consoles, wanted, " ")
      for (i = 1; i <= n; i++) if (!(wanted[i] in at)) wrong = wrong ", lacks " wanted[i]
      if (wanted[n] in at && last != at[wanted[n]]) wrong = wrong ", has " word[last] " after " wanted[n]
      return substr(wrong, 3)
    }
    {
      wrong = judge($3)
      text = $1 ": " $2 " " (wrong ? wrong : "has " consoles)
      if (!seen[text]++) print (wrong ? "unmet" : "met"), text
    }
  ' "$WORK/entries"
}

mend_console_log() {
  mend_arguments
  if lacks_serial_login; then
    mend_serial_login
  fi
}
