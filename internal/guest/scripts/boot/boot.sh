#!/bin/sh
# Written by packer-plugin-openstack-ready, as /usr/libexec/openstack-ready/boot.
# Does at boot, in a guest without cloud-init, what OpenStack's image guide asks
# for: "boot grow" grows the root file system to the disk, "boot keys" sets up
# the account, SSH keys, host name and host keys of a new instance, and "boot
# user-data" runs its user data. Each can run at any boot: what is done is left
# alone. What goes wrong is said and ends with status 1, and the boot goes on.
set -eu

# main STAGE: with ROOT set, a tree of files is worked on in place of the
# running system.
main() {
  ROOT=${ROOT:-}
  SETTINGS=$ROOT/etc/openstack-ready/boot.conf
  STATE=$ROOT/var/lib/openstack-ready
  export LC_ALL=C
  if [ -z "$ROOT" ]; then
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  fi
  unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
  umask 077
  exec </dev/null
  read_settings
  make_folders
  TROUBLE=
  case ${1-} in
  grow) stage_grow ;;
  keys) stage_keys ;;
  user-data) stage_user_data ;;
  *)
    echo "usage: ${0##*/} grow|keys|user-data" >&2
    exit 2
    ;;
  esac
  [ -z "$TROUBLE" ] || exit 1
}

say() {
  printf 'openstack-ready: %s\n' "$1"
}

# trouble TEXT: something is not done, and is tried again at the next boot.
trouble() {
  TROUBLE=yes
  say "$1"
}

# read_settings: lines "NAME=VALUE"; the file is understood, never executed.
read_settings() {
  ACCOUNT=root RUN_USER_DATA=true BUDGET=120
  [ -r "$SETTINGS" ] || return 0
  while IFS='=' read -r rs_name rs_value || [ -n "$rs_name" ]; do
    case $rs_name in
    '' | '#'*) ;;
    user) ACCOUNT=$rs_value ;;
    user_data) RUN_USER_DATA=$rs_value ;;
    budget) BUDGET=$rs_value ;;
    *) say "boot.conf has the setting \"$rs_name\", which is not known; known are user, user_data and budget" ;;
    esac
  done <"$SETTINGS"
  check_settings
}

check_settings() {
  case $ACCOUNT in
  '' | [!a-z_]* | *[!a-z0-9_-]* | ?????????????????????????????????*)
    say "boot.conf has user=$ACCOUNT, which is no account name: root is used"
    ACCOUNT=root
    ;;
  esac
  case $RUN_USER_DATA in
  true | false) ;;
  *)
    say "boot.conf has user_data=$RUN_USER_DATA, which is neither true nor false: user data is not run"
    RUN_USER_DATA=false
    ;;
  esac
  case $BUDGET in
  '' | 0* | *[!0-9]* | ?????*)
    say "boot.conf has budget=$BUDGET, which is no number of seconds from 1 to 9999: 120 is used"
    BUDGET=120
    ;;
  esac
}

# make_folders: STATE lives as long as the disk, RUN as long as this boot.
make_folders() {
  if [ -d "$ROOT/run" ]; then
    RUN=$ROOT/run/openstack-ready
  else
    RUN=$ROOT/var/run/openstack-ready
  fi
  METADATA=$RUN/metadata
  if ! mkdir -p "$RUN" "$STATE"; then
    say "cannot write $STATE or $RUN: nothing is done at this boot"
    exit 1
  fi
  trap 'rm -rf "$RUN/work.$$"' EXIT
  WORK=$RUN/work.$$
  mkdir -p "$WORK"
}

# part TEXT COMMAND: runs one part of a stage by itself, so that what stops it
# does not stop the others.
part() {
  set +e
  (
    set -e
    TROUBLE=
    "$2"
    [ -z "$TROUBLE" ] || exit 9
  ) 2>"$WORK/errors"
  p_status=$?
  set -e
  case $p_status in
  0) ;;
  9) TROUBLE=yes ;;
  *) trouble "$1 stopped with status $p_status: $(last_error)" ;;
  esac
}

last_error() {
  sed -n '$p' "$WORK/errors" | tr -d '\000-\010\013-\037\177'
}

stage_grow() {
  rm -rf "$METADATA"
  note_host_keys
  if ! in_container; then
    part 'growing the root file system' grow_root
  fi
}

# in_container: where the disk is the host's (systemd, container-interface).
in_container() {
  [ -e "$ROOT/run/systemd/container" ] || tr '\000' '\n' 2>/dev/null <"$ROOT/proc/1/environ" | grep -q '^container='
}

# stage_keys: an instance ID that is not yet marked belongs to a new instance,
# which may be of a snapshot of another.
stage_keys() {
  if ! find_metadata; then
    trouble "no metadata for this instance was found in $BUDGET seconds: $NO_METADATA"
    return 0
  fi
  part 'making host keys' host_keys
  part 'setting the host name' host_name
  part 'installing the SSH keys' ssh_keys
}

# stage_user_data: comes last, and so also does what the earlier stage could
# not, where the network came late.
stage_user_data() {
  stage_keys
  if [ -e "$METADATA/complete" ]; then
    part 'running the user data' user_data
  fi
}

# done_here NAME: whether NAME is done in this instance.
done_here() {
  [ -f "$STATE/$1.done" ] && cmp -s "$METADATA/instance-id" "$STATE/$1.done"
}

mark_done() {
  cp "$METADATA/instance-id" "$STATE/$1.new"
  mv -f "$STATE/$1.new" "$STATE/$1.done"
}

# replace FILE: FILE gets standard input at one stroke, and keeps owner and mode.
replace() {
  r_new=$(mktemp "$1.XXXXXX")
  if [ -e "$1" ]; then
    cp -p "$1" "$r_new"
  else
    chmod 0644 "$r_new"
  fi
  cat >"$r_new"
  mv -f "$r_new" "$1"
  restore_label "$1"
}

has() {
  command -v "$1" >/dev/null 2>&1
}

restore_label() {
  if has restorecon; then
    restorecon -R "$1" || say "restorecon could not label $1"
  fi
}

# Growth

