# shellcheck shell=sh
# partition-layout: the partition of the root, or of the physical volume below it,
# is last on its disk, the table covers the disk, the file system fills its
# partition, volume, or disk without a table. Sizes in sysfs are in sectors of 512
# bytes.

look_partition_layout() {
  find_root
  if ! find_holder; then
    unknown "the root file system is not on a plain partition, nor on LVM on one: $ROOT_REASON"
    return 0
  fi
  if [ -e "$HOLDER_SYS/partition" ]; then
    read -r pl_start <"$HOLDER_SYS/start"
    read -r pl_size <"$HOLDER_SYS/size"
    read -r pl_disk_size <"$HOLDER_SYS/../size"
    look_other_partitions
    look_unpartitioned_end
  fi
  look_file_system_size
}

# find_holder: sets HOLDER_SYS and HOLDER_NAME to the partition or disk of the
# root, or of its volume where that has but one.
find_holder() {
  HOLDER_SYS=$ROOT_SYS HOLDER_NAME=$ROOT_NAME
  case $ROOT_KIND in
  partition | disk) return 0 ;;
  lvm) ;;
  *) return 1 ;;
  esac
  set -- "$ROOT_SYS"/slaves/*
  if [ $# -ne 1 ] || [ ! -e "$1/size" ] || [ -e "$1/dm" ]; then
    ROOT_REASON="$ROOT_REASON on $# devices, or on another volume"
    return 1
  fi
  HOLDER_SYS=$1 HOLDER_NAME=${1##*/}
}

look_other_partitions() {
  pl_count=0
  for pl_file in "$HOLDER_SYS"/../*/partition; do
    pl_other=${pl_file%/partition}
    pl_count=$((pl_count + 1))
    read -r pl_other_start <"$pl_other/start"
    if [ "$pl_other_start" -gt "$pl_start" ]; then
      unmet "partition ${pl_other##*/} lies behind the root partition $HOLDER_NAME, which therefore cannot grow"
    fi
  done
  if [ "$ROOT_KIND" = lvm ]; then
    otherwise_met "$HOLDER_NAME, below the LVM volume $ROOT_NAME with the $ROOT_FS root, is the last of $pl_count partition(s)"
  else
    otherwise_met "$HOLDER_NAME is the last of $pl_count partition(s), $ROOT_FS, no LVM"
  fi
}

# look_unpartitioned_end: up to 8 MiB at the end are alignment and the backup
# of the table.
look_unpartitioned_end() {
  pl_rest=$((pl_disk_size - pl_start - pl_size))
  if [ "$pl_rest" -gt 16384 ]; then
    unmet "$((pl_rest / 2048)) MiB at the disk's end belong to no partition" \
      "let the root partition reach the disk's end before this provisioner runs: growpart, then resize2fs"
  fi
}

# look_file_system_size: it fills its partition or volume if less than a block
# group is left, or what makes an allocation group of XFS (XFS_AG_MIN_BYTES).
look_file_system_size() {
  case $ROOT_FS in
  ext2 | ext3 | ext4) pl_grow="resize2fs /dev/$ROOT_NAME" ;;
  xfs) pl_grow='xfs_growfs /' ;;
  btrfs) pl_grow='btrfs filesystem resize max /' ;;
  *)
    unknown "how far a $ROOT_FS file system fills its partition was not looked at"
    return 0
    ;;
  esac
  read -r pl_size <"$ROOT_SYS/size"
  if ! pl_left=$(file_system_leaves $((pl_size * 512))); then
    unknown "the size of the $ROOT_FS file system on /dev/$ROOT_NAME could not be read"
  elif [ "$pl_left" -gt 0 ]; then
    unmet "the file system leaves $pl_left MiB of $ROOT_NAME unused" "run $pl_grow"
  else
    met "the file system fills $ROOT_NAME"
  fi
}

# file_system_leaves BYTES: how many MiB of a partition it does not use.
file_system_leaves() {
  case $ROOT_FS in
  btrfs) btrfs filesystem show --raw "$ROOT/" >"$WORK/superblock" || return 1 ;;
  xfs) xfs_info "${ROOT:-/}" >"$WORK/superblock" || return 1 ;;
  *) dumpe2fs -h "$ROOT/dev/$ROOT_NAME" >"$WORK/superblock" || return 1 ;;
  esac
  awk -v bytes="$1" '
    $1 == "data" {
      for (i = 2; i <= NF; i++) {
        if (sub(/^bsize=/, "", $i)) size = $i
        if (sub(/^blocks=/, "", $i)) used = $i * size
      }
      unit = 16 * 1048576
    }
    $1 == "devid" && $3 == "size" { used = $4; unit = 64 * 1048576 }
    /^Block count:/ { blocks = $3 }
    /^Block size:/ { size = $3 }
    /^Blocks per group:/ { used = blocks * size; unit = $4 * size }
    END {
      if (used == 0) exit 1
      print (bytes - used >= unit) ? int((bytes - used) / 1048576) : 0
    }
  ' "$WORK/superblock"
}

# The table is the builder's affair: a mend from inside would move partitions
# of the running system.
mend_partition_layout() {
  :
}
