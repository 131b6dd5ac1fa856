# shellcheck shell=sh
# The device of the root file system, from /proc and /sys.

# find_root: sets ROOT_FS, ROOT_NAME, ROOT_SYS and ROOT_KIND (partition, disk,
# lvm, luks, or empty with the reason in ROOT_REASON).
find_root() {
  ROOT_KIND='' ROOT_NAME='' ROOT_SYS='' ROOT_REASON=''
  awk '$5 == "/" { for (i = 7; i < NF; i++) if ($i == "-") { fs = $(i + 1); source = $(i + 2) } device = $3 }
    END { print device, fs, source }' "$ROOT/proc/self/mountinfo" >"$WORK/root"
  read -r fr_device ROOT_FS fr_source <"$WORK/root"
  ROOT_SYS=$ROOT/sys/dev/block/$fr_device
  if [ ! -e "$ROOT_SYS/uevent" ]; then
    ROOT_SYS=$ROOT/sys/class/block/$(device_name "$fr_source")
  fi
  if [ ! -e "$ROOT_SYS/uevent" ]; then
    ROOT_REASON="neither device $fr_device of its $ROOT_FS file system nor $fr_source is in /sys"
    return 0
  fi
  ROOT_NAME=$(sed -n 's/^DEVNAME=//p' "$ROOT_SYS/uevent")
  if [ -e "$ROOT_SYS/partition" ]; then
    ROOT_KIND=partition
  elif [ -e "$ROOT_SYS/dm/uuid" ]; then
    read -r fr_uuid <"$ROOT_SYS/dm/uuid"
    case $fr_uuid in
    LVM-*) ROOT_KIND=lvm ;;
    CRYPT-*) ROOT_KIND=luks ;;
    esac
    ROOT_REASON="$ROOT_NAME is a device-mapper volume ($fr_uuid)"
  else
    ROOT_KIND=disk
  fi
}

# device_name SOURCE: the kernel's name of what is mounted. Btrfs has a device
# number of its own, so that only the source leads to the disk.
device_name() {
  dn_source=$1
  if [ -h "$ROOT$dn_source" ]; then
    dn_source=$(readlink "$ROOT$dn_source")
  fi
  echo "${dn_source##*/}"
}

# read_only PATH: whether a file system is mounted there, and so.
read_only() {
  awk -v path="$1" '$5 == path { options = $6 } END { print options }' "$ROOT/proc/self/mountinfo" | grep -Eq '^ro(,|$)'
}