# grow_root: what is grown already is left alone, so that this can run at every
# boot.
grow_root() {
  find_root
  [ -n "$ROOT_NAME" ] || return 0
  gr_before=$(root_size)
  if [ -e "$ROOT_SYS/partition" ]; then
    grow_partition "$ROOT_SYS"
  elif [ -e "$ROOT_SYS/dm" ]; then
    grow_volume
  fi
  grow_file_system
  gr_after=$(root_size)
  if [ "$gr_before" != "$gr_after" ]; then
    say "the root file system has grown from $gr_before to $gr_after MiB"
  fi
}

# find_root: ROOT_FS is the kind of the root file system, ROOT_NAME its device's
# name below /dev, ROOT_SYS that one's folder in sysfs.
find_root() {
  ROOT_NAME=
  awk '$5 == "/" { for (i = 7; i < NF; i++) if ($i == "-") { fs = $(i + 1); source = $(i + 2) }; number = $3 }
    END { print number, fs, source }' "$ROOT/proc/self/mountinfo" >"$WORK/root"
  read -r fr_number ROOT_FS fr_source <"$WORK/root"
  case $ROOT_FS in
  ext2 | ext3 | ext4 | xfs) fr_sys=$ROOT/sys/dev/block/$fr_number ;;
  btrfs) fr_sys=$ROOT/sys/class/block/$(basename "$(readlink -f "$ROOT$fr_source")") ;;
  *)
    trouble "the root file system is $ROOT_FS, which is not grown: known are ext, xfs and btrfs"
    return 0
    ;;
  esac
  if [ ! -e "$fr_sys/uevent" ]; then
    trouble "the root file system's device $fr_source ($fr_number) is not in /sys: it is not grown"
    return 0
  fi
  ROOT_SYS=$(readlink -f "$fr_sys")
  ROOT_NAME=$(device_name "$ROOT_SYS")
}

# device_name FOLDER: of a device's folder in sysfs.
device_name() {
  sed -n 's/^DEVNAME=//p' "$1/uevent"
}

root_size() {
  df -P -k "${ROOT:-/}" | awk 'NR == 2 { printf "%d\n", $2 / 1024 }'
}

grow_file_system() {
  case $ROOT_FS in
  ext*) run_tool e2fsprogs resize2fs "$ROOT/dev/$ROOT_NAME" ;;
  xfs) run_tool xfsprogs xfs_growfs "${ROOT:-/}" ;;
  btrfs) run_tool btrfs-progs btrfs filesystem resize max "${ROOT:-/}" ;;
  esac
}

# run_tool PACKAGE COMMAND...: what the tool says matters only where it fails.
run_tool() {
  rt_package=$1
  shift
  if ! has "$1"; then
    trouble "there is no $1, which the growth of the root file system needs: install $rt_package"
    return 0
  fi
  rt_status=0
  "$@" >"$WORK/errors" 2>&1 || rt_status=$?
  if [ "$rt_status" -ne 0 ]; then
    trouble "$* ended with status $rt_status: $(last_error)"
  fi
}

# grow_volume: LVM's, by the partitions of its volume group. cloud-init never
# grows these (cloud-init, cc_growpart).
grow_volume() {
  read -r gv_uuid <"$ROOT_SYS/dm/uuid"
  read -r gv_name <"$ROOT_SYS/dm/name"
  case $gv_uuid in
  LVM-*) ;;
  *)
    trouble "the root file system is on /dev/mapper/$gv_name, which is no LVM volume: what is below it is not grown"
    return 0
    ;;
  esac
  if ! has lvm; then
    trouble 'the root file system is on LVM, and there is no lvm: install lvm2'
    return 0
  fi
  gv_group=$(lvm lvs --noheadings -o vg_name "$ROOT/dev/mapper/$gv_name" | awk '{ print $1 }')
  lvm pvs --noheadings -o vg_name,pv_name | awk -v group="$gv_group" '$1 == group { print $2 }' >"$WORK/volumes"
  while read -r gv_device; do
    grow_physical_volume "$gv_device" </dev/null
  done <"$WORK/volumes"
  if [ "$(lvm vgs --noheadings -o vg_free_count "$gv_group" | awk '{ print $1 }')" != 0 ]; then
    run_tool lvm2 lvm lvextend -l +100%FREE "$ROOT/dev/mapper/$gv_name"
  fi
}

# grow_physical_volume DEVICE
grow_physical_volume() {
  gpv_sys=$(readlink -f "$ROOT/sys/class/block/$(basename "$(readlink -f "$1")")")
  if [ -e "$gpv_sys/partition" ] && old_kernel; then
    add_partition "$gpv_sys"
    return 0
  fi
  if [ -e "$gpv_sys/partition" ]; then
    grow_partition "$gpv_sys"
  fi
  run_tool lvm2 lvm pvresize "$1"
}

# old_kernel: one that cannot grow a partition in use, but can learn of a new
# one (cloud-utils, growpart).
old_kernel() {
  case $(uname -r) in
  [012].* | 3.[0-7] | 3.[0-7][!0-9]*) return 0 ;;
  esac
  return 1
}

# add_partition FOLDER: beside one in sysfs, for another physical volume, as the
# guide describes.
add_partition() {
  measure_end "$1"
  [ "$NEW_SIZE" != 0 ] || return 0
  save_table
  if ! add_to_table >"$WORK/errors" 2>&1; then
    trouble "no partition could be added to /dev/$DISK: $(last_error)"
    return 0
  fi
  partx -a "$ROOT/dev/$DISK" >"$WORK/errors" 2>&1 || echo 'partx names those that the kernel knows' >&2
  for ap_start in "$DISK_SYS"/*/start; do
    if [ "$(cat "$ap_start")" = "$START" ]; then
      ap_name=$(device_name "${ap_start%/start}")
      say "made the partition /dev/$ap_name"
      run_tool lvm2 lvm pvcreate -y "$ROOT/dev/$ap_name"
      run_tool lvm2 lvm vgextend "$gv_group" "$ROOT/dev/$ap_name"
      return 0
    fi
  done
  trouble "a partition was added to /dev/$DISK, which the kernel does not see: $(last_error)"
}

# add_to_table: sfdisk before util-linux 2.26 wants the line of an unused entry
# replaced, a later one takes a new line.
add_to_table() {
  if [ "$LABEL" = gpt ] && has sgdisk; then
    sgdisk -e -n "0:$START:$(plus "$START" "$NEW_SIZE" -1)" -t 0:8e00 "$ROOT/dev/$DISK"
    return
  fi
  awk -v line="start= $START, size= $NEW_SIZE" -v label="$LABEL" '
    BEGIN { line = line ", type=" (label == "gpt" ? "E6D6D379-F507-44C2-A23C-238F2A3DF928" : "8e") }
    /^last-lba:/ { next }
    !used && /start= *0, size= *0, Id= *0$/ { sub(/type=/, "Id=", line); print $1 " : " line; used = 1; next }
    { print }
    END { if (!used) print line }' "$STATE/partition-table.${DISK##*/}" >"$WORK/table"
  sfdisk --no-reread --force "$ROOT/dev/$DISK" <"$WORK/table"
}

