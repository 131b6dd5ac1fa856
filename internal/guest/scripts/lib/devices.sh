# shellcheck shell=sh
# Disks by names that an instance need not have: its disk is /dev/vda, with
# another serial number and in another place. Volumes keep theirs.

FSTAB=/etc/fstab
GRUB_DEVICE_MAPS='/boot/grub/device.map /boot/grub2/device.map'

look_device_names() {
  list_device_names >"$WORK/device-names"
  while IFS=$TAB read -r ldn_file ldn_device; do
    unmet "$ldn_file names the disk $ldn_device, which is another in an instance"
  done <"$WORK/device-names"
}

# list_device_names: a line "FILE<TAB>DEVICE" each.
list_device_names() {
  {
    fstab_devices
    boot_devices
    map_devices
  } | awk -F '\t' '
    $2 ~ /^\/dev\/((sd|hd|xvd)[a-z]+[0-9]*|disk\/by-(id|path)\/.*)$/ &&
      $2 !~ /\/by-id\/(dm|lvm|md)-/ && !seen[$0]++
  '
}

# fstab_devices: what a boot waits for (fstab(5)).
fstab_devices() {
  [ -f "$ROOT$FSTAB" ] || return 0
  awk -v file="$FSTAB" -v OFS='\t' '
    $1 !~ /^#/ && NF >= 3 && $4 !~ /(^|,)(noauto|nofail)(,|$)/ { print file, $1 }
  ' "$ROOT$FSTAB"
}

# boot_devices: of the root file system and of what was put to sleep.
boot_devices() {
  boot_entries | awk -F '\t' -v OFS='\t' '
    {
      n = split($3, word, " ")
      for (i = 1; i <= n; i++) if (sub(/^(root|resume)=/, "", word[i])) print $1, word[i]
    }
  '
}

# map_devices: what GRUB's programs take for the disks of the machine, and look
# for in vain when the next kernel is installed.
map_devices() {
  for md_file in $GRUB_DEVICE_MAPS; do
    if [ -f "$ROOT$md_file" ]; then
      awk -v file="$md_file" -v OFS='\t' '$1 ~ /^\(hd/ { print file, $2 }' "$ROOT$md_file"
    fi
  done
}

mend_device_names() {
  list_device_names >"$WORK/device-names"
  while IFS=$TAB read -r mdn_file mdn_device; do
    if in_words "$mdn_file" "$GRUB_DEVICE_MAPS"; then
      remove "$mdn_file"
      continue
    fi
    mdn_uuid=$(device_uuid "$mdn_device")
    if [ -z "$mdn_uuid" ]; then
      trouble "$mdn_file names $mdn_device, whose UUID is not known: write UUID= and that of its file system there by hand"
    elif [ "$mdn_file" = "$FSTAB" ]; then
      edit_file "$FSTAB" name_by_uuid "$mdn_device" "$mdn_uuid"
    else
      mend_boot_device "$mdn_device" "$mdn_uuid"
    fi
  done <"$WORK/device-names"
}

# device_uuid DEVICE: the UUID of what is on it, or nothing.
device_uuid() {
  du_name=$(device_name "$1")
  for du_link in "$ROOT"/dev/disk/by-uuid/*; do
    if [ -h "$du_link" ] && [ "$(device_name "${du_link#"$ROOT"}")" = "$du_name" ]; then
      echo "${du_link##*/}"
      return 0
    fi
  done
  if [ -z "$ROOT" ] && has_program blkid; then
    blkid "$1" | sed -n 's/.* UUID="\([^"]*\)".*/\1/p'
  fi
}

# name_by_uuid DEVICE UUID: a filter that names the device by its UUID where it
# stands as a word, but in comments.
name_by_uuid() {
  sed -E "/^[[:space:]]*#/!s#(^|[[:space:]=\"'])$1([[:space:]\"']|\$)#\\1UUID=$2\\2#g"
}

# mend_boot_device DEVICE UUID: a kernel by itself knows no UUIDs of file systems.
mend_boot_device() {
  for mbd_kernel in $(kernels); do
    if [ -z "$(initramfs_image "$mbd_kernel")" ]; then
      trouble "$1 stays in the boot entries, as kernel $mbd_kernel has no initramfs that could find a UUID: name the partition by root=PARTUUID= there"
      return 0
    fi
  done
  argument_files >"$WORK/argument-files"
  while IFS= read -r mbd_file; do
    edit_file "$mbd_file" name_by_uuid "$1" "$2"
    edit_file "$mbd_file" sed -E 's/^[[:space:]]*GRUB_DISABLE_LINUX_UUID=/#&/'
  done <"$WORK/argument-files"
  if in_words bls "$BOOT_LOADERS"; then
    bls_edit_variables name_by_uuid "$1" "$2"
  fi
  mark_boot_menu
}