# measure_end FOLDER: sets START and NEW_SIZE to what lies behind all partitions.
measure_end() {
  open_disk "$1"
  for me_folder in "$DISK_SYS"/*/partition; do
    cat "${me_folder%/*}/start" "${me_folder%/*}/size"
  done | awk -v disk="$(cat "$DISK_SYS/size")" -v block="$BLOCK" -v spare="$SPARE" '
    NR % 2 { start = $1; next }
    start + $1 > end { end = start + $1 }
    END {
      start = int((end + 2047) / 2048) * 2048
      end = int((disk - spare) / 2048) * 2048
      factor = block / 512
      if (end - start < 8192) end = start
      printf "%.0f %.0f\n", start / factor, (end - start) / factor
    }' >"$WORK/room"
  read -r START NEW_SIZE <"$WORK/room"
}

# grow_partition FOLDER: of a partition in sysfs, by the first tool that can.
grow_partition() {
  measure_room "$1"
  [ "$NEW_SIZE" != 0 ] || return 0
  save_table
  for gp_tool in growpart sfdisk sgdisk parted; do
    if has "$gp_tool" && "can_use_$gp_tool"; then
      gp_status=0
      "resize_with_$gp_tool" >"$WORK/errors" 2>&1 || gp_status=$?
      if [ "$gp_status" -eq 0 ]; then
        tell_kernel
        return 0
      fi
      say "$gp_tool could not grow the partition /dev/$NAME (status $gp_status): $(last_error)"
    fi
  done
  trouble "no program could grow the partition /dev/$NAME: install growpart, sfdisk, sgdisk or parted"
}

# measure_room FOLDER: sets NEW_SIZE, in sectors of the disk, or 0 where there is
# less than 1 MiB to win; a partition ends on a full MiB. awk counts where the
# shell has 32 bits.
measure_room() {
  open_disk "$1"
  NAME=$(device_name "$1")
  read -r NUMBER <"$1/partition"
  {
    cat "$1/start" "$1/size" "$DISK_SYS/size"
    cat "$DISK_SYS"/*/start
  } | awk -v block="$BLOCK" -v spare="$SPARE" '
    NR == 1 { start = $1 }
    NR == 2 { size = $1 }
    NR == 3 { disk = end = $1 - spare }
    NR > 3 && $1 > start && $1 < end { end = $1 }
    END {
      fenced = end < disk
      end = int(end / 2048) * 2048
      factor = block / 512
      if (end - start - size < 2048) end = start
      printf "%.0f %.0f %d\n", start / factor, (end - start) / factor, fenced
    }' >"$WORK/room"
  read -r START NEW_SIZE mr_fenced <"$WORK/room"
  if [ "$NEW_SIZE" = 0 ] && [ "$mr_fenced" = 1 ]; then
    say "the partition /dev/$NAME does not grow: another lies behind it"
  fi
}

# open_disk FOLDER: of a partition in sysfs, whose sizes are in units of 512
# bytes. SPARE is what lies behind the last partition at least: 33 sectors of
# GPT, or what a DOS table, which counts to 2^32, cannot hold.
open_disk() {
  DISK_SYS=${1%/*}
  DISK=$(device_name "$DISK_SYS")
  read -r BLOCK <"$DISK_SYS/queue/logical_block_size"
  LABEL=dos
  if [ "$(dd if="$ROOT/dev/$DISK" bs="$BLOCK" skip=1 count=1 2>/dev/null | dd bs=8 count=1 2>/dev/null)" = 'EFI PART' ]; then
    LABEL=gpt
  fi
  SPARE=$(awk -v label="$LABEL" -v factor="$((BLOCK / 512))" '{
    spare = label == "gpt" ? 33 * factor : $1 - 4294967295 * factor
    if (spare < 0) spare = 0
    printf "%.0f\n", spare }' "$DISK_SYS/size")
}

# save_table: what the disk said before, for a person who needs it.
save_table() {
  if has sfdisk; then
    sfdisk -d "$ROOT/dev/$DISK" >"$STATE/partition-table.${DISK##*/}" 2>/dev/null || say "sfdisk cannot read the partition table of /dev/$DISK"
  fi
}

# is_logical: a partition in a DOS table's extended one, which must grow, too.
is_logical() {
  [ "$LABEL" = dos ] && [ "$NUMBER" -gt 4 ]
}

can_use_growpart() {
  ! is_logical
}

resize_with_growpart() {
  growpart "$ROOT/dev/$DISK" "$NUMBER"
}

# can_use_sfdisk: it knows GPT since util-linux 2.26, whose dump names the label.
can_use_sfdisk() {
  [ "$LABEL" = dos ] || grep -q '^label: gpt' "$STATE/partition-table.${DISK##*/}"
}

# resize_with_sfdisk: writes its own dump with another size. Without the last
# LBA it moves the second GPT to the end of the disk.
resize_with_sfdisk() {
  sfdisk -d "$ROOT/dev/$DISK" | awk -v device="$ROOT/dev/$NAME" -v start="$START" -v size="$NEW_SIZE" \
    -v logical="$(is_logical && echo yes)" '
    /^last-lba:/ { next }
    $1 == device { sub(/size= *[0-9]+/, "size= " size) }
    logical && /(type|Id)= *(5|f|85)(,|$)/ && match($0, /start= *[0-9]+/) {
      extended = substr($0, RSTART, RLENGTH)
      sub(/start= */, "", extended)
      sub(/size= *[0-9]+/, sprintf("size= %.0f", start + size - extended))
    }
    { print }' >"$WORK/table"
  grep -q "$NAME .*size= ${NEW_SIZE}[^0-9]" "$WORK/table" || return
  sfdisk --no-reread --force "$ROOT/dev/$DISK" <"$WORK/table"
}

can_use_sgdisk() {
  [ "$LABEL" = gpt ]
}

# resize_with_sgdisk: which only deletes and makes anew, with all that the
# partition had, in one write.
resize_with_sgdisk() {
  sgdisk -i "$NUMBER" "$ROOT/dev/$DISK" >"$WORK/partition" || return
  sgdisk -e -a 1 -d "$NUMBER" -n "$NUMBER:$START:$(plus "$START" "$NEW_SIZE" -1)" \
    -t "$NUMBER:$(sgdisk_value 'Partition GUID code' | sed 's/ .*//')" \
    -u "$NUMBER:$(sgdisk_value 'Partition unique GUID')" \
    -A "$NUMBER:=:$(sgdisk_value 'Attribute flags')" \
    -c "$NUMBER:$(sgdisk_value 'Partition name' | sed "s/^'//; s/'\$//")" "$ROOT/dev/$DISK"
}

sgdisk_value() {
  sed -n "s/^$1: *//p" "$WORK/partition"
}

plus() {
  printf '%s\n' "$@" | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

can_use_parted() {
  ! is_logical
}

# resize_with_parted: it asks about a partition in use even in a script, and
# wants the second GPT moved first. Where a DOS table has no boot code, it makes
# the disk's ID anew, by which a root=PARTUUID= finds its partition.
resize_with_parted() {
  if [ "$LABEL" = gpt ]; then
    printf 'Fix\n' | parted ---pretend-input-tty "$ROOT/dev/$DISK" print || return
  fi
  dd if="$ROOT/dev/$DISK" of="$WORK/boot-code" bs=446 count=1 || return
  rwp_end=$(plus "$START" "$NEW_SIZE" -1)
  printf 'Yes\n%ss\n' "$rwp_end" |
    parted ---pretend-input-tty "$ROOT/dev/$DISK" unit s resizepart "$NUMBER" || return
  dd if="$WORK/boot-code" of="$ROOT/dev/$DISK" conv=notrunc
}

# tell_kernel: by the first way that it takes.
tell_kernel() {
  for tk_way in 'partx -u' partprobe 'blockdev --rereadpt'; do
    if kernel_knows; then
      break
    fi
    if has "${tk_way%% *}"; then
      $tk_way "$ROOT/dev/$DISK" >"$WORK/errors" 2>&1 || say "$tk_way /dev/$DISK: $(last_error)"
    fi
  done
  if kernel_knows; then
    say "the partition /dev/$NAME has grown"
  else
    trouble "the partition /dev/$NAME has grown in the table of /dev/$DISK, which the kernel reads at the next boot"
  fi
}

# kernel_knows: growpart may have chosen an end that differs by less than 1 MiB.
kernel_knows() {
  awk -v want="$NEW_SIZE" -v block="$BLOCK" 'END { exit $1 < want * block / 512 - 2048 }' "$DISK_SYS/${NAME##*/}/size"
}

# Metadata: METADATA gets the files instance-id, host-name, keys (one a line)
# and user-data, the last three empty where there is none; complete, when all is
# there. Functions that fetch end with one of these, or with 1 for no answer.
ABSENT=4
REFUSED=5

# A file is at most 1 MiB, in blocks of 512 bytes; Nova's user data are at most
# 64 KiB.
LIMIT=2048

# find_metadata: from the config drive, else from the metadata service, within
# BUDGET seconds; NO_METADATA says why not.
find_metadata() {
  [ ! -e "$METADATA/complete" ] || return 0
  fm_end=$(($(uptime_seconds) + BUDGET))
  while :; do
    NO_METADATA='there is no config drive'
    if from_config_drive; then
      break
    fi
    fm_drive=$NO_METADATA
    if from_service; then
      break
    fi
    NO_METADATA="$fm_drive, and $NO_METADATA"
    [ "$(uptime_seconds)" -lt "$fm_end" ] || return 1
    sleep 1
  done
  : >"$METADATA/complete"
}

# uptime_seconds: a clock that nobody sets.
uptime_seconds() {
  IFS=' .' read -r us_seconds _ </proc/uptime
  echo "$us_seconds"
}

from_config_drive() {
  for fcd_device in $(config_drives); do
    if read_drive "$fcd_device"; then
      say "the metadata is from the config drive $fcd_device"
      return 0
    fi
  done
  return 1
}

# config_drives: the devices with the label that Nova gives (nova,
# virt/configdrive.py), which is in capitals on some tools' vfat.
config_drives() {
  for cd_label in config-2 CONFIG-2; do
    if [ -e "$ROOT/dev/disk/by-label/$cd_label" ]; then
      echo "$ROOT/dev/disk/by-label/$cd_label"
      return 0
    fi
  done
  if has blkid; then
    blkid | sed -n -e 's/^\([^:]*\):.* LABEL="config-2".*/\1/p' -e 's/^\([^:]*\):.* LABEL="CONFIG-2".*/\1/p'
  fi
}

# read_drive DEVICE: mounts it where nobody else looks, and only to copy.
read_drive() {
  FROM=$RUN/config-drive
  mkdir -p "$FROM"
  for rd_type in iso9660 vfat; do
    if mount -t "$rd_type" -o ro,nosuid,nodev,noexec "$1" "$FROM" 2>"$WORK/errors"; then
      rd_status=0
      take_metadata take_ec2_drive || rd_status=1
      umount "$FROM" || say "the config drive $1 could not be unmounted"
      return "$rd_status"
    fi
  done
  NO_METADATA="the config drive $1 could not be mounted: $(last_error)"
  return 1
}

# from_service: the addresses at which Nova's metadata service answers.
from_service() {
  take_service 169.254.169.254 && return 0
  fs_reasons=$NO_METADATA
  for fs_folder in "$ROOT"/sys/class/net/*; do
    fs_card=${fs_folder##*/}
    case $fs_card in
    lo | '*' | *[!A-Za-z0-9_.-]*) continue ;;
    esac
    take_service "[fe80::a9fe:a9fe%25$fs_card]" && return 0
    fs_reasons="$fs_reasons, and $NO_METADATA"
  done
  NO_METADATA=$fs_reasons
  return 1
}

# take_service ADDRESS
take_service() {
  FROM=http://$1
  take_metadata take_ec2_service || return 1
  say "the metadata is from the metadata service at $1"
}

# take_metadata OTHER: takes what FROM holds, in OpenStack's layout, or in the
# EC2 layout by OTHER where that one is not there. A mere failure must not lead
# to OTHER, whose instance ID is another one.
take_metadata() {
  rm -rf "$METADATA"
  mkdir "$METADATA"
  tm_status=0
  take_openstack || tm_status=$?
  if [ "$tm_status" -eq "$ABSENT" ]; then
    tm_status=0
    "$1" || tm_status=$?
  fi
  return "$tm_status"
}

take_openstack() {
  get openstack/latest/meta_data.json "$WORK/json" || return
  read_json openstack/latest/meta_data.json || return
  value_of uuid >"$METADATA/instance-id"
  value_of hostname >"$METADATA/host-name"
  sed -n "s/^public_keys\/[^$TAB]*$TAB//p" "$WORK/lines" >"$METADATA/keys"
  check_instance_id || return
  take_user_data openstack/latest/user_data
}

# take_ec2_drive: one JSON object.
take_ec2_drive() {
  get ec2/latest/meta-data.json "$WORK/json" || return
  read_json ec2/latest/meta-data.json || return
  value_of instance-id >"$METADATA/instance-id"
  value_of local-hostname >"$METADATA/host-name"
  sed -n "s/^public-keys\/[^$TAB]*\/openssh-key$TAB//p" "$WORK/lines" >"$METADATA/keys"
  check_instance_id || return
  take_user_data ec2/latest/user-data
}

# take_ec2_service: a value in each file. Nova knows the version since ever.
take_ec2_service() {
  tes_base=2009-04-04/meta-data
  get_line $tes_base/instance-id "$METADATA/instance-id" || return
  check_instance_id || return
  get_line $tes_base/local-hostname "$METADATA/host-name" || [ $? -eq "$ABSENT" ] || return "$REFUSED"
  get_line $tes_base/public-keys/ "$WORK/key-list" || [ $? -eq "$ABSENT" ] || return "$REFUSED"
  : >"$METADATA/keys"
  sed -n 's/^\([0-9][0-9]*\)=.*/\1/p' "$WORK/key-list" | sed 100q >"$WORK/numbers"
  while read -r tes_number; do
    get_line "$tes_base/public-keys/$tes_number/openssh-key" "$WORK/key" </dev/null || return
    cat "$WORK/key" >>"$METADATA/keys"
  done <"$WORK/numbers"
  take_user_data 2009-04-04/user-data
}

# get_line PATH FILE: with the line's end, which Nova leaves out.
get_line() {
  : >"$2"
  get "$1" "$WORK/value" || return
  awk 1 "$WORK/value" >"$2"
}

take_user_data() {
  get_if_there "$1" "$METADATA/user-data"
}

# get_if_there PATH FILE: an empty file for one that is not there.
get_if_there() {
  git_status=0
  get "$1" "$2" || git_status=$?
  case $git_status in
  0) ;;
  "$ABSENT") : >"$2" ;;
  *) return "$git_status" ;;
  esac
}

# check_instance_id: keeps what is no metadata, such as a page of a proxy, from
# being taken for one.
check_instance_id() {
  if fits '^[A-Za-z0-9][A-Za-z0-9._-]*$' 64 "$METADATA/instance-id"; then
    return 0
  fi
  NO_METADATA="what $FROM holds has no instance ID"
  return "$REFUSED"
}

# fits PATTERN LENGTH FILE: whether the file is one line that does.
fits() {
  awk -v pattern="$1" -v longest="$2" '
    NR > 1 || length($0) > longest || $0 !~ pattern { bad = 1; exit }
    END { exit bad || NR == 0 }' "$3"
}

# read_json NAME: turns $WORK/json into $WORK/lines.
read_json() {
  if ! json_lines "$WORK/json" >"$WORK/lines"; then
    NO_METADATA="$1 from $FROM is no JSON object"
    return "$REFUSED"
  fi
}

TAB=$(printf '\t')

# value_of PATH: of the lines that json_lines made.
value_of() {
  awk -F "$TAB" -v path="$1" '$1 == path { print substr($0, length(path) + 2); exit }' "$WORK/lines"
}

# json_lines FILE: a line "PATH<TAB>VALUE" for each scalar of a JSON object,
# several for a string of several lines; fails where the file is none. The
# input is cut at quotation marks, so that its pieces are inside and outside of
# strings by turns.
json_lines() {
  tr -d '\000' <"$1" | awk '
    BEGIN { RS = "\""; want = "value" }

    inside {
      text = text $0
      if (match($0, /\\+$/) && RLENGTH % 2) text = text "\""
      else { inside = 0; take_string(unescaped(text)) }
      next
    }
    { take_structure($0); inside = 1; text = "" }

    END {
      # After a piece outside, the next one is inside.
      if (bad || want != "end" || !inside) exit 1
    }

    function fail() { bad = 1; exit 1 }

    function take_structure(s, i, c) {
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c ~ /[ \t\r\n]/) continue
        if (depth == 0 && c != "{") fail()
        if (c == "{" || c == "[") push(c)
        else if (c == "}" || c == "]") pop(c)
        else if (c == ":" && want == "colon") want = "value"
        else if (c == "," && want == "comma") want = kind[depth] == "{" ? "key" : "value"
        else if (match(substr(s, i), /^[-+.0-9A-Za-z]+/)) {
          take_value(substr(s, i, RLENGTH))
          i += RLENGTH - 1
        } else fail()
      }
    }

    function push(c) {
      if (want !~ /^value/ || depth == 32) fail()
      if (depth && kind[depth] == "[") name[depth]++
      kind[++depth] = c
      name[depth] = -1
      want = c == "{" ? "key or end" : "value or end"
    }

    function pop(c) {
      if (want != "comma" && want !~ / or end$/ || kind[depth] != (c == "}" ? "{" : "[")) fail()
      want = --depth ? "comma" : "end"
    }

    function take_string(s) {
      if (want ~ /^key/) {
        gsub(/[\/\t\n]/, "_", s)
        name[depth] = s
        want = "colon"
      } else take_value(s)
    }

    function take_value(s, path, i, n, lines) {
      if (want !~ /^value/) fail()
      if (kind[depth] == "[") name[depth]++
      for (i = 1; i <= depth; i++) path = path (i > 1 ? "/" : "") name[i]
      n = split(s, lines, "\n")
      for (i = 1; i <= n; i++) print path "\t" lines[i]
      want = "comma"
    }

    function unescaped(s, out, i, c) {
      while ((i = index(s, "\\")) > 0) {
        out = out substr(s, 1, i - 1)
        c = substr(s, i + 1, 1)
        s = substr(s, i + 2)
        if (c == "u") {
          i = hex(substr(s, 1, 4))
          s = substr(s, 5)
          if (i >= 55296 && i < 56320 && substr(s, 1, 2) == "\\u") {
            i = 65536 + (i - 55296) * 1024 + hex(substr(s, 3, 4)) - 56320
            s = substr(s, 7)
          }
          out = out utf8(i)
        } else if (c == "n") out = out "\n"
        else if (c == "t") out = out "\t"
        else if (c ~ /[\\"\/]/) out = out c
        else if (c ~ /[bfr]/) out = out " "
        else fail()
      }
      return out s
    }

    function hex(s, i, n, digit) {
      for (i = 1; i <= 4; i++) {
        digit = index("0123456789abcdef", tolower(substr(s, i, 1)))
        if (digit == 0 || i > length(s)) fail()
        n = n * 16 + digit - 1
      }
      return n
    }

    function utf8(n) {
      if (n < 32 && n != 9 && n != 10) return "?"
      if (n < 128) return sprintf("%c", n)
      if (n < 2048) return sprintf("%c%c", 192 + int(n / 64), 128 + n % 64)
      if (n < 65536) return sprintf("%c%c%c", 224 + int(n / 4096), 128 + int(n / 64) % 64, 128 + n % 64)
      return sprintf("%c%c%c%c", 240 + int(n / 262144), 128 + int(n / 4096) % 64, 128 + int(n / 64) % 64, 128 + n % 64)
    }'
}

# limit_files BLOCKS: what is written beyond is an error, and no signal, of which
# the shell would speak.
limit_files() {
  trap '' XFSZ
  ulimit -f "$1"
}

# get PATH FILE: from FROM, which is a folder or a URL.
get() {
  case $FROM in
  http://*) get_url "$FROM/$1" "$2" ;;
  *) get_copy "$FROM/$1" "$2" ;;
  esac
}

# get_copy SOURCE FILE
get_copy() {
  [ -f "$1" ] || return "$ABSENT"
  if ! (limit_files "$LIMIT" && exec cat "$1" >"$2") 2>"$WORK/errors"; then
    NO_METADATA="${1#"$FROM/"} of the config drive is damaged, or larger than 1 MiB"
    return "$REFUSED"
  fi
}

# get_url URL FILE
get_url() {
  for gu_program in curl wget busybox python3; do
    if can_fetch "$gu_program" "$1"; then
      : >"$WORK/code"
      gu_status=0
      "with_$gu_program" "$1" "$2" 2>"$WORK/errors" || gu_status=$?
      judge_answer "$1" "$gu_status"
      return
    fi
  done
  NO_METADATA="there is no program that can fetch $1: install curl"
  return 1
}

# can_fetch PROGRAM URL: GNU wget knows no address with a network card.
can_fetch() {
  has "$1" || return
  case $1 in
  wget) has_busybox_wget || [ "${2#*%}" = "$2" ] ;;
  busybox) busybox --list | grep -qx wget ;;
  esac
}

has_busybox_wget() {
  wget --help 2>&1 | grep -q BusyBox
}

# judge_answer URL STATUS
judge_answer() {
  read -r ja_code <"$WORK/code" || ja_code=
  case $ja_code/$2 in
  200/0) return 0 ;;
  404/*) ja_status=$ABSENT ;;
  [1-5][0-9][0-9]/0 | [1345][0-9][0-9]/*) ja_status=$REFUSED ;;
  *)
    NO_METADATA="$1 gives no whole answer: $(last_error)"
    return 1
    ;;
  esac
  NO_METADATA="$1 answers with HTTP status $ja_code"
  return "$ja_status"
}

# Each of with_PROGRAM URL FILE leaves the HTTP status in $WORK/code. No proxy
# can reach the instance's own metadata.
with_curl() {
  within curl -q -fsS --noproxy '*' -o "$2" -w '%{http_code}\n' "$1" >"$WORK/code"
}

with_wget() {
  if has_busybox_wget; then
    with_busybox "$@"
    return
  fi
  ww_status=0
  within wget -nv -S -t 1 --no-proxy --max-redirect=0 -O "$2" "$1" || ww_status=$?
  awk '$1 ~ /^HTTP\// { code = $2 } END { print code }' "$WORK/errors" >"$WORK/code"
  return "$ww_status"
}

# with_busybox: it knows the network card of an address by a bare "%".
with_busybox() {
  set -- wget -O "$2" "$(printf '%s\n' "$1" | sed 's/%25/%/')"
  if ! has wget || ! has_busybox_wget; then
    set -- busybox "$@"
  fi
  if within "$@"; then
    echo 200 >"$WORK/code"
  else
    sed -n 's/.*server returned error: HTTP[^ ]* \([0-9]*\).*/\1/p' "$WORK/errors" >"$WORK/code"
  fi
}

with_python3() {
  within python3 -c '
import http.client, sys

host, _, path = sys.argv[1][7:].partition("/")
connection = http.client.HTTPConnection(host.strip("[]").replace("%25", "%"), 80)
connection.request("GET", "/" + path)
answer = connection.getresponse()
if answer.status == 200:
    body = answer.read(1 << 20)
    if answer.length or answer.read(1):
        sys.exit("the answer breaks off, or is larger than 1 MiB")
    with open(sys.argv[2], "wb") as f:
        f.write(body)
print(answer.status)
' "$1" "$2" >"$WORK/code"
}

# within COMMAND...: bounded by what is left of BUDGET, at most 10 seconds, and
# in what it may write. The programs' own limits are for silence only, and
# busybox 1.35 crashes with its own.
within() {
  w_left=$((fm_end - $(uptime_seconds)))
  if [ "$w_left" -gt 10 ]; then
    w_left=10
  elif [ "$w_left" -lt 1 ]; then
    w_left=1
  fi
  (
    limit_files "$LIMIT"
    if timeout "$w_left" true 2>/dev/null; then
      exec timeout "$w_left" "$@"
    fi
    exec timeout -t "$w_left" "$@"
  )
}

# Host keys

HOST_KEYS=/etc/ssh/ssh_host

# note_host_keys: keys that were there before this boot made any are an earlier
# instance's.
note_host_keys() {
  if has_host_keys; then
    echo old >"$RUN/host-keys"
  else
    echo none >"$RUN/host-keys"
  fi
}

has_host_keys() {
  for hhk_file in "$ROOT$HOST_KEYS"_*_key; do
    [ ! -s "$hhk_file" ] || return 0
  done
  return 1
}

# host_keys: new ones for a new instance, which the running server takes up.
host_keys() {
  if done_here host-keys || [ ! -d "$ROOT${HOST_KEYS%/*}" ]; then
    return 0
  fi
  if ! has_host_keys || [ "$(cat "$RUN/host-keys" 2>/dev/null)" != none ]; then
    make_host_keys
    say 'made new SSH host keys for this instance'
    tell_ssh_server
  fi
  mark_done host-keys
}

# make_host_keys: of the kinds that are there, else of those that cloud-init
# makes; all are made before the first of the old ones goes.
make_host_keys() {
  for mhk_kind in rsa ecdsa ed25519; do
    if [ -e "$ROOT${HOST_KEYS}_${mhk_kind}_key" ] || ! has_host_keys; then
      ssh-keygen -q -t "$mhk_kind" -N '' -C '' -f "$WORK/ssh_host_${mhk_kind}_key"
    fi
  done
  rm -f "$ROOT$HOST_KEYS"_*_key "$ROOT$HOST_KEYS"_*_key.pub "$ROOT$HOST_KEYS"_*_key-cert.pub
  for mhk_file in "$WORK"/ssh_host_*_key; do
    chmod 0644 "$mhk_file.pub"
    cp -p "$mhk_file.pub" "$mhk_file" "$ROOT${HOST_KEYS%/*}"
  done
  restore_label "$ROOT${HOST_KEYS%/*}"
}

# tell_ssh_server: sshd starts anew at this signal, and keeps its connections.
tell_ssh_server() {
  for tss_file in "$ROOT/run/sshd.pid" "$ROOT/var/run/sshd.pid"; do
    if read -r tss_pid 2>/dev/null <"$tss_file" && [ "$(cat "$ROOT/proc/$tss_pid/comm")" = sshd ]; then
      kill -HUP "$tss_pid"
      return 0
    fi
  done
}

# Host name

host_name() {
  if done_here host-name; then
    return 0
  fi
  if [ ! -s "$METADATA/host-name" ]; then
    say 'the metadata holds no host name: the name of the image stays'
    mark_done host-name
    return 0
  fi
  read -r hn_long <"$METADATA/host-name"
  hn_short=${hn_long%%.*}
  if ! fits '^[A-Za-z0-9][A-Za-z0-9.-]*$' 253 "$METADATA/host-name" || [ "${#hn_short}" -gt 63 ]; then
    trouble 'the host name of the metadata is none: it may have letters, digits and "-", and 63 characters before its first dot'
    return 0
  fi
  write_host_name
  write_hosts_line
  if [ -z "$ROOT" ] && has hostname; then
    hostname "$hn_short"
  else
    printf '%s\n' "$hn_short" >"$ROOT/proc/sys/kernel/hostname"
  fi
  say "the host name is $hn_short"
  mark_done host-name
}

# write_host_name: systemd's, Debian's and Alpine's place, and those of SUSE 11,
# Red Hat 6 and Gentoo where they exist.
write_host_name() {
  printf '%s\n' "$hn_short" | replace "$ROOT/etc/hostname"
  if [ -f "$ROOT/etc/HOSTNAME" ] && [ ! -h "$ROOT/etc/HOSTNAME" ]; then
    printf '%s\n' "$hn_long" | replace "$ROOT/etc/HOSTNAME"
  fi
  if grep -qs '^HOSTNAME=' "$ROOT/etc/sysconfig/network"; then
    sed "s/^HOSTNAME=.*/HOSTNAME=$hn_short/" "$ROOT/etc/sysconfig/network" >"$WORK/new"
    replace "$ROOT/etc/sysconfig/network" <"$WORK/new"
  fi
  if [ -f "$ROOT/etc/conf.d/hostname" ]; then
    printf 'hostname="%s"\n' "$hn_short" | replace "$ROOT/etc/conf.d/hostname"
  fi
}

# write_hosts_line: sudo and others wait for a name that nothing resolves.
write_hosts_line() {
  hn_names=$hn_short
  if [ "$hn_long" != "$hn_short" ]; then
    hn_names="$hn_long $hn_short"
  fi
  if [ -e "$ROOT/etc/hosts" ]; then
    grep -v '^127\.0\.1\.1[[:space:]]' "$ROOT/etc/hosts" >"$WORK/new" || [ $? -eq 1 ]
  else
    echo '127.0.0.1 localhost' >"$WORK/new"
  fi
  printf '127.0.1.1\t%s\n' "$hn_names" >>"$WORK/new"
  replace "$ROOT/etc/hosts" <"$WORK/new"
}

# SSH keys

ssh_keys() {
  if done_here ssh-keys; then
    return 0
  fi
  check_keys
  if [ -s "$WORK/keys" ]; then
    find_account || make_account
    add_keys
  elif [ -s "$METADATA/keys" ]; then
    trouble 'none of the SSH keys of the metadata can be used: nobody can log in with a key'
    return 0
  else
    say 'the metadata holds no SSH key: the instance was made without one'
  fi
  mark_done ssh-keys
}

# check_keys: the lines that are keys, without options, go to $WORK/keys.
check_keys() {
  awk -v good="$WORK/keys" '
    { sub(/[ \t\r]+$/, "") }
    $0 == "" { next }
    length($0) <= 16384 && $0 !~ /[[:cntrl:]]/ &&
    $1 ~ /^(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)$/ &&
    $2 ~ /^AAAA[A-Za-z0-9+\/]+=*$/ && index($0, $1 " " $2) == 1 { print >good; next }
    { printf "openstack-ready: line %d of the SSH keys of the metadata is no SSH key and is left out\n", NR }
  ' "$METADATA/keys"
}

# find_account: sets HOME_OF and OWNER.
find_account() {
  fa_line=$(awk -F : -v name="$ACCOUNT" '$1 == name { print $3 ":" $4 "\t" $6; exit }' "$ROOT/etc/passwd")
  [ -n "$fa_line" ] || return
  OWNER=${fa_line%%"$TAB"*}
  HOME_OF=$ROOT${fa_line#*"$TAB"}
}

# make_account: with a password that nobody has, since sshd without PAM refuses
# an account that is locked by "!".
make_account() {
  if has useradd; then
    useradd -m -s "$(login_shell)" -p '*' "$ACCOUNT"
  else
    adduser -D -s "$(login_shell)" "$ACCOUNT"
    printf '%s:*\n' "$ACCOUNT" | chpasswd -e
  fi
  find_account
  say "made the account $ACCOUNT"
  allow_everything
}

login_shell() {
  if [ -x "$ROOT/bin/bash" ]; then
    echo /bin/bash
  else
    echo /bin/sh
  fi
}

# allow_everything: by sudo or doas.
allow_everything() {
  if [ -d "$ROOT/etc/sudoers.d" ]; then
    printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$ACCOUNT" >"$WORK/rule"
    chmod 0440 "$WORK/rule"
    cp -p "$WORK/rule" "$ROOT/etc/sudoers.d/90-openstack-ready"
    restore_label "$ROOT/etc/sudoers.d/90-openstack-ready"
  elif has doas; then
    mkdir -p "$ROOT/etc/doas.d"
    printf 'permit nopass %s\n' "$ACCOUNT" >"$WORK/rule"
    cp "$WORK/rule" "$ROOT/etc/doas.d/openstack-ready.conf"
  else
    say "there is neither sudo nor doas: $ACCOUNT cannot become root"
  fi
}

# add_keys: to those that are there. The folder is the account's, which must not
# lead root elsewhere by a link.
add_keys() {
  ak_folder=$HOME_OF/.ssh
  ak_file=$ak_folder/authorized_keys
  if [ -h "$ak_folder" ] || [ -h "$ak_file" ]; then
    trouble "$ak_folder or its authorized_keys is a symbolic link: the SSH keys are not installed"
    exit 9
  fi
  if [ ! -d "$ak_folder" ]; then
    mkdir -m 0700 "$ak_folder"
    chown "$OWNER" "$ak_folder"
  fi
  if [ -e "$ak_file" ]; then
    awk 1 "$ak_file" >"$WORK/new"
  else
    : >"$WORK/new"
  fi
  awk 'FILENAME == ARGV[1] { for (i = 1; i < NF; i++) seen[$i, $(i + 1)]; next } !(($1, $2) in seen) { seen[$1, $2]; print }' \
    "$WORK/new" "$WORK/keys" >"$WORK/added"
  cat "$WORK/added" >>"$WORK/new"
  ak_new=$(mktemp "$ak_folder/authorized_keys.XXXXXX")
  cat "$WORK/new" >"$ak_new"
  chmod 0600 "$ak_new"
  chown "$OWNER" "$ak_new"
  mv -f "$ak_new" "$ak_file"
  restore_label "$ak_folder"
  say "$(awk 'END { print NR }' "$WORK/keys") SSH keys are in $ACCOUNT's authorized_keys"
}

# User data

# user_data: the mark is set before the script runs, since one that restarts the
# instance would else do so for ever. What is not understood is not marked.
user_data() {
  if done_here user-data || [ ! -s "$METADATA/user-data" ]; then
    return 0
  fi
  if [ "$RUN_USER_DATA" = false ]; then
    say 'user data is not run: boot.conf has user_data=false'
    return 0
  fi
  cp "$METADATA/user-data" "$WORK/user-data"
  if [ "$(first_bytes "$WORK/user-data")" = 1f8b ]; then
    unzip_user_data
  fi
  case $(first_bytes "$WORK/user-data") in
  2321) run_user_data ;;
  *) refuse_user_data ;;
  esac
}

first_bytes() {
  od -An -tx1 -N 2 "$1" | tr -d ' \n'
}

unzip_user_data() {
  if ! (limit_files "$((LIMIT * 16))" && exec gzip -dc <"$METADATA/user-data" >"$WORK/user-data"); then
    trouble 'the user data is compressed, but damaged, or larger than 16 MiB'
    exit 9
  fi
}

run_user_data() {
  cp "$WORK/user-data" "$STATE/user-data"
  chmod 0700 "$STATE/user-data"
  mark_done user-data
  say 'running the user data'
  rud_status=0
  (
    cd /
    umask 022
    HOME=/root exec "$STATE/user-data" 2>&1
  ) || rud_status=$?
  if [ "$rud_status" -ne 0 ]; then
    trouble "the user data ended with status $rud_status; it is not run again in this instance"
    return 0
  fi
  say 'the user data has run'
}

# refuse_user_data: names what cloud-init would understand.
refuse_user_data() {
  rud_line=$(sed 1q "$WORK/user-data" | tr -d '\000-\037\177')
  case $rud_line in
  '#cloud-config'* | '#include'* | '#cloud-boothook'* | '#part-handler'* | '#upstart-job'* | '## template:'*)
    rud_kind="\"${rud_line%% *}\", which only cloud-init understands"
    ;;
  [Cc]ontent-[Tt]ype:* | MIME-Version:* | 'From '*) rud_kind='a MIME message, which only cloud-init understands' ;;
  *) rud_kind='no script' ;;
  esac
  trouble "the user data is not run: it is $rud_kind; here it must begin with \"#!\""
}

main "$@"
